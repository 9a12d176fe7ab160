package filelog

import (
	"sort"

	"github.com/allied-ledger/allied/events/es"
)

const (
	ringBytesMax   = 8 << 20
	ringEntryBytes = 128 // what an entry takes beside its frame
)

// ring keeps the newest groups for readers of the tail.
type ring struct {
	groups [][]es.Entry
	sizes  []int
	bytes  int
}

func (r *ring) add(entries []es.Entry, frames uint64) {
	size := int(frames) + len(entries)*ringEntryBytes
	r.groups, r.sizes, r.bytes = append(r.groups, entries), append(r.sizes, size), r.bytes+size
	for r.bytes > ringBytesMax && len(r.groups) > 1 {
		r.bytes -= r.sizes[0]
		r.groups[0] = nil
		r.groups, r.sizes = r.groups[1:], r.sizes[1:]
	}
}

// after returns a run of entries that follows a position, or nothing where the ring does not reach back that far.
func (r *ring) after(position es.Position) []es.Entry {
	if len(r.groups) == 0 || r.groups[0][0].Prev > position {
		return nil
	}
	i := sort.Search(len(r.groups), func(i int) bool { return r.groups[i][len(r.groups[i])-1].Position > position })
	if i == len(r.groups) {
		return nil
	}
	g := r.groups[i]
	from := sort.Search(len(g), func(i int) bool { return g[i].Position > position })
	return g[from:len(g):len(g)]
}
