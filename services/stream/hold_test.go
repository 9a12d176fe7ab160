package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/stream"
	"golang.org/x/sync/errgroup"
)

// insistent makes a connection for each request, so that one that is cut takes no other with it.
var insistent = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}

// plain is a reader without a library (of HTTP/1.0, which has no chunks), of which the test's own memory has next to nothing. Its system keeps little that it does not read.
type plain struct {
	net.Conn
	head []byte
}

// connect begins a stream, and returns once its first message is there, which has an id.
func connect(t testing.TB, at, query string) *plain {
	t.Helper()
	p := resume(t, at, query, "")
	var some [512]byte
	for !bytes.Contains(p.head, []byte("\nid: ")) {
		n, err := p.Read(some[:])
		must(t, err)
		p.head = append(p.head, some[:n]...)
	}
	return p
}

// resume asks for a stream after an id, if there is one, and reads nothing.
func resume(t testing.TB, at, query, id string) *plain {
	t.Helper()
	u, err := url.Parse(at)
	must(t, err)
	c, err := net.Dial("tcp", u.Host)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.(*net.TCPConn).SetReadBuffer(64<<10))
	must(t, c.SetDeadline(time.Now().Add(2*patience)))
	_, err = fmt.Fprintf(c, "GET %s%s HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: %s\r\n\r\n", u.Path, query, id)
	must(t, err)
	return &plain{Conn: c}
}

// ids reads the ids of what is recorded, up to one.
func (p *plain) ids(end es.Position) (ids []es.Position, err error) {
	lines := bufio.NewReaderSize(p, 64<<10)
	for recorded := false; ; {
		text, err := lines.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull: // data that is long
			continue
		case err != nil:
			return ids, fmt.Errorf("after %d events: %w", len(ids), err)
		case bytes.HasPrefix(text, []byte("event: ")):
			recorded = string(text) == "event: recorded\n"
		case recorded && bytes.HasPrefix(text, []byte("id: ")):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(text[4:])), 10, 64)
			if err != nil {
				return ids, err
			}
			if ids = append(ids, es.Position(n)); es.Position(n) >= end {
				return ids, nil
			}
		}
	}
}

// inUse is the memory that this process holds after a collection.
func inUse() uint64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func TestAThousandReadersHold(t *testing.T) {
	readers, events := 1000, 1000
	if testing.Short() {
		readers, events = 200, 200
	}
	w := begin(t, nil)
	submit(t, w.ledger, commit("NOR", "1.00"))
	before := inUse()
	var all []*plain
	for range readers {
		all = append(all, connect(t, w.url, ""))
	}
	each := (inUse() - before) / uint64(readers)
	t.Logf("%d readers, %d bytes each", readers, each)
	if each > 64<<10 {
		t.Errorf("a reader at rest takes %d bytes", each)
	}
	from, _, err := w.ledger.Head(t.Context())
	must(t, err)
	began := time.Now()
	last := burst(t, w.ledger, events)
	recorded := time.Since(began)
	want := logged(t, w.ledger, from.Position, nil)
	read := func() {
		t.Helper()
		var g errgroup.Group
		for _, p := range all {
			g.Go(func() error {
				ids, err := p.ids(last)
				if err == nil && !slices.Equal(ids, want) {
					err = fmt.Errorf("%d events came, and the log has %d", len(ids), len(want))
				}
				return errors.Join(err, p.Close())
			})
		}
		must(t, g.Wait())
	}
	read()
	t.Logf("%d events recorded within %v, with all readers after %v", len(want), recorded, time.Since(began))

	// All come back at once, to a server that has just begun and holds none of what they miss.
	began, all = time.Now(), nil
	_, again := serve(t, w.nc, nil)
	for range readers {
		all = append(all, resume(t, again, "", strconv.FormatUint(uint64(from.Position), 10)))
	}
	read()
	t.Logf("all back, with %d events that they missed, after %v", len(want), time.Since(began))
}

// Readers of the balances hold as well: each has all at the end, whatever it was sent on the way.
func TestAThousandReadersOfBalancesHold(t *testing.T) {
	readers, events := 1000, 1000
	if testing.Short() {
		readers, events = 200, 200
	}
	w := begin(t, nil)
	first := burst(t, w.ledger, len(donors))
	one := openTable(t, w.url)
	one.until(first)
	before := inUse()
	var all []*plain
	for range readers {
		all = append(all, connect(t, w.url, "?view=balances"))
	}
	t.Logf("%d readers, %d bytes each", readers, (inUse()-before)/uint64(readers))
	began := time.Now()
	last := burst(t, w.ledger, events)
	recorded := time.Since(began)
	var g errgroup.Group
	for _, p := range all {
		g.Go(func() error { return p.until(fmt.Sprintf("id: %d\n", last)) })
	}
	must(t, g.Wait())
	t.Logf("%d pledges recorded within %v, with all readers after %v", events, recorded, time.Since(began))
	one.until(last)
	one.equals(held(t, w.nc))
}

// until reads up to a line.
func (p *plain) until(line string) error {
	lines := bufio.NewReader(p)
	for {
		text, err := lines.ReadString('\n')
		if err != nil || text == line {
			return err
		}
	}
}

// Those who read nothing, or slowly, hold up nobody, and hold nothing of what they do not read.
func TestSlowReadersDelayNobody(t *testing.T) {
	w := begin(t, func(h *stream.Hub) { h.Hurry(time.Minute, 2*patience, time.Minute) })
	submit(t, w.ledger, commit("NOR", "1.00"))
	events := 4000
	if testing.Short() {
		events = 2000
	}
	var last es.Position
	grow := func(read func()) int64 {
		before := inUse()
		last = burst(t, w.ledger, events)
		read()
		return int64(inUse()) - int64(before)
	}
	alone := grow(func() {}) // what the ledger and its views keep of so many events
	var stalled []*plain
	for range 40 { // of which some read the log, and some the ring
		stalled = append(stalled, connect(t, w.url, ""), connect(t, w.url, "?after=0"))
	}
	fast := []*plain{connect(t, w.url, ""), connect(t, w.url, "")}
	slow := connect(t, w.url, "")
	beside := grow(func() {
		for _, p := range fast {
			_, err := p.ids(last)
			must(t, err)
		}
	})
	if held := beside - alone; held > 48<<20 {
		t.Errorf("%d stalled readers hold %d bytes", len(stalled), held)
	} else {
		t.Logf("%d stalled readers, %d events: %d bytes beside the ledger's own %d", len(stalled), events, held, alone)
	}
	for n := 0; n < 1<<20; { // slowly, a little at a time
		read, err := io.CopyN(io.Discard, slow, 4<<10)
		must(t, err)
		n += int(read)
		runtime.Gosched()
	}
	_, err := slow.ids(last)
	must(t, err)
}

func TestAReaderThatTakesNothingIsCut(t *testing.T) {
	w := begin(t, func(h *stream.Hub) { h.Hurry(time.Minute, 300*time.Millisecond, time.Minute).Room(1) })
	submit(t, w.ledger, commit("NOR", "1.00"))
	p := connect(t, w.url, "")
	last := burst(t, w.ledger, 2000)
	for { // its place is free once it is cut
		if other, err := tryOpen(t, insistent, w.url, ""); err == nil {
			other.expect("head")
			break
		}
	}
	if ids, err := p.ids(last); err == nil {
		t.Errorf("it was sent all %d events", len(ids))
	}
	if n := w.hub.Cut(); n != 1 {
		t.Errorf("%v streams are said to be cut", n)
	}
}

// A reader of the balances that does not read is sent, when it reads again, one change in place of many.
func TestASlowReaderGetsFewerChanges(t *testing.T) {
	h := byHand(t, func(hub *stream.Hub) { hub.Hurry(time.Minute, 2*patience, time.Minute) })
	const keys, rounds = 100, 60
	padding := string(bytes.Repeat([]byte("x"), 4<<10))
	write := func(at es.Position) {
		for key := range keys {
			_, err := h.js.Publish(context.Background(), fmt.Sprintf("$KV.balances.a.%d", key),
				fmt.Appendf(nil, `{"log_id":"%s","position":%d,"ordinal":%d,"standing":"%d","reached":"9","padding":"%s"}`, h.log, at, at, at, padding))
			must(t, err)
		}
		h.mark(at, keys)
	}
	write(1)
	quick := openTable(t, h.url)
	quick.until(1)
	p := connect(t, h.url, "?view=balances")
	for at := es.Position(2); at <= rounds; at++ {
		write(at)
		quick.until(at)
	}
	changes, lines := 0, bufio.NewReader(p)
	for done := false; !done; {
		text, err := lines.ReadString('\n')
		must(t, err)
		if text == "event: change\n" {
			changes++
		}
		done = text == fmt.Sprintf("id: %d\n", rounds)
	}
	t.Logf("%d changes in place of %d", changes, rounds-1)
	if quick.messages["change"] != rounds-1 || changes > rounds/2 {
		t.Errorf("the quick reader got %d changes, and the slow one %d", quick.messages["change"], changes)
	}
}
