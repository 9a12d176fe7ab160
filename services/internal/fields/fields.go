// Package fields reads the text of a command's body, and keeps the first thing that cannot be read.
package fields

import (
	"fmt"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fields reads a command's text and keeps the first refusal; after it, what is read has no meaning.
type Fields struct {
	In      command.Input
	Refused error
}

// Refuse keeps the first refusal, an *es.Refusal.
func (f *Fields) Refuse(err error) {
	if f.Refused == nil {
		f.Refused = err
	}
}

// ID reads a UUID.
func (f *Fields) ID(at, text string) uuid.UUID {
	id, err := command.ParseID(at, text)
	if err != nil {
		f.Refuse(err)
	}
	return id
}

// Date reads a date; an empty one is nil, and the decider says whether it is needed.
func (f *Fields) Date(at, text string) *eventv1.Effective {
	if text == "" {
		return nil
	}
	e, err := dates.Parse(text)
	if err != nil {
		f.Refuse(&es.Refusal{Code: "bad_date", Field: at, Reason: err.Error(), Remedy: "give a date such as 2022-09-13, or `unknown`"})
	}
	return e
}

// Amount reads at.amount in the decimals of at.asset.
func (f *Fields) Amount(at, assetText, text string) money.Amount {
	return f.AmountAt(at+".asset", assetText, at+".amount", text)
}

// AmountAt reads an amount where its field or its asset's has another name.
func (f *Fields) AmountAt(assetAt, assetText, at, text string) money.Amount {
	a, err := asset.Parse(assetText)
	if err != nil {
		reason := err.Error()
		if assetText == "" {
			reason = "an amount is counted in an asset, and none is named"
		}
		f.Refuse(&es.Refusal{Code: "bad_asset", Field: assetAt, Reason: reason, Remedy: "write it as EUR/2@donor_stated or each/6:item"})
		return money.Amount{}
	}
	n, err := money.Parse(text, a.Scale)
	if err != nil {
		f.Refuse(&es.Refusal{
			Code: "bad_amount", Field: at, Reason: err.Error(), Remedy: "write digits with a decimal point and no grouping, such as 1234.50, in the decimals of the asset",
		})
	}
	return n
}

// Word reads a word of a closed list; an empty one is unspecified, and the decider says whether it is needed.
func Word[E interface {
	protoreflect.Enum
	~int32
}](f *Fields, at, text string) E {
	var e E
	if text == "" {
		return e
	}
	e, err := term.Parse[E](text)
	if err != nil {
		f.Refuse(&es.Refusal{Code: "unknown_word", Field: at, Reason: err.Error(), Remedy: "use one of these words"})
	}
	return e
}

// NewID reads an id, or derives it from the command's, so that a retry names the same.
func (f *Fields) NewID(at, text, role string, i int) uuid.UUID {
	if text == "" {
		return ident.LineID(f.In.Stream, f.In.ID, role, i)
	}
	return f.ID(at, text)
}

// Stated reads amounts in other assets than the one that a command is about.
func (f *Fields) Stated(at string, in []*apiv1.AssetAmount) []*eventv1.AssetAmount {
	var out []*eventv1.AssetAmount
	for i, s := range in {
		out = append(out, &eventv1.AssetAmount{
			Asset: s.GetAsset(), Amount: f.Amount(fmt.Sprintf("%s[%d]", at, i), s.GetAsset(), s.GetAmount()).Proto(),
		})
	}
	return out
}

// Corrected reads the id of the event that a command takes back, which the envelope then names too.
func (f *Fields) Corrected(at, text string) uuid.UUID {
	id := f.ID(at, text)
	env := f.In.Envelope
	for _, c := range env.Corrects {
		if string(c) == string(id[:]) {
			return id
		}
	}
	env.Corrects = append(env.Corrects, id[:])
	return id
}
