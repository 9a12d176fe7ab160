package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/live"
	"github.com/allied-ledger/allied/services/stream"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// held is what a bucket holds, as a table holds it.
func held(t testing.TB, nc *nats.Conn) map[string]string {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	kv, err := js.KeyValue(context.Background(), "balances")
	must(t, err)
	w, err := kv.WatchAll(context.Background())
	must(t, err)
	defer func() { _ = w.Stop() }()
	out := map[string]string{}
	for e := range w.Updates() {
		if e == nil {
			break
		}
		if e.Operation() != jetstream.KeyValuePut || e.Key() == live.MarkKey {
			continue
		}
		var row map[string]any
		must(t, json.Unmarshal(e.Value(), &row))
		out[e.Key()] = fmt.Sprint(row["standing"], " of ", row["reached"])
	}
	return out
}

func (b *table) equals(want map[string]string) {
	b.t.Helper()
	if !maps.Equal(b.rows, want) {
		b.t.Errorf("a reader holds %v at %d, and the bucket %v", b.rows, b.position, want)
	}
}

func TestBalancesAreSnapshotThenChanges(t *testing.T) {
	w := begin(t, nil)
	at := burst(t, w.ledger, 20)
	b := openTable(t, w.url)
	b.until(at)
	b.equals(held(t, w.nc))
	b.messages = map[string]int{}
	pledge := submit(t, w.ledger, commit("NOR", "625.00"))
	b.until(es.Position(pledge.Position))
	b.again(w.url) // nothing has changed since
	at = es.Position(submit(t, w.ledger, allocate(pledge.Stream, "25.00")).Position)
	b.until(at)
	b.close()
	for range 3 { // while nobody reads
		at = es.Position(submit(t, w.ledger, allocate(pledge.Stream, "25.00")).Position)
	}
	b.again(w.url)
	b.until(at)
	b.equals(held(t, w.nc))
	if b.messages["snapshot"]+b.messages["reset"] > 0 {
		t.Errorf("who resumes is sent %v", b.messages)
	}
	b.close()
	b.last = "1" // a place that this process has not sent
	b.again(w.url)
	if err := b.step(); err != nil || b.messages["snapshot"] != 1 {
		t.Errorf("who resumes from elsewhere is sent %v, %v", b.messages, err)
	}
	b.equals(held(t, w.nc))
}

// Who asks for marks alone hears every position that balances come to, is told of another log, and is sent no balance.
func TestMarksAreBalancesWithoutRows(t *testing.T) {
	w := begin(t, nil)
	submit(t, w.ledger, commit("NOR", "625.00"))
	p := open(t, w.url+"?view=marks", "")
	for range 3 {
		at := es.Position(submit(t, w.ledger, commit("NOR", "1.00")).Position)
		for {
			m := p.await("mark")
			if strings.Contains(m.data, "rows") || !strings.Contains(m.data, fmt.Sprintf(`"position":"%d"`, *m.id)) {
				t.Fatalf("a mark of %d is %s", *m.id, m.data)
			}
			if *m.id == at {
				break
			}
		}
	}
	p = open(t, w.url+"?view=marks", "999999999")
	p.expect("reset")
	p.expect("mark")
}

// hand is a bucket that is written by hand, of a ledger without views.
type hand struct {
	*world
	js  jetstream.JetStream
	log uuid.UUID
}

func byHand(t testing.TB, tune func(*stream.Hub)) *hand {
	t.Helper()
	ledger, nc := boottest.Start(t, boot.Recorder, boot.Pledges)
	js, err := jetstream.New(nc)
	must(t, err)
	must(t, boot.LiveBalances.Prepare(t.Context(), js))
	_, id, err := ledger.Head(t.Context())
	must(t, err)
	h := &hand{&world{t: t, ledger: ledger, nc: nc}, js, uuid.MustParse(id)}
	h.hub, h.url = serve(t, nc, tune)
	return h
}

// put writes a row; a standing below 0 deletes it.
func (h *hand) put(key string, standing int, at es.Position) {
	h.t.Helper()
	m := nats.NewMsg("$KV.balances." + key)
	m.Data = fmt.Appendf(nil, `{"log_id":"%s","position":%d,"ordinal":%d,"standing":"%d","reached":"9"}`, h.log, at, at, standing)
	if standing < 0 {
		m.Data = nil
		m.Header.Set("KV-Operation", "DEL")
	}
	_, err := h.js.PublishMsg(context.Background(), m)
	must(h.t, err)
}

func (h *hand) mark(at es.Position, keys int) {
	h.t.Helper()
	text, err := json.Marshal(live.Mark{LogID: h.log, Position: at, Ordinal: uint64(at), Keys: keys})
	must(h.t, err)
	_, err = h.js.Publish(context.Background(), "$KV.balances."+live.MarkKey, text)
	must(h.t, err)
}

func TestOnlyWholeRoundsAreShown(t *testing.T) {
	h := byHand(t, nil)
	h.put("a.a", 1, 10)
	h.put("b.b", 1, 10)
	h.mark(10, 2)
	b := openTable(t, h.url)
	b.until(10)
	b.equals(map[string]string{"a.a": "1 of 9", "b.b": "1 of 9"})
	h.put("a.a", 2, 20)
	h.put("b.b", -1, 20)
	h.put("c.c", 2, 20)
	late := openTable(t, h.url) // within a round
	late.until(10)
	late.equals(map[string]string{"a.a": "1 of 9", "b.b": "1 of 9"})
	h.mark(20, 2)
	h.mark(30, 2) // a round without changes
	for _, reader := range []*table{b, late} {
		reader.until(30)
		reader.equals(map[string]string{"a.a": "2 of 9", "c.c": "2 of 9"})
	}
	b.close()
	h.put("c.c", -1, 40)
	h.mark(40, 1)
	late.until(40)
	b.again(h.url)
	b.until(40)
	b.equals(map[string]string{"a.a": "2 of 9"})
	if b.messages["snapshot"] != 1 {
		t.Errorf("who resumes is sent %v", b.messages)
	}
	h.put("d.d", 1, 50)
	h.mark(50, 7) // somebody else's, or rows were lost
	h.mark(60, 2)
	b.until(60)
	b.equals(map[string]string{"a.a": "2 of 9", "d.d": "1 of 9"})
}

func TestABucketMadeAnewIsGoneOnWith(t *testing.T) {
	h := byHand(t, nil)
	h.put("a.a", 1, 10)
	h.put("b.b", 1, 10)
	h.mark(10, 2)
	b := openTable(t, h.url)
	b.until(10)
	must(t, h.js.DeleteStream(t.Context(), "KV_balances"))
	must(t, boot.LiveBalances.Prepare(t.Context(), h.js))
	h.put("a.a", 1, 20)
	h.put("c.c", 2, 20)
	h.mark(20, 2)
	b.until(20)
	b.equals(map[string]string{"a.a": "1 of 9", "c.c": "2 of 9"})
	if b.messages["reset"] > 0 {
		t.Errorf("sent %v", b.messages)
	}
}

func TestReadersForgetWhatIsOfAnotherLog(t *testing.T) {
	h := byHand(t, nil)
	h.put("a.a", 1, 10)
	h.put("b.b", 1, 10)
	h.mark(10, 2)
	b := openTable(t, h.url)
	b.until(10)
	h.put("a.a", 3, 5) // the log was restored from a copy
	h.mark(5, 2)
	for b.messages["snapshot"] < 2 {
		must(t, b.step())
	}
	b.equals(map[string]string{"a.a": "3 of 9", "b.b": "1 of 9"})
	h.log = uuid.New()
	h.put("a.a", -1, 50)
	h.put("b.b", 4, 50)
	h.mark(50, 1)
	for b.messages["snapshot"] < 3 {
		must(t, b.step())
	}
	b.equals(map[string]string{"b.b": "4 of 9"})
	if b.messages["reset"] != 2 || b.logID != h.log.String() {
		t.Errorf("sent %v, of log %s", b.messages, b.logID)
	}
}

// Who was away while the log was restored from a copy, and grew again to where the reader was, has seen other balances there.
func TestWhoWasAwayForgetsWhatIsNoMore(t *testing.T) {
	h := byHand(t, nil)
	h.put("a.a", 1, 10)
	h.mark(10, 1)
	away, there := openTable(t, h.url), openTable(t, h.url)
	away.until(10)
	there.until(10)
	away.close()
	h.put("a.a", 3, 5)
	h.mark(5, 1)
	for there.messages["snapshot"] < 2 {
		must(t, there.step())
	}
	h.put("b.b", 4, 10)
	h.mark(10, 2)
	there.until(10)
	away.again(h.url)
	h.put("b.b", 5, 12)
	h.mark(12, 2)
	away.until(12)
	away.equals(map[string]string{"a.a": "3 of 9", "b.b": "5 of 9"})
	away.again(h.url) // and has seen what there is from then on
	h.put("b.b", 6, 13)
	h.mark(13, 2)
	away.until(13)
	if away.messages["snapshot"] != 2 {
		t.Errorf("sent %v", away.messages)
	}
}

func TestALaggingViewIsTold(t *testing.T) {
	h := byHand(t, func(hub *stream.Hub) { hub.Hurry(time.Minute, time.Minute, 800*time.Millisecond) })
	h.mark(0, 0)
	b := openTable(t, h.url)
	at := es.Position(submit(t, h.ledger, commit("NOR", "1.00")).Position)
	m := b.await("lag")
	if !strings.HasPrefix(m.data, fmt.Sprintf(`{"position":"0","head":"%d","seconds":`, at)) {
		t.Errorf("lag %s, with the log at %d", m.data, at)
	}
	h.mark(at, 0)
	b.await("change")
	if m := b.await("lag"); m.data != fmt.Sprintf(`{"position":"%d","head":"%d","seconds":0}`, at, at) {
		t.Errorf("lag %s, with all at %d", m.data, at)
	}
}

func TestWithoutJetStreamThereAreNoBalances(t *testing.T) {
	s, err := embednats.Start(embednats.Config{InProcess: true, Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(s.Close)
	nc, err := s.Dial()
	must(t, err)
	t.Cleanup(nc.Close)
	_, url := serve(t, nc, nil)
	_, err = tryOpen(t, insistent, url+"?view=balances", "")
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "start it with JetStream") {
		t.Errorf("answered %v", err)
	}
}

// The server of NATS goes away, with all that its bucket held, and comes back: streams stay open, and go on.
func TestStreamsOutliveNATS(t *testing.T) {
	s, err := embednats.Start(embednats.Config{StreamsDir: t.TempDir() + "/streams", Logger: zap.NewNop()})
	must(t, err)
	n, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, NATSURL: s.URL(), HTTPListen: "127.0.0.1:0", Logger: zap.NewNop()})
	must(t, err)
	defer func() { must(t, n.Close(context.Background())) }()
	nc, err := nats.Connect(s.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	must(t, err)
	defer nc.Close()
	c := client.New(nc, client.Config{})
	at := burst(t, c, 20)
	url := n.HTTPURL() + "/v1/stream"
	events, balances := open(t, url+"?after=0", ""), openTable(t, url)
	balances.until(at)
	var port int
	_, err = fmt.Sscanf(s.URL()[strings.LastIndexByte(s.URL(), ':'):], ":%d", &port)
	must(t, err)
	s.Close()
	s, err = embednats.Start(embednats.Config{Port: port, StreamsDir: t.TempDir() + "/streams", Logger: zap.NewNop()})
	must(t, err)
	defer s.Close()
	a := commit("SWE", "7.00")
	for { // until all have connected again
		answer, err := c.Submit(t.Context(), a)
		if err == nil && (answer.Outcome == "recorded" || answer.Outcome == "repeated") {
			at = es.Position(answer.Position)
			break
		}
	}
	for _, want := range logged(t, c, 0, nil) {
		if m := events.await("recorded"); *m.id != want {
			t.Fatalf("%d came, not %d", *m.id, want)
		}
	}
	balances.until(at)
	balances.equals(held(t, nc))
	if balances.messages["reset"] > 0 {
		t.Errorf("sent %v", balances.messages)
	}
}
