package balances

import (
	"cmp"
	"context"
	"slices"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/listing"
	"github.com/allied-ledger/allied/projections/internal/tally"
	"github.com/allied-ledger/allied/projections/internal/words"
)

// AssetsRequest asks what figures are counted in.
type AssetsRequest struct {
	// Donor asks for the assets in which a donor has figures, in the same order and with the same counts; empty for those of all.
	Donor string `json:"donor,omitempty"`
	// Quantities asks for units of items too; currencies alone otherwise.
	Quantities bool `json:"quantities,omitempty"`
	// AtLeast is a position that the answer must hold.
	AtLeast es.Position `json:"at_least,omitempty"`
}

// AssetsReport answers an AssetsRequest.
type AssetsReport struct {
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Assets are in the order of Committed, then of Donors, the most first, then of their names.
	Assets []AssetUse `json:"assets"`
}

// AssetUse is an asset with how many donors have figures in it.
type AssetUse struct {
	Asset string `json:"asset"`
	// Basis is that of the asset, or Quantity.
	Basis string `json:"basis"`
	// Committed counts the donors with commitments in it, Donors those with anything announced, committed or allocated.
	Committed int `json:"committed"`
	Donors    int `json:"donors"`
}

// promises are the stages by which an asset is known to be in use; what reaches a later one was promised before, or is claimed.
var promises = []string{"announced", "committed", "allocated"}

// Assets answers a request from one moment of the view.
func Assets(ctx context.Context, s engine.Snapshot, req AssetsRequest) (*AssetsReport, error) {
	if err := words.CheckFilters(req.Donor, "", ""); err != nil {
		return nil, err
	}
	at, err := listing.Checkpoint(ctx, s, Spec, req.AtLeast)
	if err != nil {
		return nil, err
	}
	type use struct {
		AssetUse
		committed, any string // the last donor counted: rows come donor by donor
		asked          bool
	}
	uses := map[string]*use{}
	for row, err := range s.Scan(ctx, Spec.Tables[0], engine.Range{}) {
		if err != nil {
			return nil, err
		}
		b := tally.Read(row)
		if b.Asset == "" || b.Basis == "" && !req.Quantities || b.Reached.IsZero() || !slices.Contains(promises, b.Stage) {
			continue
		}
		u := uses[b.Asset]
		if u == nil {
			u = &use{AssetUse: AssetUse{Asset: b.Asset, Basis: cmp.Or(b.Basis, Quantity)}}
			uses[b.Asset] = u
		}
		u.asked = u.asked || req.Donor == "" || b.Donor == req.Donor
		if u.any != b.Donor {
			u.any = b.Donor
			u.Donors++
		}
		if b.Stage == "committed" && u.committed != b.Donor {
			u.committed = b.Donor
			u.Committed++
		}
	}
	out := &AssetsReport{Position: at.Position, Ordinal: at.Ordinal, Assets: []AssetUse{}}
	for _, u := range uses {
		if u.asked {
			out.Assets = append(out.Assets, u.AssetUse)
		}
	}
	slices.SortFunc(out.Assets, func(a, b AssetUse) int {
		return cmp.Or(cmp.Compare(b.Committed, a.Committed), cmp.Compare(b.Donors, a.Donors), cmp.Compare(a.Asset, b.Asset))
	})
	return out, nil
}
