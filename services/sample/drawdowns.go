package sample

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// The presidential drawdown packages for Ukraine: number, day of the announcement, and the most that each could draw, in millions of US
// dollars, as announced.
//
//go:embed us_drawdowns.csv
var drawdownsCSV string

const dollars = "USD/2@" + donorStated

// drawdown is one package as announced.
type drawdown struct {
	number, announced, source string
	amount                    money.Amount // in cents
}

func drawdowns() ([]drawdown, error) {
	r := csv.NewReader(strings.NewReader(drawdownsCSV))
	r.FieldsPerRecord = 4
	records, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the sample's drawdown packages: %w", err)
	}
	var out []drawdown
	for i, rec := range records[1:] {
		amount, err := money.Parse(rec[2], 8) // a million dollars is 10^8 cents
		if err != nil {
			return nil, fmt.Errorf("read the sample's drawdown packages, line %d: %w", i+2, err)
		}
		if _, err := dates.Parse(rec[1]); err != nil {
			return nil, fmt.Errorf("read the sample's drawdown packages, line %d: %w", i+2, err)
		}
		out = append(out, drawdown{number: rec[0], announced: rec[1], amount: amount, source: rec[3]})
	}
	return out, nil
}

// commands: a determination to draw is a commitment, and the package announced with it an allocation; what is in it the figure does not say.
func (d drawdown) commands() []*apiv1.Command {
	p := &promise{
		name: "us-drawdown/" + d.number, donor: "USA",
		sources: []*eventv1.Source{{Publisher: d.source, ExternalId: "PDA " + d.number}},
	}
	title, amount := "Presidential drawdown "+d.number, d.amount.Text(2)
	commitment := p.line("commitment", title, "MIL.MIXED", "in_kind", dollars, amount)
	allocation := p.line("allocation", title, "MIL.MIXED", "in_kind", dollars, amount)
	commitment.FiscalYear, allocation.FiscalYear = d.fiscalYear(), d.fiscalYear()
	p.commit(d.announced, title, "stated", commitment)
	p.allocate("package", d.announced, title, allocation)
	return p.out
}

// fiscalYear is that of the United States, which begins on 1 October of the year before.
func (d drawdown) fiscalYear() string {
	year, month, _ := strings.Cut(d.announced, "-")
	n, err := strconv.Atoi(year)
	if err != nil {
		return ""
	}
	if month >= "10" {
		n++
	}
	return strconv.Itoa(n)
}
