package words

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// The words of every account and instrument, made once: a fold needs them for every leg.
var (
	stages = func() (words [256]string) {
		for i := range words {
			a := posting.Account(i)
			if words[i] = a.String(); a.Stage() != eventv1.Stage_STAGE_UNSPECIFIED {
				words[i] = term.Word(a.Stage())
			}
		}
		return words
	}()
	instruments = func() (words [16]string) {
		for i := range words {
			words[i] = term.Word(eventv1.Instrument(i))
		}
		return words
	}()
	beside = []string{
		posting.OverAllocated.String(), posting.OverReserved.String(), posting.OverHandedOver.String(), posting.Unmeasured.String(),
		posting.Difference.String(), posting.Fx.String(), posting.LoanPrincipal.String(), posting.LoanDrawn.String(),
		posting.LoanInterestDue.String(), posting.LoanAccrued.String(), posting.LoanInterestPaid.String(), posting.LoanRepaid.String(),
		posting.LoanForgiven.String(), posting.Origin.String(),
	}
)

// Stage is the word of the stage that an account belongs to, or of the account where it stands beside the ladder.
func Stage(a posting.Account) string { return stages[a] }

// Instrument is the word of an instrument.
func Instrument(i eventv1.Instrument) string {
	if i >= 0 && int(i) < len(instruments) {
		return instruments[i]
	}
	return term.Word(i)
}

// IsMoney tells whether an instrument moves money, or promises to: nothing of it is dispatched or delivered like goods. Arms are bought with an
// appropriation, and those are.
func IsMoney(i eventv1.Instrument) bool {
	switch i {
	case eventv1.Instrument_INSTRUMENT_GRANT, eventv1.Instrument_INSTRUMENT_LOAN, eventv1.Instrument_INSTRUMENT_GUARANTEE,
		eventv1.Instrument_INSTRUMENT_SWAP:
		return true
	}
	return false
}

// InstrumentOf reads what Instrument wrote.
func InstrumentOf(word string) (eventv1.Instrument, error) {
	if at := slices.Index(instruments[:], word); at >= 0 {
		return eventv1.Instrument(at), nil
	}
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no instrument", word)
	}
	return eventv1.Instrument(n), nil
}

// HandedOver is a rung of two parts: what was signed for, and what is Claimed.
var (
	HandedOver = term.Word(eventv1.Stage_STAGE_HANDED_OVER)
	Claimed    = term.Word(eventv1.Stage_STAGE_CLAIMED)
)

// Ladder are the words of the stages, from the lowest rung; what is claimed follows what is handed over.
func Ladder() []string {
	var ladder []string
	for _, w := range term.Words(eventv1.Stage_STAGE_UNSPECIFIED) {
		switch w {
		case Claimed:
		case HandedOver:
			ladder = append(ladder, w, Claimed)
		default:
			ladder = append(ladder, w)
		}
	}
	return ladder
}

// Stages are the words of the ladder and of the accounts beside it.
func Stages() []string { return append(Ladder(), beside...) }

// Instruments are the words of all instruments.
func Instruments() []string { return term.Words(eventv1.Instrument_INSTRUMENT_UNSPECIFIED) }

// Flags adds the codes of flags, in order and each once.
func Flags(codes []string, flags []*eventv1.Flag) []string {
	for _, f := range flags {
		// As a reader will find them again: a code with a blank, which none should have, is two.
		for _, code := range strings.Fields(engine.TextOf(f.GetCode()).Text()) {
			if at, found := slices.BinarySearch(codes, code); !found {
				codes = slices.Insert(codes, at, code)
			}
		}
	}
	return codes
}
