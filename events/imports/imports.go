// Package imports decides when the import of one release of a dataset is complete.
package imports

import (
	"fmt"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Kind is the first token of the streams of imports: one stream for each dataset and release.
const Kind = "import"

// columnsMax bounds the control totals of one import.
const columnsMax = 500

// Decider is the import aggregate.
var Decider = es.Decider[State, Complete]{
	Kind:    Kind,
	Initial: func(stream string) State { return State{Stream: stream} },
	Decide:  decide,
	Evolve: func(s State, f *es.Fact) State {
		if e, ok := f.Event.(*eventv1.ImportCompleted); ok {
			s.Completed, s.Dataset, s.Release, s.Rows = true, e.Dataset, e.Release, e.Rows
		}
		return s
	},
}

// State is whether the import is complete, and of what.
type State struct {
	Stream           string
	Completed        bool
	Dataset, Release string
	Rows             uint64
}

// Complete closes the import with its control totals.
type Complete struct {
	Sourced bool
	Totals  *eventv1.ImportCompleted
}

func decide(s State, c Complete) ([]es.Event, error) {
	const field = "complete_import"
	t := c.Totals
	switch {
	case s.Completed:
		return nil, &es.Refusal{
			Code: "import_completed", Field: field,
			Reason: fmt.Sprintf("release %s of %s was completed with %d rows and other totals", s.Release, s.Dataset, s.Rows),
			Remedy: "a changed file is another release: import it under another name",
		}
	case t.Dataset == "" || t.Release == "":
		return nil, &es.Refusal{Code: "release_missing", Field: field + ".release", Reason: "no dataset or release is named", Remedy: "name both"}
	case s.Stream != es.StreamName(Kind, ident.ReleaseStream(t.Dataset, t.Release)):
		return nil, &es.Refusal{
			Code: "other_stream", Field: "stream", Reason: fmt.Sprintf("%s is not the stream of release %s of %s", s.Stream, t.Release, t.Dataset),
			Remedy: "leave the stream out: it follows from dataset and release",
		}
	case !c.Sourced:
		return nil, &es.Refusal{Code: "source_missing", Field: "sources", Reason: "an import cites what it imports", Remedy: "add a source with a publisher"}
	case len(t.Columns) > columnsMax:
		return nil, &es.Refusal{Code: "too_many", Field: field + ".columns", Reason: fmt.Sprintf("%d columns, and at most %d are kept", len(t.Columns), columnsMax), Remedy: "total fewer columns"}
	}
	for i, col := range t.Columns {
		if _, err := asset.Parse(col.Asset); err != nil {
			return nil, &es.Refusal{Code: "bad_asset", Field: fmt.Sprintf("%s.columns[%d].asset", field, i), Reason: err.Error(), Remedy: "write it as EUR/2@tracker or each/6:item"}
		}
		if col.RowsStated > t.Rows || col.RowsMissing > t.Rows-col.RowsStated {
			return nil, &es.Refusal{
				Code: "bad_count", Field: fmt.Sprintf("%s.columns[%d].rows_stated", field, i),
				Reason: fmt.Sprintf("%d rows state the column and %d do not, of %d rows", col.RowsStated, col.RowsMissing, t.Rows), Remedy: "check the column",
			}
		}
		if _, err := money.FromProto(col.Sum); err != nil {
			return nil, &es.Refusal{Code: "bad_amount", Field: fmt.Sprintf("%s.columns[%d].sum", field, i), Reason: err.Error(), Remedy: "check the column"}
		}
	}
	return []es.Event{t}, nil
}
