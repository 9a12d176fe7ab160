package boot

import (
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/memlog"
)

func (n *Node) openLog() (es.Log, error) {
	return memlog.New(), nil
}
