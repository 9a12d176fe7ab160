package kurrentlog

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/events/es"
)

func TestIndexAgreesWithAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var x index
	var all []es.Position
	at := es.Position(0)
	check := func(p es.Position) {
		t.Helper()
		n := uint64(0)
		last := es.Position(0)
		if i, found := slices.BinarySearch(all, p); found {
			n, last = uint64(i)+1, p
		} else if i > 0 {
			n, last = uint64(i), all[i-1]
		}
		if events, before := x.count(p); events != n || before != last {
			t.Fatalf("of %d events, %d stand up to %d, the last at %d; want %d and %d", len(all), events, p, before, n, last)
		}
	}
	check(0)
	check(99)
	for i := range 3*pageEvents + 17 {
		at += es.Position(1 + rng.Uint64N(1<<(rng.Uint64N(40)+1)))
		x.add(at)
		if all = append(all, at); x.len() != uint64(len(all)) || len(x.pages) != len(all)/pageEvents {
			t.Fatalf("%d events in %d pages, of %d", x.len(), len(x.pages), len(all))
		}
		if i%511 == 0 || i%pageEvents < 2 || i%pageEvents > pageEvents-2 {
			for _, p := range []es.Position{0, all[0] - 1, all[0], at - 1, at, at + 1, all[i/2], all[i/2] + 1} {
				check(p)
			}
		}
	}
	for _, ordinal := range []uint64{0, 1, pageEvents - 1, pageEvents, 2*pageEvents + 5, 3 * pageEvents, 3*pageEvents + 16} {
		if run := x.run(ordinal); len(run) == 0 || run[0] != all[ordinal] {
			t.Errorf("the event of ordinal %d is at %v, not %d", ordinal, run, all[ordinal])
		}
	}
	if run := x.run(uint64(len(all))); run != nil {
		t.Errorf("beyond its end the index has %v", run)
	}
}

func TestBrokenPagesAreRefused(t *testing.T) {
	positions := make([]es.Position, pageEvents)
	for i := range positions {
		positions[i] = es.Position(10 + 3*i)
	}
	good := pack(positions)
	if got, err := good.unpack(); err != nil || !slices.Equal(got, positions) {
		t.Fatalf("a page came back as %d positions, %v", len(got), err)
	}
	for name, bytes := range map[string][]byte{
		"empty":           {},
		"short":           good.bytes[:len(good.bytes)-1],
		"long":            append(slices.Clone(good.bytes), 1),
		"cut in a number": append(slices.Clone(good.bytes[:len(good.bytes)-1]), 0x80),
		"standing still":  append([]byte{0}, good.bytes[1:]...),
	} {
		if _, err := (page{bytes: bytes}).unpack(); err == nil {
			t.Errorf("a page that is %s is taken", name)
		}
	}
}

func TestNamesComeBack(t *testing.T) {
	for _, n := range []names{{""}, {"test-1."}} {
		for _, stream := range []string{
			"pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8", "a\x00", "a-1\xff", "$all", "a$", "allied_log", "allied_index", "allied_logs",
			"100%", "%41", "a b", "é",
		} {
			stored := n.stored(stream)
			if back, ok := n.ledger(stored); !ok || back != stream {
				t.Errorf("stream %q is stored as %q, which is read as %q, %t", stream, stored, back, ok)
			}
		}
	}
	n := names{}
	if got := n.stored("pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8"); got != "pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8" {
		t.Errorf("a ledger's stream is stored as %q", got)
	}
	for _, foreign := range []string{"$ce-pledge", "$$pledge-1", "allied_log", "allied_index", "", "100%", "a%4", "a%zz", "a%41", "a b", "\xff"} {
		if stream, ok := n.ledger(foreign); ok {
			t.Errorf("the server's stream %q is taken for the ledger's %q", foreign, stream)
		}
	}
}
