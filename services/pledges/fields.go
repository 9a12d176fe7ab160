package pledges

import (
	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/term"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fields reads a command's text and keeps the first refusal; after it, what is read has no meaning.
type fields struct {
	in      command.Input
	refused error
}

func (f *fields) refuse(err error) {
	if f.refused == nil {
		f.refused = err
	}
}

func (f *fields) id(at, text string) uuid.UUID {
	id, err := command.ParseID(at, text)
	if err != nil {
		f.refuse(err)
	}
	return id
}

// date reads a date; an empty one is nil, and the decider says whether it is needed.
func (f *fields) date(at, text string) *eventv1.Effective {
	if text == "" {
		return nil
	}
	e, err := dates.Parse(text)
	if err != nil {
		f.refuse(&es.Refusal{Code: "bad_date", Field: at, Reason: err.Error(), Remedy: "give a date such as 2022-09-13, or `unknown`"})
	}
	return e
}

// amount reads at.amount in the decimals of at.asset.
func (f *fields) amount(at, assetText, text string) money.Amount {
	return f.amountAt(at+".asset", assetText, at+".amount", text)
}

func (f *fields) amountAt(assetAt, assetText, at, text string) money.Amount {
	a, err := asset.Parse(assetText)
	if err != nil {
		f.refuse(&es.Refusal{Code: "bad_asset", Field: assetAt, Reason: err.Error(), Remedy: "write it as EUR/2@donor_stated or each/6:item"})
		return money.Amount{}
	}
	n, err := money.Parse(text, a.Scale)
	if err != nil {
		f.refuse(&es.Refusal{
			Code: "bad_amount", Field: at, Reason: err.Error(), Remedy: "write digits with a decimal point and no grouping, such as 1234.50, in the decimals of the asset",
		})
	}
	return n
}

// status reads why a value is there or missing; with an amount it need not be said that it is stated.
func (f *fields) status(at, text, amount string) eventv1.ValueStatus {
	if text == "" && amount != "" {
		return eventv1.ValueStatus_VALUE_STATUS_STATED
	}
	return word[eventv1.ValueStatus](f, at, text)
}

// word reads a word of a closed list; an empty one is unspecified, and the decider says whether it is needed.
func word[E interface {
	protoreflect.Enum
	~int32
}](f *fields, at, text string) E {
	var e E
	if text == "" {
		return e
	}
	e, err := term.Parse[E](text)
	if err != nil {
		f.refuse(&es.Refusal{Code: "unknown_word", Field: at, Reason: err.Error(), Remedy: "use one of these words"})
	}
	return e
}
