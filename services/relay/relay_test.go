package relay_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/projections/engine/enginetest"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

func TestEveryEventIsPublishedOnceInOrder(t *testing.T) {
	t.Parallel()
	s, log, random := newNATS(t), newLog(1), rand.New(rand.NewPCG(1, 2))
	log.Fill(t, 5000) // more than may be under way
	forms := []relay.Form{relay.Events, relay.EventsJSON}
	var relays []*running
	for _, form := range forms {
		cfg := config(t)
		cfg.Form = form
		relays = append(relays, run(t, dial(t, s.URL()), log, cfg))
	}
	for range 20 {
		before := len(log.Entries())
		log.Fill(t, random.IntN(30))
		log.BroadcastBadly(random, log.Entries()[before:])
		log.Beat()
	}
	for i, form := range forms {
		await(t, "all is published", func() bool {
			log.Beat()
			return int(relays[i].Status().Events) == len(log.Entries())
		})
		relays[i].stop()
		equals(t, s.js, form, log)
		if got := relays[i].Status(); int(got.Published) != len(log.Entries()) || got.Held != nil || got.Err != nil || got.Standby {
			t.Errorf("status %+v", got)
		}
	}
}

// A relay that is started again goes on where it was, over a restart of the NATS server too.
func TestRestartsPublishNothingTwice(t *testing.T) {
	t.Parallel()
	dir, log, cfg := filepath.Join(t.TempDir(), "streams"), newLog(1), config(t)
	for day := 1; day <= 3; day++ {
		s := startNATS(t, dir, 0)
		log.Fill(t, 100)
		for range 2 {
			r := run(t, dial(t, s.URL()), log, cfg)
			r.awaitEvents(t, 100*day)
			r.stop()
		}
		equals(t, s.js, relay.Events, log)
		s.Close()
	}
}

// The server goes away and comes back while the relay runs.
func TestAServerThatWasAway(t *testing.T) {
	t.Parallel()
	dir, log := filepath.Join(t.TempDir(), "streams"), newLog(1)
	s := startNATS(t, dir, 0)
	port := nats.DefaultPort
	if at := s.URL()[strings.LastIndexByte(s.URL(), ':')+1:]; at != "" {
		port = 0
		for _, c := range at {
			port = port*10 + int(c-'0')
		}
	}
	r := run(t, dial(t, s.URL()), log, config(t))
	log.Fill(t, 100)
	log.Beat()
	r.awaitEvents(t, 100)
	s.Close()
	log.Fill(t, 100)
	log.Beat()
	await(t, "the relay says why it publishes nothing", func() bool { return r.Status().Err != nil })
	s = startNATS(t, dir, port)
	r.awaitEvents(t, 200)
	r.stop()
	equals(t, s.js, relay.Events, log)
}

// What no program can read is published all the same, under its donor where at least that can be read.
func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s, log := newNATS(t), newLog(1)
	header, err := proto.Marshal(&eventv1.Envelope{Kind: "pledge", Donor: "EU.1 *", CommandId: make([]byte, 16), CommandDigest: make([]byte, 32)})
	must(t, err)
	log.AddRaw(t, enginetest.Stream(1), &logv1.NewEvent{Type: "allied.event.v9.Unheard", Header: header, Payload: []byte("?")})
	log.AddRaw(t, enginetest.Stream(1), &logv1.NewEvent{Type: "allied.event.v1.PledgeAnnounced", Header: []byte{0xff}, Payload: []byte("?")})
	var relays []*running
	for _, form := range []relay.Form{relay.Events, relay.EventsJSON} {
		cfg := config(t)
		cfg.Form = form
		r := run(t, dial(t, s.URL()), log, cfg)
		r.awaitEvents(t, 2)
		relays = append(relays, r)
		got := messages(t, s.js, form.Stream)
		if len(got) != 2 || got[0].Subject() != form.Subject("pledge", "EU=2E1=20=2A", enginetest.Stream(1)) ||
			got[1].Subject() != form.Subject("pledge", relay.DonorUnread, enginetest.Stream(1)) || got[0].Headers().Get(relay.TypeHeader) != "allied.event.v9.Unheard" {
			t.Errorf("%v", got)
		}
		if form.Stream == relay.EventsJSON.Stream && !strings.Contains(string(got[0].Data()), `"error":"`) {
			t.Errorf("%s", got[0].Data())
		}
	}
	if len(relays) != 2 {
		t.Fatal("not both ran")
	}
}

// An event that a message has no room for is announced, and those after it are published.
func TestWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	s, log := newNATS(t), newLog(1)
	_, err := s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: relay.Events.Stream, Subjects: []string{"allied.events.>"}, MaxMsgSize: 4000})
	must(t, err)
	for _, size := range []int{10, 1000, 1900, 10, embednats.PayloadBytesMax/2 - 3000} {
		log.Add(t, enginetest.Stream(1), "NOR", enginetest.Announcement(strings.Repeat("x", size), &eventv1.Amount{Lo: 1}))
	}
	r := run(t, s.js, log, config(t))
	r.awaitEvents(t, 5)
	for i, m := range messages(t, s.js, relay.Events.Stream) {
		e := log.Entries()[i]
		absent := m.Headers().Get(relay.AbsentHeader)
		if whole := i == 0 || i == 1 || i == 3; whole != (absent == "") || whole != (len(m.Data()) == len(e.Bytes)) || m.Headers().Get(relay.EventHeader) != e.ID.String() {
			t.Errorf("event %d of %d bytes has %d in its message, and %q absent", i, len(e.Bytes), len(m.Data()), absent)
		}
	}
}

// The stream is the operator's. The relay adds its subjects, and nothing else.
func TestTheStreamStaysAsAnOperatorMadeIt(t *testing.T) {
	t.Parallel()
	s, log := newNATS(t), newLog(1)
	made := jetstream.StreamConfig{
		Name: relay.Events.Stream, Subjects: []string{"my.own"}, MaxMsgs: 30, MaxAge: time.Hour, Storage: jetstream.MemoryStorage, Duplicates: time.Minute,
		Description: "mine", Metadata: map[string]string{"a": "b"},
	}
	stream, err := s.js.CreateStream(t.Context(), made)
	must(t, err)
	want := stream.CachedInfo().Config
	want.Subjects = append(want.Subjects, "allied.events.>")
	log.Fill(t, 100)
	r := run(t, s.js, log, config(t))
	r.awaitEvents(t, 100)
	info, err := stream.Info(t.Context())
	must(t, err)
	if !reflect.DeepEqual(info.Config, want) {
		t.Errorf("%+v\nnot\n%+v", info.Config, want)
	}
	if got := ordinals(t, s.js, relay.Events.Stream); !slices.Equal(got, upTo(70, 100)) {
		t.Errorf("%v", got)
	}
	r.stop()

	made = jetstream.StreamConfig{Name: relay.EventsJSON.Stream}
	if _, err := s.js.Stream(t.Context(), made.Name); err == nil {
		t.Error("the twin was made, and nobody asked for it")
	}
	s = newNATS(t)
	r = run(t, s.js, log, config(t))
	r.awaitEvents(t, 100)
	stream, err = s.js.Stream(t.Context(), relay.Events.Stream)
	must(t, err)
	if c := stream.CachedInfo().Config; c.Storage != jetstream.FileStorage || c.MaxBytes != relay.StreamBytesMax || c.Discard != jetstream.DiscardOld || c.Retention != jetstream.LimitsPolicy {
		t.Errorf("made with %+v", c)
	}
}

// A server without JetStream is said to be one.
func TestWithoutJetStream(t *testing.T) {
	t.Parallel()
	s, err := embednats.Start(embednats.Config{Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(s.Close)
	r := run(t, dial(t, s.URL()), newLog(1), config(t))
	await(t, "the relay says what is missing", func() bool { e := r.Status().Err; return e != nil && strings.Contains(e.Error(), "JetStream") })
}

// gate is the JetStream of a process that is paused before it sends a message, and wakes up later.
type gate struct {
	jetstream.JetStream
	at             string // the ordinal
	reached, opens chan struct{}
}

func (g *gate) PublishMsgAsync(m *nats.Msg, opts ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if m.Header.Get(relay.OrdinalHeader) == g.at {
		select {
		case <-g.reached:
		default:
			close(g.reached)
			<-g.opens
		}
	}
	return g.JetStream.PublishMsgAsync(m, opts...)
}

// Of two relays one publishes; the other takes over while the first is paused, also with messages under way, and that one finds itself refused when it wakes.
func TestAnotherRelayTakesOver(t *testing.T) {
	t.Parallel()
	s, log := newNATS(t), newLog(1)
	log.Fill(t, 1000)
	g := &gate{dial(t, s.URL()), "700", make(chan struct{}), make(chan struct{})}
	paused := run(t, g, log, config(t))
	<-g.reached
	other := run(t, dial(t, s.URL()), log, config(t))
	other.awaitEvents(t, 1000)
	equals(t, s.js, relay.Events, log)
	close(g.opens)
	await(t, "the one that was paused stands by", func() bool { return paused.Status().Standby })
	for i := range 50 {
		log.Fill(t, 20)
		log.Beat()
		other.awaitEvents(t, 1000+20*(i+1))
	}
	other.stop() // and the one that was paused goes on
	log.Fill(t, 20)
	await(t, "the one that was paused takes over", func() bool {
		log.Beat()
		return paused.Status().Events == 2020 && !paused.Status().Standby
	})
	paused.stop()
	equals(t, s.js, relay.Events, log)
}

// Several relays that begin at once, with a log that grows, publish every event once.
func TestRelaysAtOnce(t *testing.T) {
	t.Parallel()
	s, log := newNATS(t), newLog(1)
	log.Fill(t, 3000)
	var relays []*running
	for range 3 {
		relays = append(relays, run(t, dial(t, s.URL()), log, config(t)))
	}
	for range 30 {
		log.Fill(t, 10)
		log.Beat()
	}
	for i := range relays { // one after the other ends
		log.Fill(t, 100)
		await(t, "the last one knows of all", func() bool {
			log.Beat()
			return relays[len(relays)-1].Status().Events == uint64(3400+100*i)
		})
		relays[i].stop()
	}
	equals(t, s.js, relay.Events, log)
}

// Nobody but the relay knows the place of the next message; a stream that somebody else writes is not gone on with unseen.
func TestASomebodyElseIsSeen(t *testing.T) {
	t.Parallel()
	s, log := newNATS(t), newLog(1)
	log.Fill(t, 10)
	r := run(t, dial(t, s.URL()), log, config(t))
	r.awaitEvents(t, 10)
	_, err := s.js.Publish(t.Context(), "allied.events.pledge.NOR.forged", []byte("?"))
	must(t, err)
	if h := r.awaitHeld(t); !strings.Contains(h.Remedy, "allied relay refill --from 10") {
		t.Errorf("%v", h)
	}
	log.Fill(t, 10)
	must(t, relay.Refill(context.Background(), s.js, log, relay.Events, 10))
	r.awaitEvents(t, 20)
}

// A log that is another, ends before what was published, or grew apart from it, is not published.
func TestAnotherLog(t *testing.T) {
	t.Parallel()
	s, log, cfg := newNATS(t), newLog(1), config(t)
	log.Fill(t, 100)
	r := run(t, dial(t, s.URL()), log, cfg)
	r.awaitEvents(t, 100)

	log.Cut(10) // while it runs
	if h := r.awaitHeld(t); !strings.Contains(h.Reason, "100 events were published, and the log has 90") {
		t.Errorf("%v", h)
	}
	for i := range 20 {
		log.Add(t, enginetest.Stream(100+i), "NOR", enginetest.Announcement("b", &eventv1.Amount{Lo: 1}))
	}
	// The test's log gives the same ids and positions again; one that grew apart does not.
	r.stop()

	for name, other := range map[string]*enginetest.Log{"another log": newLog(2), "an empty log": newLog(3)} {
		if name == "another log" {
			other.Fill(t, 200)
		}
		r := run(t, dial(t, s.URL()), other, cfg)
		if h := r.awaitHeld(t); !strings.Contains(h.Reason, "holds events of log "+uuid.UUID{1: 1}.String()) {
			t.Errorf("%s: %v", name, h)
		}
		must(t, relay.Refill(context.Background(), s.js, other, relay.Events, 0))
		await(t, "it still holds", func() bool { return r.Status().Held != nil })
		r.stop()
	}
}
