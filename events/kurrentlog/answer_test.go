package kurrentlog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/kurrentlog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
)

// A repeat of what is recorded is never called busy, which says that it is not recorded: not where the server confirms it, and can then not be asked
// where it is.
func TestAConfirmedAppendIsNotBusy(t *testing.T) {
	t.Parallel()
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

// The client library does not tell why a server ends an append that is still being sent; the commonest cause is told all the same.
func TestAnAppendBeyondTheServersSetting(t *testing.T) {
	node := kurrenttest.StartT(t, kurrenttest.NewStore(kurrenttest.StoreConfig{}), kurrenttest.NodeConfig{}) // the setting's default
	l, err := kurrentlog.Open(t.Context(), kurrentlog.Config{URL: node.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	id := uuid.New()
	a := es.Append{Stream: es.StreamName("pledge", id), Expected: es.NoStream}
	for i := range 8 {
		a.Records = append(a.Records, es.Record{ID: uuid.NewSHA1(id, []byte{byte(i)}), Bytes: make([]byte, es.RecordBytesMax)})
	}
	r := l.Append(t.Context(), []es.Append{a})[0]
	if r.Err == nil || errors.Is(r.Err, es.ErrBusy) || !strings.Contains(r.Err.Error(), "MaxAppendSize") {
		t.Errorf("answered %v", r.Err)
	}
}

// The client library gives a record without an id another one at each try, so that no repeat would be known.
func TestARecordWithoutAnIDIsRefused(t *testing.T) {
	p := newPlace(t, kurrenttest.StoreConfig{})
	l := p.open(t)
	defer closeLog(t, l)
	r := l.Append(t.Context(), []es.Append{{Stream: es.StreamName("pledge", uuid.New()), Expected: es.NoStream, Records: []es.Record{{Bytes: []byte("x")}}}})[0]
	if !errors.Is(r.Err, es.ErrInvalid) {
		t.Errorf("answered %v", r.Err)
	}
}
