package term_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

type enum = protoreflect.Enum

func TestWordsOfEveryEnumComeBack(t *testing.T) {
	for i := range eventv1.Stage_name {
		comesBack(t, eventv1.Stage(i))
	}
	for i := range eventv1.Instrument_name {
		comesBack(t, eventv1.Instrument(i))
	}
	for i := range eventv1.Precision_name {
		comesBack(t, eventv1.Precision(i))
	}
	for i := range eventv1.RestTo_name {
		comesBack(t, eventv1.RestTo(i))
	}
	for i := range eventv1.Link_name {
		comesBack(t, eventv1.Link(i))
	}
}

func comesBack[E interface {
	~int32
	enum
}](t *testing.T, e E,
) {
	t.Helper()
	word := term.Word(e)
	back, err := term.Parse[E](word)
	switch {
	case e == 0 && (word != "unspecified" || err == nil):
		t.Errorf("%v is %q, which reads without error", e, word)
	case e != 0 && (err != nil || back != e):
		t.Errorf("%v is %q, which reads as %v, %v", e, word, back, err)
	}
}

func TestWordsAreThoseOfTheField(t *testing.T) {
	for e, want := range map[enum]string{
		eventv1.Stage_STAGE_HANDED_OVER:                 "handed_over",
		eventv1.Instrument_INSTRUMENT_IN_KIND:           "in_kind",
		eventv1.ValueStatus_VALUE_STATUS_NOT_APPLICABLE: "not_applicable",
		eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED:     "unverified",
		eventv1.Marking_MARKING_PUBLIC:                  "public",
		eventv1.Firmness_FIRMNESS_UNKNOWN:               "unknown",
		eventv1.Stage(99):                               "99",
		eventv1.ValueSource_VALUE_SOURCE_UNSPECIFIED:    "unspecified",
		eventv1.Precision_PRECISION_UNTIL:               "until",
	} {
		if got := term.Word(e); got != want {
			t.Errorf("%v is %q, want %q", e, got, want)
		}
	}
}

func TestParseNamesTheAllowedWords(t *testing.T) {
	for _, word := range []string{"", "Firm", "unspecified", "FIRMNESS_FIRM", "1", "firm "} {
		_, err := term.Parse[eventv1.Firmness](word)
		if err == nil || !strings.Contains(err.Error(), "is no firmness: use one of firm, stated, unknown") {
			t.Errorf("%q: error %v", word, err)
		}
	}
	if got, want := term.Words(eventv1.Firmness(0)), []string{"firm", "stated", "unknown"}; !slices.Equal(got, want) {
		t.Errorf("words %q, want %q", got, want)
	}
}

func BenchmarkWord(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = term.Word(eventv1.Stage_STAGE_HANDED_OVER)
	}
}
