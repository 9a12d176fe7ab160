package boot

import (
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/memlog"
)

func (n *Node) openLog() (es.Log, error) {
	if n.folder == nil {
		return memlog.New(), nil
	}
	return filelog.Open(filelog.Config{Dir: n.cfg.DataDir, Logger: n.zap})
}
