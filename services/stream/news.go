package stream

import (
	"time"

	"github.com/allied-ledger/allied/events/es"
)

// news wakes who waits. Its owner's lock guards it.
type news struct {
	moved chan struct{} // closed and replaced whenever there is something new
}

func newNews() news { return news{make(chan struct{})} }

func (n *news) tell() {
	close(n.moved)
	n.moved = make(chan struct{})
}

// lag tells since when what readers see has stood still, though it should have moved.
type lag struct {
	late  bool
	since time.Time
	// position is what readers see, head where the log ends as far as is known.
	position, head es.Position
}

// set takes what is known now, and tells whether readers are to hear of it.
func (l *lag) set(now lag) bool {
	changed := l.late != now.late
	*l = now
	return changed
}
