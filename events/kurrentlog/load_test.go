package kurrentlog_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
)

// load is what writers append while something happens to the server: each to a stream of its own, until every append is answered as recorded.
type load struct {
	writers, rounds int
	resent          bool // the first tries may have been made before

	mu      sync.Mutex
	unknown int // answers
	busy    int
	answers map[string]es.Result // of recorded appends, by stream and revision
}

// answerWaitMax is far more than an append may take once the server is back.
const answerWaitMax = 60 * time.Second

func (l *load) stream(w int) string {
	return es.StreamName("pledge", uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "writer %d", w)))
}

// records are the 1 to 3 records of a writer's round, stamped as every try of a sender would stamp them anew.
func (l *load) records(w, round, try int) []es.Record {
	out := make([]es.Record, 1+(w+round)%3)
	for i := range out {
		name := fmt.Sprintf("writer %d round %d record %d", w, round, i)
		out[i] = es.Record{ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), Bytes: fmt.Appendf(nil, "%s try %d", name, try)}
	}
	return out
}

// run appends through one log or several in turn, and returns when everything is recorded.
func (l *load) run(ctx context.Context, t *testing.T, logs ...es.Log) {
	t.Helper()
	l.answers = map[string]es.Result{}
	ctx, cancel := context.WithTimeout(ctx, answerWaitMax)
	defer cancel()
	var group sync.WaitGroup
	for w := range l.writers {
		group.Go(func() {
			revision := es.NoStream
			for round := range l.rounds {
				n, err := l.append(ctx, logs, w, round, revision)
				if err != nil {
					t.Errorf("writer %d round %d: %v", w, round, err)
					return
				}
				revision += n
			}
		})
	}
	group.Wait()
}

func (l *load) append(ctx context.Context, logs []es.Log, w, round int, expected int64) (events int64, err error) {
	for try := 0; ; try++ {
		a := es.Append{Stream: l.stream(w), Expected: expected, Records: l.records(w, round, try)}
		r := logs[(w+round+try)%len(logs)].Append(ctx, []es.Append{a})[0]
		l.mu.Lock()
		switch {
		case r.Err == nil:
			l.answers[fmt.Sprint(w, " ", expected+int64(len(a.Records)))] = r
		case errors.Is(r.Err, es.ErrUnknown):
			l.unknown++
		case errors.Is(r.Err, es.ErrBusy):
			l.busy++
		}
		l.mu.Unlock()
		switch {
		case r.Err == nil:
			if r.Repeated && try == 0 && !l.resent {
				return 0, errors.New("the first try is said to be a repeat")
			}
			return int64(len(a.Records)), nil
		case ctx.Err() != nil || !errors.Is(r.Err, es.ErrUnknown) && !errors.Is(r.Err, es.ErrBusy):
			return 0, fmt.Errorf("try %d: %w", try, r.Err)
		}
		wait, stop := context.WithTimeout(ctx, 5*time.Millisecond)
		<-wait.Done()
		stop()
	}
}

// check reads the log and holds it to what was answered: every append once, where its answer said, and nothing else.
func (l *load) check(t *testing.T, log es.Log) {
	t.Helper()
	next := make([]int, l.writers) // rounds seen
	record := make([]int, l.writers)
	ordinal := uint64(0)
	prev := es.Position(0)
	for e, err := range log.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Ordinal != ordinal || e.Prev != prev {
			t.Fatalf("entry %d after %d; want %d after %d", e.Ordinal, e.Prev, ordinal, prev)
		}
		ordinal, prev = ordinal+1, e.Position
		var w int
		for w = range l.writers {
			if l.stream(w) == e.Stream {
				break
			}
		}
		want := l.records(w, next[w], 0)
		if got := want[record[w]].ID; got != e.ID {
			t.Fatalf("revision %d of writer %d is event %s; want %s", e.Revision, w, e.ID, got)
		}
		if record[w]++; record[w] == len(want) {
			answer, ok := l.answers[fmt.Sprint(w, " ", e.Revision)]
			if !ok || answer.Position != e.Position || answer.Ordinal != e.Ordinal {
				t.Errorf("revision %d of writer %d is at %d, ordinal %d; its answer was %+v, %t", e.Revision, w, e.Position, e.Ordinal, answer, ok)
			}
			next[w], record[w] = next[w]+1, 0
		}
	}
	for w, rounds := range next {
		if rounds != l.rounds {
			t.Errorf("writer %d has %d rounds in the log, and all %d were answered", w, rounds, l.rounds)
		}
	}
	if head, err := log.Head(t.Context()); err != nil || head.Events != ordinal || head.Position != prev {
		t.Errorf("the head is %+v, %v; %d events end at %d", head, err, ordinal, prev)
	}
}

// settleMax bounds how long goroutines that were told to end may take.
const settleMax = 10 * time.Second

// leavesNothing fails where goroutines of the log or of its client's connections are left after f.
func leavesNothing(t *testing.T, f func()) {
	t.Helper()
	before := strays()
	f()
	deadline := time.Now().Add(settleMax)
	for strays() > before {
		if time.Now().After(deadline) {
			buffer := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left, and %d were there before:\n%s", strays(), before, buffer[:runtime.Stack(buffer, true)])
		}
		runtime.Gosched()
	}
}

// strays counts the goroutines of this package and of the client library.
func strays() (n int) {
	buffer := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		if strings.Contains(stack, "events/kurrentlog.") || strings.Contains(stack, "v4/esdb.") || strings.Contains(stack, "grpc.(*ClientConn)") ||
			strings.Contains(stack, "internal/transport.(*http2Client)") {
			n++
		}
	}
	return n
}

var _ es.Log = (*kurrentlog.Log)(nil)
