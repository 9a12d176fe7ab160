package ident_test

import (
	"testing"

	"github.com/allied-ledger/allied/events/ident"
	"github.com/google/uuid"
)

var (
	command = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
	stream  = "pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8"
)

// TestIdentitiesNeverDrift: stored ids rest on these values. A failure here means that retries and imports would name other things than
// before; change the code back, never the values. They were computed by another program, from the definition.
func TestIdentitiesNeverDrift(t *testing.T) {
	for _, c := range []struct {
		what string
		got  uuid.UUID
		want string
	}{
		{"event 0", ident.EventID(stream, command, 0), "de4c4226-dbb1-5656-be0a-3000412b5cff"},
		{"event 1", ident.EventID(stream, command, 1), "c5a4d096-d3d7-5e2b-9b06-a3ebe0a4d982"},
		{"stream", ident.StreamID("pledge", command), "d5ad34ee-55d1-5f88-8120-245a4ca37f16"},
		{"line", ident.LineID(stream, command, "commitment", 2), "4406c6b6-625c-5541-a96e-cc0bc66bbdc1"},
		{"imported", ident.ImportedStream("kiel-ust", "СZM39", "CZE", "44621", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 0), "55cfaf0e-52d8-5132-80d2-f6eb03831e53"},
		{"release", ident.ReleaseStream("kiel-ust", "2024-06"), "aa553ef1-6a64-5f6b-856d-078082e7039b"},
		{"command", ident.ImportedCommand(stream, "2024-06", "allocate", "DEU12-3", 17, [32]byte{1, 2, 3}), "bd2a0d49-3834-557b-a5c4-3589ee483551"},
		{"release of a draw", ident.ReleaseCommand(stream, command, 1), "866d3745-4024-5bcc-9df3-997b486c48fa"},
		{"policy's command", ident.PolicyCommand("release-unused-draws", command, stream), "3ed4e7e9-944f-5444-bf3b-6aa84c1c8d0e"},
		{"exception", ident.ExceptionID(command, "short", uuid.Nil, command, "EUR/2@net_book"), "f33bac98-e9cd-5475-a42c-780ea29eebed"},
	} {
		if c.got.String() != c.want {
			t.Errorf("%s is %s, was %s", c.what, c.got, c.want)
		}
		if c.got.Version() != 5 || c.got.Variant() != uuid.RFC4122 {
			t.Errorf("%s is not a UUIDv5: %s", c.what, c.got)
		}
	}
}

// TestPartsNeverRunTogether: values that would join to the same text are different identities.
func TestPartsNeverRunTogether(t *testing.T) {
	ids := map[uuid.UUID]string{}
	add := func(what string, id uuid.UUID) {
		t.Helper()
		if other, ok := ids[id]; ok {
			t.Errorf("%s and %s are the same: %s", what, other, id)
		}
		ids[id] = what
	}
	var digest [32]byte
	add("release a|bc", ident.ReleaseStream("a", "bc"))
	add("release ab|c", ident.ReleaseStream("ab", "c"))
	add("release abc|", ident.ReleaseStream("abc", ""))
	add("release |abc", ident.ReleaseStream("", "abc"))
	add("imported a|b", ident.ImportedStream("a", "b", "", "", "", 0))
	add("imported ab|", ident.ImportedStream("ab", "", "", "", "", 0))
	add("imported ||a|b", ident.ImportedStream("", "", "a", "b", "", 0))
	add("imported number 1", ident.ImportedStream("a", "b", "", "", "", 1))
	add("imported number -1", ident.ImportedStream("a", "b", "", "", "", -1))
	add("event 0", ident.EventID(stream, command, 0))
	add("event 1", ident.EventID(stream, command, 1))
	add("event 256", ident.EventID(stream, command, 256))
	add("line", ident.LineID(stream, command, "", 0))
	add("line of a role", ident.LineID(stream, command, "allocation", 0))
	add("stream", ident.StreamID(stream, command))
	add("command row 1", ident.ImportedCommand(stream, "r", "k", "1", 1, digest))
	add("command row 11", ident.ImportedCommand(stream, "r", "k", "", 11, digest))
	add("policy's command", ident.PolicyCommand("", command, stream))
	add("policy's command to another", ident.PolicyCommand(stream, command, ""))
	digest[31] = 1
	add("command digest", ident.ImportedCommand(stream, "r", "k", "1", 1, digest))
}

func BenchmarkEventID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = ident.EventID(stream, command, 1)
	}
}
