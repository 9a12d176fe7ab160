package stream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/stream"
	"go.uber.org/zap"
)

func TestAReaderAtTheHeadHearsWhatIsRecordedThen(t *testing.T) {
	w := begin(t, nil)
	before := es.Position(submit(t, w.ledger, commit("NOR", "625.00")).Position)
	p := open(t, w.url, "")
	if m := p.expect("head"); m.id == nil || *m.id != before || !strings.Contains(m.data, `"log_id"`) {
		t.Errorf("begins at %v %s, not at %d", m.id, m.data, before)
	}
	after := es.Position(submit(t, w.ledger, commit("NOR", "1.00")).Position)
	m := p.expect("recorded")
	if *m.id != after || !strings.Contains(m.data, fmt.Sprintf(`"position":"%d"`, after)) {
		t.Errorf("%d %s came, not %d", *m.id, m.data, after)
	}
}

func TestStreamsOverHTTP2(t *testing.T) {
	w := begin(t, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	two := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	p, err := tryOpen(t, two, w.url, "")
	must(t, err)
	p.expect("head")
	q, err := tryOpen(t, two, w.url+"?view=balances", "")
	must(t, err)
	q.expect("snapshot")
	at := es.Position(submit(t, w.ledger, commit("NOR", "625.00")).Position)
	if m := p.expect("recorded"); *m.id != at {
		t.Errorf("%d came, not %d", *m.id, at)
	}
	for *q.await("change").id < at {
	}
}

// cuts reads a stream to a position in several lives, each of which ends at a random moment, and returns the ids.
func cuts(t testing.TB, random *rand.Rand, url func() string, lives int, to func() es.Position) (ids []es.Position) {
	t.Helper()
	last := ""
	for life := 0; ; life++ {
		p, err := tryOpen(t, insistent, url(), last)
		if err != nil {
			if life > 10_000 {
				t.Fatal(err)
			}
			continue // the server is away
		}
		left := random.IntN(60)
		for life >= lives || left > 0 {
			if end := to(); end > 0 && len(ids) > 0 && ids[len(ids)-1] >= end {
				p.close()
				return ids
			}
			m, err := p.next()
			if err != nil {
				break // half a message is none
			}
			if m.event == "recorded" {
				ids = append(ids, *m.id)
				left--
			}
		}
		last = p.last
		p.close()
	}
}

// Readers are cut, and the server is restarted, while events are recorded. What each has collected is the log's own list.
func TestNothingIsLostOrRepeatedOverCuts(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var node *boot.Node
	up := func() {
		n, err := boot.Start(t.Context(), boot.Config{DataDir: dir, HTTPListen: "127.0.0.1:0", Logger: zap.NewNop()})
		must(t, err)
		mu.Lock()
		defer mu.Unlock()
		node = n
	}
	up()
	current := func() *boot.Node {
		mu.Lock()
		defer mu.Unlock()
		return node
	}
	rounds, pledges := 4, 150
	if testing.Short() {
		rounds, pledges = 2, 60
	}
	nc, err := current().Dial()
	must(t, err)
	first := submit(t, client.New(nc, client.Config{}), commit("NOR", "5.00"))
	nc.Close()
	var end es.Position
	to := func() es.Position {
		mu.Lock()
		defer mu.Unlock()
		return end
	}
	got := map[string][]es.Position{}
	var readers sync.WaitGroup
	for _, filter := range []string{"?after=0", "?after=0&type=PledgeCommitted&kind=pledge"} { // all that is recorded here
		readers.Go(func() {
			ids := cuts(t, rand.New(rand.NewPCG(1, uint64(len(filter)))), func() string { return current().HTTPURL() + "/v1/stream" + filter }, 10, to)
			mu.Lock()
			defer mu.Unlock()
			got[filter] = ids
		})
	}
	for i := range rounds {
		nc, err := current().Dial()
		must(t, err)
		c := client.New(nc, client.Config{})
		last := burst(t, c, pledges)
		if i == rounds-1 {
			mu.Lock()
			end = last
			mu.Unlock()
			submit(t, c, commit("NOR", "1.00")) // for a reader that had read all before it knew that this is the end
		}
		nc.Close()
		if i < rounds-1 {
			must(t, current().Close(context.Background()))
			up()
		}
	}
	readers.Wait()
	nc, err = current().Dial()
	must(t, err)
	c := client.New(nc, client.Config{})
	for filter, ids := range got {
		want := slices.DeleteFunc(logged(t, c, 0, nil), func(at es.Position) bool { return at > end })
		if !slices.Equal(slices.DeleteFunc(ids, func(at es.Position) bool { return at > end }), want) {
			t.Errorf("%s collected %d events, and the log has %d", filter, len(ids), len(want))
		}
	}
	p := open(t, current().HTTPURL()+"/v1/stream?after=0&stream="+first.Stream, "")
	for _, want := range logged(t, c, 0, func(e es.Entry) bool { return e.Stream == first.Stream }) {
		if m := p.expect("recorded"); *m.id != want {
			t.Errorf("of stream %s position %d came, not %d", first.Stream, *m.id, want)
		}
	}
	nc.Close()
	must(t, current().Close(context.Background()))
	if m, err := p.next(); err == nil {
		t.Errorf("%s after the end", m.event)
	}
}

// Where a filter passes nothing, the id moves on, so that who resumes need not look through all again.
func TestTheIdMovesOnWhereNothingPasses(t *testing.T) {
	w := begin(t, func(h *stream.Hub) { h.Hurry(50*time.Millisecond, time.Minute, time.Minute) })
	p := open(t, w.url+"?donor=SWE", "")
	p.expect("head")
	last := es.Position(submit(t, w.ledger, commit("NOR", "625.00")).Position)
	for {
		m := p.await("head")
		if *m.id == last {
			break
		}
	}
	other := es.Position(submit(t, w.ledger, commit("SWE", "625.00")).Position)
	p = open(t, w.url+"?donor=SWE", p.last)
	if m := p.await("recorded"); *m.id != other {
		t.Errorf("%d came, not %d", *m.id, other)
	}
	if p.beats == 0 {
		for range 2 { // heartbeats come before the next event
			submit(t, w.ledger, commit("NOR", "1.00"))
			p.await("head")
		}
	}
}

// A reader that comes from beyond the log's end has read another log, and is told so.
func TestAnotherLogResets(t *testing.T) {
	w := begin(t, nil)
	submit(t, w.ledger, commit("NOR", "625.00"))
	all := logged(t, w.ledger, 0, nil)
	p := open(t, w.url, "999999999")
	p.expect("reset")
	for _, at := range all {
		if m := p.expect("recorded"); *m.id != at {
			t.Errorf("%d came after a reset, not %d", *m.id, at)
		}
	}
	b := &table{tap: open(t, w.url+"?view=balances", "999999999"), rows: map[string]string{}, messages: map[string]int{}}
	b.until(all[len(all)-1])
	if b.messages["reset"] != 1 || b.messages["snapshot"] == 0 {
		t.Errorf("after another log came %v", b.messages)
	}
}

// No event is at an id between two: it is of another log, whatever is asked for, and whether the hub has heard of the events or reads them.
func TestAnIdBetweenEventsResets(t *testing.T) {
	w := begin(t, nil)
	first := submit(t, w.ledger, commit("NOR", "625.00"))
	submit(t, w.ledger, commit("SWE", "1.00"))
	of := logged(t, w.ledger, 0, func(e es.Entry) bool { return e.Stream == first.Stream })
	between := fmt.Sprint(of[0] + 1)
	for _, filter := range []string{"", "?donor=NOR", "?stream=" + first.Stream} {
		_, later := serve(t, w.nc, nil)
		for _, url := range []string{w.url, later} {
			p := open(t, url+filter, between)
			p.expect("reset")
			if m := p.expect("recorded"); *m.id != of[0] {
				t.Errorf("%q: %d came after a reset, not %d", filter, *m.id, of[0])
			}
			p.close()
		}
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	n, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, HTTPListen: "127.0.0.1:0", Logger: zap.NewNop()})
	must(t, err)
	events, balances := open(t, n.HTTPURL()+"/v1/stream", ""), openTable(t, n.HTTPURL()+"/v1/stream")
	events.expect("head")
	balances.until(0)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	must(t, n.Close(ctx)) // else the streams would have held it up to the end of its time
	for {
		if _, err := events.next(); err != nil {
			return
		}
	}
}

func TestReadersBeyondTheRoomAreRefused(t *testing.T) {
	w := begin(t, func(h *stream.Hub) { h.Room(1) })
	first := open(t, w.url, "")
	first.expect("head")
	_, err := tryOpen(t, insistent, w.url, "")
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "too_many_streams") {
		t.Errorf("a second reader is answered %v", err)
	}
	first.close()
	for { // the slot is free once the server has seen it
		if p, err := tryOpen(t, insistent, w.url, ""); err == nil {
			p.expect("head")
			return
		}
	}
}
