package filelog

import (
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/allied-ledger/allied/events/es"
)

// publishing is the publisher's next task, one of three.
type publishing struct {
	group   *group                   // durable, to be shown and answered
	begins  []byte                   // the header of a new live segment
	drained chan<- [sha256.Size]byte // to be told the live segment's digest
}

// publisher shows durable groups to readers and then answers them: the index first, then the head file, then readers, then callers.
// It works on one group while the committer writes the next.
type publisher struct {
	log    *Log
	queue  <-chan publishing
	head   *headFile
	digest hash.Hash // of the live segment so far
	failed error     // the first failure; what comes after it is unknown too
}

func (p *publisher) run() {
	for task := range p.queue {
		switch {
		case task.group != nil:
			err := p.show(task.group)
			task.group.answer(err)
			for _, b := range task.group.buffers {
				p.digest.Write(b) // never fails
			}
		case task.begins != nil:
			p.digest = sha256.New()
			p.digest.Write(task.begins)
		default:
			task.drained <- [sha256.Size]byte(p.digest.Sum(nil))
		}
	}
}

// show makes a group visible. Its error means that it stays invisible until the log is opened again.
func (p *publisher) show(g *group) error {
	if p.failed == nil && len(g.entries) > 0 {
		err := p.log.index.apply(g.indexed, applied{log: p.log.id, end: g.end, events: g.events, crc: g.crc})
		if err == nil {
			err = p.head.advance(g.end, g.events)
		}
		if err != nil {
			p.log.latch(err)
			p.failed = fmt.Errorf("%w: %w", es.ErrUnknown, err)
		}
	}
	if p.failed != nil {
		return p.failed
	}
	if len(g.entries) == 0 {
		return nil
	}
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = es.Head{Position: es.Position(g.end), Events: g.events}
	l.ring.add(g.entries, g.end-g.start)
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}
