package filelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

var formatLog = uuid.MustParse("6ba7b810-9dad-51d1-80b4-00c04fd430c8")

const formatFrame = "470000003bad6dfdfecaad0b01000000d20400000000000005000000000000000300000000000000" +
	"6ba7b8109dad51d180b400c04fd430c8" + "08706c656467652d31" + "7265636f7264"

// TestFormat pins the bytes on disk: logs of this format must be readable for ever.
func TestFormat(t *testing.T) {
	header := segmentHeader{log: formatLog, number: 2, base: 1234, ordinal: 5, prevCRC: 0x0badcafe, digest: sha256.Sum256([]byte("segment 1"))}
	const headerText = `allied ledger log, format 1
log 6ba7b810-9dad-51d1-80b4-00c04fd430c8
segment 2
bytes before 1234
events before 5
frame checksum before 0badcafe
segment sha256 before 31bd7c356ff3dca969210bb66b140432e11a248b23187bbb3429f5fd18c47fef
checksum 8b1895e2
`
	if got := strings.TrimRight(string(header.text()), " \n"); got != strings.TrimSpace(headerText) {
		t.Errorf("a segment's header is\n%s\nwant\n%s", got, headerText)
	}
	if parsed, err := parseSegmentHeader(header.text()); err != nil || parsed != header {
		t.Errorf("the header parses as %+v, %v", parsed, err)
	}
	m := mark{log: formatLog, turn: 7, end: 1234, events: 5}
	if got, want := strings.TrimRight(string(m.text()), " \n"), "log 6ba7b810-9dad-51d1-80b4-00c04fd430c8 turn 7 bytes 1234 events 5 checksum d83f9570"; got != want {
		t.Errorf("a mark is %q; want %q", got, want)
	}
	frame, _ := appendFrame(nil, 0x0badcafe, 1, &es.Entry{
		Prev: 1234, Ordinal: 5, Stream: "pledge-1", Revision: 3, Record: es.Record{ID: formatLog, Bytes: []byte("record")},
	})
	if got, want := hex.EncodeToString(frame), formatFrame; got != want {
		t.Errorf("a frame is %s; want %s", got, want)
	}
}

// The largest numbers still fit into the fixed texts.
func TestTextsFit(t *testing.T) {
	most := ^uint64(0)
	header := segmentHeader{log: formatLog, number: ^uint32(0), base: most, ordinal: most, prevCRC: ^uint32(0)}
	if n := len(header.text()); n != segmentHeaderBytes {
		t.Errorf("a header has %d bytes", n)
	}
	for _, m := range []mark{{log: formatLog}, {log: formatLog, turn: 1 << 50, end: 1 << 50, events: 1 << 45}} {
		if n := len(m.text()); n != markBytes {
			t.Errorf("a mark has %d bytes", n)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	good, _ := appendFrame(nil, 1, 0, &es.Entry{Prev: 99, Stream: "pledge-1", Record: es.Record{Bytes: []byte("record")}})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		decoded, err := decodeFrame(b, 99)
		if err != nil {
			return
		}
		again, _ := appendFrame(nil, decoded.prev, decoded.following, &decoded.entry)
		if !bytes.Equal(again, b[:decoded.length]) {
			t.Fatalf("%x decodes to what encodes as %x", b, again)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	h := segmentHeader{log: formatLog, number: 2, base: 1234, ordinal: 5}
	m := mark{log: formatLog, turn: 7, end: 1234, events: 5}
	f.Add(h.text())
	f.Add(m.text())
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := parseSegmentHeader(b); err == nil && !bytes.Equal(h.text(), b) {
			t.Fatalf("%q is no header's text", b)
		}
		if m, ok := parseMark(b); ok && !bytes.Equal(m.text(), b) {
			t.Fatalf("%q is no mark's text", b)
		}
	})
}

// TestIndexFailsUnderWriters gives the index up while the log is in use.
func TestIndexFailsUnderWriters(t *testing.T) {
	fs := vfs.NewMem()
	l, err := Open(Config{Dir: "/ledger", FS: fs, SegmentBytes: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	add := func(i int) error {
		record := es.Record{ID: uuid.New(), Bytes: fmt.Append(nil, i)}
		return l.Append(t.Context(), []es.Append{{Stream: "pledge-1", Expected: int64(i) - 1, Records: []es.Record{record}}})[0].Err
	}
	for i := range 100 {
		if err := add(i); err != nil {
			t.Fatal(err)
		}
	}
	l.index.fail(errors.New("on purpose"))
	for {
		err := add(100)
		if errors.Is(err, es.ErrUnknown) {
			continue // applied after the failure, before the latch
		}
		var latched *LatchedError
		if !errors.As(err, &latched) || !strings.Contains(err.Error(), "on purpose") {
			t.Fatalf("append without an index: %v", err)
		}
		break
	}
	n := 0
	for e, err := range l.ReadStream(t.Context(), "pledge-1", 10) {
		if err != nil || e.Revision != uint64(n+10) {
			t.Fatalf("stream without an index: %+v, %v", e, err)
		}
		n++
	}
	if n != 90 {
		t.Fatalf("%d events without an index; want 90", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(Config{Dir: "/ledger", FS: fs}); err != nil {
		t.Fatal(err)
	}
	if l.Recovery().EventsIndexed < 100 {
		t.Errorf("recovery %+v; want at least 100 events indexed", l.Recovery())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIndexPages stores more runs of one stream than a page holds, among others whose names begin alike.
func TestIndexPages(t *testing.T) {
	fs := vfs.NewMem()
	l, err := Open(Config{Dir: "/ledger", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	const events = 3 * runAppendsMax
	revision := map[string]int64{"a": -1, "a\x00": -1, "aa": -1}
	store := func() {
		if err := l.index.use(l.index.store); err != nil {
			t.Fatal(err)
		}
	}
	for i := range events {
		var appends []es.Append
		for stream := range revision {
			appends = append(appends, es.Append{Stream: stream, Expected: revision[stream], Records: []es.Record{{ID: uuid.New()}, {ID: uuid.New()}}})
			revision[stream] += 2
		}
		for _, r := range l.Append(t.Context(), appends) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if i%700 == 699 {
			store()
		}
	}
	for stream := range revision {
		for _, from := range []uint64{0, 1, 2, 1399, 1400, 1401, 2*events - 1, 2 * events} {
			n := from
			for e, err := range l.ReadStream(t.Context(), stream, from) {
				if err != nil || e.Revision != n || e.Stream != stream {
					t.Fatalf("%q from %d: %+v, %v; want revision %d", stream, from, e, err, n)
				}
				n++
			}
			if n != 2*events {
				t.Fatalf("%q from %d ends at %d; want %d", stream, from, n, 2*events)
			}
		}
		if last, err := l.index.last(stream); err != nil || last != 2*events-1 {
			t.Errorf("%q ends at %d, %v", stream, last, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
