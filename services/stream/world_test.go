package stream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
	"github.com/allied-ledger/allied/services/stream"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// patience bounds how long a test waits for a fact.
const patience = time.Minute

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a ledger, and a hub behind a listener.
type world struct {
	t      testing.TB
	ledger *client.Client
	nc     *nats.Conn
	hub    *stream.Hub
	url    string // of the stream
}

// begin serves an empty ledger in memory.
func begin(t testing.TB, tune func(*stream.Hub)) *world {
	t.Helper()
	ledger, nc := boottest.Start(t)
	w := &world{t: t, ledger: ledger, nc: nc}
	w.hub, w.url = serve(t, nc, tune)
	return w
}

// serve runs a hub of the ledger at a connection.
func serve(t testing.TB, nc *nats.Conn, tune func(*stream.Hub)) (hub *stream.Hub, url string) {
	t.Helper()
	hub, err := stream.New(nc, stream.Config{Bucket: boot.LiveBalances.Bucket, Logger: zap.NewNop()})
	must(t, err)
	if tune != nil {
		tune(hub)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- hub.Run(ctx) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := gateway.NewServer(gateway.NewStream(hub))
	served := make(chan error, 1)
	go func() { served <- server.Serve(small{l}) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return hub, "http://" + l.Addr().String() + gateway.StreamPath
}

// small is a listener whose connections keep little of what is not read, as the program's does.
type small struct{ net.Listener }

func (l small) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(128 << 10)
	}
	return c, err
}

var donors = []string{"NOR", "SWE", "DNK", "FIN", "EST", "LVA", "LTU", "POL", "DEU", "NLD"}

func commit(donor, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Donor: donor, Beneficiary: "UKR", Effective: "2024-03-01",
		Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: "Air defence", Commitments: []*apiv1.CommitLine{{
			Firmness: "firm", Line: line(amount),
		}}}},
	}
}

func allocate(pledge, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: pledge, Effective: "2024-04-01",
		Body: &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: "Package", Line: line(amount)}},
	}
}

func line(amount string) *apiv1.Line {
	return &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
		{Basis: "donor_stated", Asset: "EUR/2@donor_stated", Amount: amount},
	}}
}

// submit records a command.
func submit(t testing.TB, c *client.Client, cmd *apiv1.Command) *apiv1.Answer {
	t.Helper()
	a, err := c.Submit(context.Background(), cmd)
	must(t, err)
	if a.Outcome != "recorded" && a.Outcome != "repeated" {
		t.Fatalf("answered %v", a)
	}
	return a
}

// burst records many pledges at once, and returns the last position.
func burst(t testing.TB, c *client.Client, pledges int) (last es.Position) {
	t.Helper()
	err := c.SubmitAll(context.Background(), func(yield func(*apiv1.Command) bool) {
		for i := range pledges {
			if !yield(commit(donors[i%len(donors)], "100.00")) {
				return
			}
		}
	}, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != "recorded" {
			return fmt.Errorf("answered %v", a)
		}
		last = max(last, es.Position(a.Position))
		return nil
	})
	must(t, err)
	return last
}

// logged is the log's own list of positions after one, up to another.
func logged(t testing.TB, c *client.Client, after es.Position, pass func(es.Entry) bool) (all []es.Position) {
	t.Helper()
	for e, err := range c.Read(context.Background(), after) {
		must(t, err)
		if pass == nil || pass(e) {
			all = append(all, e.Position)
		}
	}
	return all
}

// message is one of a stream.
type message struct {
	event, data string
	id          *es.Position
}

// tap is a reader of a stream.
type tap struct {
	t      testing.TB
	body   io.ReadCloser
	lines  *bufio.Reader
	cancel context.CancelFunc
	last   string // the id to resume with
	beats  int
}

var errRefused = errors.New("refused")

// open connects to a stream; last is the Last-Event-ID, none where empty.
func open(t testing.TB, url, last string) *tap {
	t.Helper()
	p, err := tryOpen(t, http.DefaultClient, url, last)
	must(t, err)
	return p
}

func tryOpen(t testing.TB, c *http.Client, url, last string) (*tap, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	must(t, err)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	reply, err := c.Do(r)
	if err != nil {
		cancel()
		return nil, err
	}
	p := &tap{t: t, body: reply.Body, lines: bufio.NewReader(reply.Body), cancel: cancel, last: last}
	if reply.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(reply.Body)
		p.close()
		return nil, fmt.Errorf("%w: %d %s", errRefused, reply.StatusCode, text)
	}
	t.Cleanup(p.close)
	return p, nil
}

func (p *tap) close() {
	p.cancel()
	_ = p.body.Close()
}

// next returns the next message, as a browser would make it out.
func (p *tap) next() (message, error) {
	var m message
	begun := false
	for {
		text, err := p.lines.ReadString('\n')
		if err != nil {
			return m, err
		}
		text = strings.TrimSuffix(text, "\n")
		name, value, _ := strings.Cut(text, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case text == "" && begun:
			if m.id != nil {
				p.last = strconv.FormatUint(uint64(*m.id), 10)
			}
			return m, nil
		case text == "":
		case name == "":
			p.beats++
		case name == "event":
			m.event, begun = value, true
		case name == "data":
			m.data, begun = value, true
		case name == "id":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return m, err
			}
			at := es.Position(n)
			m.id = &at
		case text == "retry: 1000":
		default:
			return m, fmt.Errorf("the line %q", text)
		}
	}
}

// await returns the next message of a kind; others are passed over.
func (p *tap) await(event string) message {
	p.t.Helper()
	for {
		m, err := p.next()
		if err != nil {
			p.t.Fatalf("while waiting for %s: %v", event, err)
		}
		if m.event == event {
			return m
		}
	}
}

func (p *tap) expect(event string) message {
	p.t.Helper()
	m, err := p.next()
	must(p.t, err)
	if m.event != event {
		p.t.Fatalf("%s %s came, not %s", m.event, m.data, event)
	}
	return m
}

// table is what a reader of the balances holds.
type table struct {
	*tap
	position es.Position
	logID    string
	rows     map[string]string // key to standing and reached
	messages map[string]int
	// part: a snapshot has begun, and not ended.
	part bool
}

func openTable(t testing.TB, url string) *table {
	t.Helper()
	return &table{tap: open(t, url+"?view=balances", ""), rows: map[string]string{}, messages: map[string]int{}}
}

// again resumes where the reader was.
func (b *table) again(url string) {
	b.t.Helper()
	b.close()
	b.tap = open(b.t, url+"?view=balances", b.last)
}

// step applies the next message.
func (b *table) step() error {
	m, err := b.next()
	if err != nil {
		return err
	}
	b.messages[m.event]++
	var in struct {
		Position string           `json:"position"`
		LogID    string           `json:"log_id"`
		Rows     []map[string]any `json:"rows"`
		Gone     []string         `json:"gone"`
		Last     *bool            `json:"last"`
	}
	if err := json.Unmarshal([]byte(m.data), &in); err != nil {
		return fmt.Errorf("%s %q: %w", m.event, m.data, err)
	}
	switch m.event {
	case "reset":
		b.rows, b.position, b.part = map[string]string{}, 0, false
		return nil
	case "snapshot":
		if !b.part {
			b.rows = map[string]string{}
		}
		if b.part = !*in.Last; b.part != (m.id == nil) {
			return fmt.Errorf("a snapshot with id %v, last %t", m.id, *in.Last)
		}
	case "change":
		if b.part {
			return errors.New("a change within a snapshot")
		}
	default:
		return nil
	}
	at, err := strconv.ParseUint(in.Position, 10, 64)
	if err != nil {
		return err
	}
	if m.id != nil && uint64(*m.id) != at || es.Position(at) < b.position && m.event == "change" {
		return fmt.Errorf("%s at %d with id %v after %d", m.event, at, m.id, b.position)
	}
	for _, row := range in.Rows {
		b.rows[row["key"].(string)] = fmt.Sprint(row["standing"], " of ", row["reached"])
	}
	for _, key := range in.Gone {
		delete(b.rows, key)
	}
	b.position, b.logID = es.Position(at), in.LogID
	return nil
}

// until applies messages until the reader is at a position.
func (b *table) until(at es.Position) {
	b.t.Helper()
	for b.part || b.position < at {
		if err := b.step(); err != nil {
			b.t.Fatalf("at %d of %d: %v", b.position, at, err)
		}
	}
}
