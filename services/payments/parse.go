package payments

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/payment"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/command"
	"github.com/allied-ledger/allied/services/internal/fields"
	"github.com/allied-ledger/allied/services/internal/reservation"
)

// reader reads the bodies of the commands of payments.
type reader struct{ fields.Fields }

// Parse reads the text of a command's body. Whether it may be is the decider's to say. Its error is an *es.Refusal.
func Parse(in command.Input) (payment.Command, error) {
	f := &reader{fields.Fields{In: in}}
	c := f.body(payment.Meta{Donor: in.Envelope.Donor, Beneficiary: in.Envelope.Beneficiary, Effective: in.Envelope.Effective})
	if f.Refused != nil {
		return nil, f.Refused
	}
	return c, nil
}

func (f *reader) body(meta payment.Meta) payment.Command {
	switch b := f.In.Command.Body.(type) {
	case *apiv1.Command_InstructPayment:
		return f.instruct(meta, b.InstructPayment)
	case *apiv1.Command_AcceptPayment:
		return &payment.Accept{Meta: meta, Status: b.AcceptPayment.GetStatus()}
	case *apiv1.Command_RejectPayment:
		return &payment.Reject{Meta: meta, ReasonCode: b.RejectPayment.GetReasonCode()}
	case *apiv1.Command_BookPayment:
		return f.book(meta, b.BookPayment)
	case *apiv1.Command_ReturnPayment:
		r := b.ReturnPayment
		asset, amount := f.part("return_payment", r.GetAsset(), r.GetAmount())
		return &payment.Return{Meta: meta, Asset: asset, Amount: amount, Reopens: r.GetReopens(), ReasonCode: r.GetReasonCode()}
	case *apiv1.Command_ReversePayment:
		return &payment.Reverse{Meta: meta, Event: f.Corrected("reverse_payment.event", b.ReversePayment.GetEvent())}
	case *apiv1.Command_AccrueInterest:
		return f.loan(meta, payment.InterestDue, b.AccrueInterest.GetAsset(), b.AccrueInterest.GetAmount(), "")
	case *apiv1.Command_PayInterest:
		return f.loan(meta, payment.InterestPaid, b.PayInterest.GetAsset(), b.PayInterest.GetAmount(), "")
	case *apiv1.Command_RepayLoan:
		return f.loan(meta, payment.Repaid, b.RepayLoan.GetAsset(), b.RepayLoan.GetAmount(), b.RepayLoan.GetSourceOfFunds())
	case *apiv1.Command_ForgiveLoan:
		return f.loan(meta, payment.Forgiven, b.ForgiveLoan.GetAsset(), b.ForgiveLoan.GetAmount(), "")
	}
	f.Refuse(&es.Refusal{Code: "unknown_command", Reason: "not a command of payments", Remedy: "send a command that changes a payment"})
	return nil
}

// instruct names the draw; what the pledge answers is known only once it is made.
func (f *reader) instruct(meta payment.Meta, in *apiv1.InstructPayment) payment.Command {
	const at = "instruct_payment"
	if kind, _, err := es.ParseStream(in.GetPledge()); err != nil || kind != "pledge" {
		f.Refuse(&es.Refusal{Code: "bad_stream", Field: at + ".pledge", Reason: fmt.Sprintf("%q is not a pledge's stream", in.GetPledge()), Remedy: "name it as pledge-<uuid>"})
		return nil
	}
	draw, allocation := reservation.DrawID(f.In, 0), f.ID(at+".allocation", in.GetAllocation())
	amount := f.Amount(at, in.GetAsset(), in.GetAmount())
	c := &payment.Instruct{
		Meta: meta, Stated: f.Stated(at+".stated", in.GetStated()), Debtor: party(in.GetDebtor()), Creditor: party(in.GetCreditor()),
		EndToEndID: in.GetEndToEndId(), UETR: in.GetUetr(),
		Line: &eventv1.DrawnLine{Draw: draw[:], Pledge: in.GetPledge(), Allocation: allocation[:], Asset: in.GetAsset(), Amount: amount.Proto()},
	}
	if in.GetTranche() != "" {
		c.Tranche = f.ID(at+".tranche", in.GetTranche())
	}
	return c
}

func party(in *apiv1.PaymentParty) *eventv1.Party {
	if in == nil {
		return nil
	}
	return &eventv1.Party{Name: in.Name, Account: in.Account, Agent: in.Agent}
}

func (f *reader) book(meta payment.Meta, in *apiv1.BookPayment) payment.Command {
	const at = "book_payment"
	c := &payment.Book{
		Meta: meta, Asset: in.GetAsset(), Point: fields.Word[eventv1.BookingPoint](&f.Fields, at+".point", in.GetPoint()), BookedAsset: in.GetBookedAsset(),
		Reference: in.GetBankReference(),
	}
	if in.GetAmount() != "" {
		c.Asset, c.Amount = f.part(at, in.GetAsset(), in.GetAmount())
	}
	if in.GetFee() != "" {
		c.Fee = f.AmountAt(at+".asset", in.GetAsset(), at+".fee", in.GetFee())
	}
	if in.GetBookedAsset() != "" || in.GetBookedAmount() != "" {
		c.BookedAmount = f.AmountAt(at+".booked_asset", in.GetBookedAsset(), at+".booked_amount", in.GetBookedAmount())
	}
	return c
}

// part reads an amount of an asset, or neither.
func (f *reader) part(at, asset, amount string) (string, *money.Amount) {
	if asset == "" && amount == "" {
		return "", nil
	}
	a := f.Amount(at, asset, amount)
	return asset, &a
}

func (f *reader) loan(meta payment.Meta, kind payment.LoanKind, asset, amount, source string) payment.Command {
	return &payment.Loan{Meta: meta, Kind: kind, Asset: asset, Amount: f.Amount(string(kind), asset, amount), Source: source}
}
