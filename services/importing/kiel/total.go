package kiel

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// totalled are the columns with a control total in one asset.
var totalled = []struct {
	column column
	asset  string
}{
	{colEstimate, "USD/2@" + basisPriceList},
	{colEstimateDeliv, "USD/2@" + basisPriceList},
	{colConverted, "EUR/2@" + basisTracker},
	{colDelivered, "EUR/2@" + basisTracker},
	{colAllocatedEUR, "EUR/2@" + basisTracker},
	{colRedistributed, "EUR/2@" + basisRedistributed},
}

// controlTotals adds up the numeric columns over all rows, refused ones too, each cell rounded half-even first. What sources state is added
// up for each currency; packages repeat it on their rows, so that sum controls the file and is no total of support.
func controlTotals(rows []Row) ([]*apiv1.ColumnTotal, error) {
	var out []*apiv1.ColumnTotal
	for _, t := range totalled {
		c, err := columnTotal(t.column, t.asset, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	byCurrency := map[string][]Row{}
	for _, r := range rows {
		if a, err := asset.Currency(r.text(colCurrency), basisDonorStated); err == nil {
			byCurrency[a.String()] = append(byCurrency[a.String()], r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byCurrency)) {
		c, err := columnTotal(colStated, name, byCurrency[name])
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func columnTotal(c column, name string, rows []Row) (*apiv1.ColumnTotal, error) {
	a, err := asset.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("add up column %s: %w", c.letters(), err)
	}
	out := &apiv1.ColumnTotal{Column: c.name(), Asset: name}
	var sum money.Amount
	for _, r := range rows {
		v, ok := readNumber(r.raw(c)).rounded(a.Scale)
		if !ok {
			out.RowsMissing++
			continue
		}
		out.RowsStated++
		if sum, err = sum.Add(v); err != nil {
			return nil, fmt.Errorf("add up column %s: %w", c.letters(), err)
		}
	}
	out.Sum = sum.Text(a.Scale)
	return out, nil
}

var releaseDate = regexp.MustCompile(`^20\d\d(-(0[1-9]|1[0-2]))?$`)

// Completion is the command that closes the import with its control totals. It stands on a stream of its own, one for each release.
func (p *Plan) Completion() *apiv1.Command {
	stream := es.StreamName(imports.Kind, ident.ReleaseStream(Dataset, p.Release))
	effective := "unknown"
	if releaseDate.MatchString(p.Release) {
		effective = p.Release
	}
	var counts []*apiv1.FlagCount
	for _, code := range slices.Sorted(maps.Keys(p.Flags)) {
		counts = append(counts, &apiv1.FlagCount{Code: code, Rows: p.Flags[code]})
	}
	id := ident.ImportedCommand(stream, p.Release, kindComplete, "", p.Rows, contentDigest(p.rows))
	return &apiv1.Command{
		CommandId: id.String(), Stream: stream, Donor: noDonor, Beneficiary: Beneficiary, Effective: effective, Actor: actor, Observed: true,
		Sources: []*eventv1.Source{{Publisher: Publisher, Release: p.Release, Url: trackerURL, Locator: fmt.Sprintf("rows 2-%d", p.lastRow())}},
		Body: &apiv1.Command_CompleteImport{CompleteImport: &apiv1.CompleteImport{
			Dataset: Dataset, Release: p.Release, Rows: uint64(p.Rows), Pledges: uint64(p.Pledges()), Allocations: uint64(p.Allocations()),
			Columns: p.columns, FlagCounts: counts,
		}},
	}
}
