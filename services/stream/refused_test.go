package stream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/stream"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

func TestWhatCannotBeReadIsRefusedBeforeTheStream(t *testing.T) {
	w := begin(t, nil)
	submit(t, w.ledger, commit("NOR", "1.00"))
	for _, c := range []struct{ query, last, says string }{
		{"?after=-1", "", `is no position`},
		{"?after=999999999", "", `before 999999999`},
		{"", "yesterday", `is no position`},
		{"?view=balances", "1 2", `is no position`},
		{"?kind=plegde", "", `did you mean \"pledge\"?`},
		{"?donor=Norway", "", `is not known here`},
		{"?type=PledgeComitted", "", `did you mean \"PledgeCommitted\"?`},
		{"?stream=1", "", `name the stream as the ledger printed it`},
		{"?view=balance", "", `did you mean \"balances\"?`},
		{"?donors=NOR", "", `did you mean \"donor\"?`},
		{"?donor=", "", `it came without a value`},
		{"?view=balances&donor=NOR", "", `no such parameter`},
		{"?donor=NOR&donor=SWE", "", `it came 2 times`},
		{"?donor=%zz", "", `the query cannot be read`},
	} {
		_, err := tryOpen(t, insistent, w.url+c.query, c.last)
		if err == nil || !strings.Contains(err.Error(), " 400 ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s with %q is answered %v", c.query, c.last, err)
		}
	}
}

// The recorder of another log takes the place of the one that readers have followed.
func TestReadersOfALogThatIsReplacedBeginAnew(t *testing.T) {
	s, err := embednats.Start(embednats.Config{StreamsDir: t.TempDir() + "/streams", Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(s.Close)
	nc, err := nats.Connect(s.URL())
	must(t, err)
	t.Cleanup(nc.Close)
	c := client.New(nc, client.Config{})
	ledger := func() (stop func()) {
		n, err := boot.Start(t.Context(), boot.Config{
			Profile: boot.ProfileDev, NATSURL: s.URL(), Roles: []string{boot.Recorder, boot.Pledges, boot.Views}, Logger: zap.NewNop(),
		})
		must(t, err)
		return func() { must(t, n.Close(context.Background())) }
	}
	_, url := serve(t, nc, func(h *stream.Hub) { h.Hurry(time.Minute, time.Minute, 800*time.Millisecond) })
	stop := ledger()
	at := burst(t, c, 3)
	events, balances := open(t, url+"?after=0", ""), openTable(t, url)
	for range 3 {
		events.expect("recorded")
	}
	balances.until(at)
	stop()
	for _, p := range []*tap{events, balances.tap} {
		if m := p.await("lag"); !strings.Contains(m.data, fmt.Sprintf(`"position":"%d"`, at)) {
			t.Errorf("with the recorder silent %s comes", m.data)
		}
	}
	stop = ledger()
	defer stop()
	var last es.Position
	for range 5 { // a longer log than the first: positions alone would not tell
		last = es.Position(submit(t, c, commit("SWE", "7.00")).Position)
	}
	events.await("reset")
	for _, want := range logged(t, c, 0, nil) {
		if m := events.expect("recorded"); *m.id != want || !strings.Contains(m.data, "SWE") {
			t.Errorf("%d %s came, not %d", *m.id, m.data, want)
		}
	}
	for balances.messages["reset"] == 0 {
		must(t, balances.step())
	}
	balances.until(last)
	balances.equals(held(t, nc))
}
