package kurrentlog_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// A repeat of what is recorded is never called busy, which says that it is not recorded: not where the server confirms it, and can then not be asked
// where it is.
func TestAConfirmedAppendIsNotBusy(t *testing.T) {
	for name, repeated := range map[string]kurrenttest.RepeatedAnswer{
		"with its position": kurrenttest.RepeatedLast, "without one": kurrenttest.RepeatedNone,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, kurrenttest.StoreConfig{Repeated: repeated})
			l := p.open(t)
			defer closeLog(t, l)
			id := uuid.New()
			a := es.Append{Stream: es.StreamName("pledge", id), Expected: es.NoStream, Records: []es.Record{{ID: id, Bytes: []byte("x")}}}
			first := l.Append(t.Context(), []es.Append{a})[0]
			if first.Err != nil {
				t.Fatal(first.Err)
			}
			p.store.OnRead(func(c kurrenttest.ReadCall) kurrenttest.Fault {
				return kurrenttest.Fault{Kind: kurrenttest.Answer, Code: codes.Unavailable, Message: "error reading from server: EOF"}
			})
			r := l.Append(t.Context(), []es.Append{a})[0]
			if !errors.Is(r.Err, es.ErrUnknown) || errors.Is(r.Err, es.ErrBusy) {
				t.Errorf("a repeat of what is recorded is answered: %v", r.Err)
			}
			p.store.OnRead(nil)
			r = l.Append(t.Context(), []es.Append{a})[0]
			if r.Err != nil || r.Position != first.Position || r.Ordinal != first.Ordinal || !r.Repeated {
				t.Errorf("the repeat is answered %+v; the first was %+v", r, first)
			}
		})
	}
}

// A server that confirms what its stream does not show is not asked again until it says something else.
func TestAConfirmedAppendThatIsNotThereIsUnknown(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	id := uuid.New()
	a := es.Append{Stream: es.StreamName("pledge", id), Expected: es.NoStream, Records: []es.Record{{ID: id, Bytes: []byte("x")}}}
	if r := l.Append(t.Context(), []es.Append{a})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	p.store.Delete(a.Stream)
	sent := 0
	p.store.OnAppend(func(kurrenttest.AppendCall) kurrenttest.Fault {
		if sent++; sent > 1 {
			return kurrenttest.Busy()
		}
		return kurrenttest.Fault{}
	})
	r := l.Append(t.Context(), []es.Append{a})[0]
	if !errors.Is(r.Err, es.ErrUnknown) || errors.Is(r.Err, es.ErrBusy) {
		t.Errorf("an append that the server confirmed is answered: %v", r.Err)
	}
}
