package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/projections/payments"
	"github.com/spf13/cobra"
)

func (c *cli) paymentsCommand() *cobra.Command {
	var req payments.ListRequest
	var limit uint
	var atLeast uint64
	cmd := &cobra.Command{
		Use:   "payments",
		Short: "List payments with what is instructed, booked and returned",
		Example: `  allied payments --donor NOR --status accepted
  allied payments --pledge pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8
  allied payments --text E2E-2024-17 -o json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.AtLeast = es.Position(atLeast)
			return c.payments(cmd.Context(), req, int(limit))
		},
	}
	drawnFilters{&req.Donor, &req.Beneficiary, &req.Category, &req.Pledge, &req.Status, &req.Text, &limit, &atLeast}.
		declare(cmd.Flags(), "payments", payments.Statuses(), "a party's name, the end-to-end id, the UETR or the bank's reference")
	return cmd
}

func (c *cli) paymentCommand() *cobra.Command {
	return showCommand("payment", "Print one payment with its parties, what was booked and what came back",
		`Prints one payment. ID is its stream, or its UUID alone. Accepted is not booked; what a bank booked in another currency stands beside what was
instructed, and what somebody kept on the way stands apart.`,
		`  allied payment show payment-6ba7b810-9dad-51d1-80b4-00c04fd430c8
  allied payment show 6ba7b810-9dad-51d1-80b4-00c04fd430c8 -o json`,
		func(cmd *cobra.Command, id string, atLeast es.Position) error {
			return c.showPayment(cmd.Context(), payments.ShowRequest{ID: id, AtLeast: atLeast})
		})
}

// paymentsDoc is a whole listing. Where events came between its pages, the later ones are true at a later position.
type paymentsDoc struct {
	payments.Listing
	LastPagePosition es.Position `json:"last_page_position,omitempty"`
}

func (c *cli) payments(ctx context.Context, req payments.ListRequest, limit int) error {
	ledger, closeLedger, err := c.connectToRead(ctx)
	if err != nil {
		return err
	}
	doc := &paymentsDoc{}
	last, next, err := eachPage(limit, req.AtLeast, func(p page) (pageEnd, error) {
		req.Limit, req.Cursor, req.AtLeast = p.limit, p.cursor, p.atLeast
		var got payments.Listing
		if err := refusedQuery(ledger.Query(ctx, "payments", req, &got)); err != nil {
			return pageEnd{}, err
		}
		if p.cursor == "" {
			doc.Listing = got
		} else {
			doc.Payments = append(doc.Payments, got.Payments...)
		}
		return pageEnd{got.Position, len(got.Payments), got.Next}, nil
	})
	if err := errors.Join(err, closeLedger()); err != nil {
		return err
	}
	doc.LastPagePosition, doc.Next = last, next
	if c.form == formCSV {
		return printPaymentRows(doc.Payments, doc.Position, doc.Ordinal).write(c.stdout, c.form)
	}
	return printPayments(doc).write(c.stdout, c.form)
}

// paymentItem is a payment as JSON lines print it: true by itself.
type paymentItem struct {
	payments.Payment
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
}

func printPayments(doc *paymentsDoc) *printout {
	out := &printout{document: doc, columns: []column{
		left("payment"), left("donor"), left("first"), left("status"), left("category"), left("instrument"), left("asset"), amount("asked"),
		amount("instructed"), amount("booked"), amount("charges"), amount("returned"), left("creditor"), left("end-to-end id"),
	}}
	for _, p := range doc.Payments {
		out.add(strings.TrimPrefix(p.Stream, payment.Kind+"-"), p.Donor, deref(p.First), p.Status, p.Category, p.Instrument, p.Asset, p.Drawn, p.Instructed,
			p.Booked, p.Charges, p.Returned, clipped(p.Creditor.Name, 24), clipped(p.EndToEndID, 20))
		out.items = append(out.items, paymentItem{p, doc.Position, doc.Ordinal})
	}
	out.notes = append(out.notes, pageNote(len(doc.Payments), counted(doc.Total, "payment", "payments"), doc.Position, doc.Ordinal, doc.LastPagePosition))
	if len(doc.Payments) > 0 {
		out.notes = append(out.notes, "instructed, booked: all that was reached, less what was rejected or is owed again; `allied payment show ID` has what stands there")
	}
	return out
}

func (c *cli) showPayment(ctx context.Context, req payments.ShowRequest) error {
	var d payments.Detail
	if err := c.query(ctx, "payment", req, &d); err != nil {
		return err
	}
	return c.deliver(&d, func() *printout { return printPaymentRows([]payments.Payment{d.Payment}, d.Position, d.Ordinal) },
		func() error { return c.writePayment(&d) })
}

// writePayment prints a payment for a person: its facts, its amounts, and the loan that it pays out.
func (c *cli) writePayment(d *payments.Detail) error {
	var b bytes.Buffer
	bank := ""
	if d.Accepted {
		bank = "accepted"
	}
	err := writeFacts(&b, [][2]string{
		{"payment", d.Stream},
		{"from", d.Donor},
		{"to", d.Beneficiary},
		{"status", d.Status},
		{"dates", spanned(d.First, d.Last)},
		{"for", d.Category + ", " + d.Instrument},
		{"draw", d.Draw},
		{"allocation", d.Allocation},
		{"pledge", d.Pledge},
		{"tranche", d.Tranche},
		{"debtor", partyText(d.Debtor)},
		{"creditor", partyText(d.Creditor)},
		{"end-to-end", d.EndToEndID},
		{"UETR", d.UETR},
		{"bank", strings.TrimPrefix(prefixed(", ", bank)+prefixed(", code ", d.BankCode)+prefixed(", entry ", d.BankReference)+prefixed(", ", d.Point), ", ")},
	})
	if err != nil {
		return err
	}
	b.WriteByte('\n')
	out := &printout{columns: []column{left("stage"), left("asset"), amount("reached"), amount("standing")}}
	out.add("asked", d.Asset, d.Drawn, "")
	out.add("instructed", d.Asset, d.Instructed, d.InstructedStanding)
	if d.BookedAs != nil {
		out.add("booked", d.Asset, d.Booked, d.BookedStanding)
		if d.BookedAs.Asset != d.Asset {
			out.add("booked as", d.BookedAs.Asset, "", d.BookedAs.Amount)
		}
		out.add("charges", d.Asset, d.Charges, "")
		out.add("returned", d.Asset, d.Returned, "")
		out.add("owed again", d.Asset, d.ReturnedOpen, "")
	}
	if d.Loan != nil {
		out.add("loan principal", d.Loan.Asset, "", d.Loan.Principal)
		out.add("loan interest due", d.Loan.Asset, "", d.Loan.Interest)
	}
	if err := indented(&b, out); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\neach asset names its basis; at position %d (ordinal %d)\n", d.Position, d.Ordinal)
	_, err = c.stdout.Write(b.Bytes())
	return err
}

func partyText(p payments.Party) string {
	return strings.TrimPrefix(prefixed(", ", p.Name)+prefixed(", ", p.Account)+prefixed(" at ", p.Agent), ", ")
}

// printPaymentRows are payments as a spreadsheet wants them: one row each.
func printPaymentRows(list []payments.Payment, at es.Position, ordinal uint64) *printout {
	out := &printout{}
	for _, name := range []string{
		"stream", "donor", "beneficiary", "status", "accepted", "first", "last", "draw", "pledge", "allocation", "category", "instrument", "asset", "drawn",
		"instructed", "instructed_standing", "booked", "booked_standing", "charges", "returned", "returned_open", "booked_asset", "booked_amount",
		"loan_principal", "loan_interest", "point", "bank_code", "bank_reference", "debtor", "debtor_account", "debtor_agent", "creditor", "creditor_account",
		"creditor_agent", "end_to_end_id", "uetr", "tranche", "position", "ordinal",
	} {
		out.columns = append(out.columns, left(name))
	}
	for _, p := range list {
		var booked payments.AssetAmount
		var loan payments.Loan
		if p.BookedAs != nil {
			booked = *p.BookedAs
		}
		if p.Loan != nil {
			loan = *p.Loan
		}
		out.add(p.Stream, p.Donor, p.Beneficiary, p.Status, strconv.FormatBool(p.Accepted), deref(p.First), deref(p.Last), p.Draw, p.Pledge, p.Allocation,
			p.Category, p.Instrument, p.Asset, p.Drawn, p.Instructed, p.InstructedStanding, p.Booked, p.BookedStanding, p.Charges, p.Returned, p.ReturnedOpen,
			booked.Asset, booked.Amount, loan.Principal, loan.Interest, p.Point, p.BankCode, p.BankReference, p.Debtor.Name, p.Debtor.Account, p.Debtor.Agent,
			p.Creditor.Name, p.Creditor.Account, p.Creditor.Agent, p.EndToEndID, p.UETR, p.Tranche, strconv.FormatUint(uint64(at), 10),
			strconv.FormatUint(ordinal, 10))
	}
	return out
}
