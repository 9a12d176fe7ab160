package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/google/uuid"
)

// TestACircleOfCopiesIsTheLedger copies a ledger from its folder to a server of KurrentDB's protocol, and from there into another folder, while each
// copy is killed again and again: in the end all three hold the same events, byte for byte, and give the same views.
func TestACircleOfCopiesIsTheLedger(t *testing.T) {
	const events, kills = 1500, 10
	binary, dir := build(t), t.TempDir()
	fill(t, binary, dir, events)
	store := kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000, Noise: kurrenttest.Noise{Seed: 4, EventsMax: 1}})
	url := kurrenttest.StartT(t, store, kurrenttest.NodeConfig{}).URL()
	back := filepath.Join(t.TempDir(), "back")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	var hashes []string
	for _, leg := range [][2]string{{dir, url}, {url, back}} {
		for range kills {
			killCopy(t, binary, leg[0], leg[1], time.Duration(100+random.IntN(300))*time.Millisecond)
		}
		var doc struct {
			Events    uint64 `json:"events"`
			Found     uint64 `json:"found"`
			StateHash string `json:"state_hash"`
		}
		text := run(t.Context(), t, binary, "store", "copy", leg[0], leg[1], "-o", "json")
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if doc.Events < events || doc.Found == 0 {
			t.Errorf("%s: the killed copies left nothing to go on from", text)
		}
		hashes = append(hashes, doc.StateHash)
	}
	want := list(t, filelog.Scan(nil, dir))
	if got := list(t, filelog.Scan(nil, back)); !equalEvents(t, "the folder at the circle's end", got, want) {
		t.Error("the circle does not close")
	}
	var stored []event
	for _, e := range store.All() {
		if bytes.HasPrefix([]byte(e.Type), []byte("allied.")) {
			stored = append(stored, event{e.Stream, e.Revision, e.ID, string(e.Data)})
		}
	}
	equalEvents(t, "the server", stored, want)
	hashes = append(hashes, decoded(t, run(t.Context(), t, binary, "replay", "--verify", "--data", back, "-o", "json")).StateHash)
	hashes = append(hashes, decoded(t, run(t.Context(), t, binary, "replay", "--store", url, "-o", "json")).StateHash)
	for _, h := range hashes {
		if h != hashes[0] || h == "" {
			t.Errorf("state hashes %v", hashes)
		}
	}
}

// killCopy starts a copy, slowly enough not to end before it is killed.
func killCopy(t *testing.T, binary, from, to string, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "store", "copy", from, to, "--events-per-second", "500", "-q").CombinedOutput() // which kills
	if ctx.Err() == nil {
		t.Fatalf("the copy from %s to %s ended before it was killed: %v\n%s", from, to, err, out)
	}
}

// fill records some events in a folder.
func fill(t *testing.T, binary, dir string, events int) {
	t.Helper()
	h := newHistory(t, 11)
	s := serve(t, binary, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	recorded := 0
	err := s.client.SubmitAll(ctx, h.commands(), func(_ int, cmd *apiv1.Command, a *apiv1.Answer) error {
		h.note(cmd, a)
		if recorded++; recorded > events {
			head, _, err := s.client.Head(ctx)
			if err != nil {
				return err
			}
			if head.Events > uint64(events) {
				cancel()
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.stop()
}

// event is what a copy must keep.
type event struct {
	stream   string
	revision uint64
	id       uuid.UUID
	bytes    string
}

func list(t *testing.T, entries iter.Seq2[es.Entry, error]) (out []event) {
	t.Helper()
	for e, err := range entries {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, event{e.Stream, e.Revision, e.ID, string(e.Bytes)})
	}
	return out
}

func equalEvents(t *testing.T, what string, got, want []event) bool {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s holds %d events; want %d", what, len(got), len(want))
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: event %d is %s; want %s", what, i, fmt.Sprint(got[i]), fmt.Sprint(want[i]))
			return false
		}
	}
	return true
}
