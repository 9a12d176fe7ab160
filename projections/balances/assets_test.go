package balances_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine/enginetest"
)

func TestAssetsAreThoseOfMostDonorsFirst(t *testing.T) {
	views := replayed(t, ledger(t))
	for _, c := range []struct {
		req  balances.AssetsRequest
		want []string
	}{
		{balances.AssetsRequest{}, []string{eur + " tracker 3 of 3", "USD/2@tracker tracker 1 of 1"}},
		{balances.AssetsRequest{Donor: "JPN"}, []string{eur + " tracker 3 of 3"}},
		{balances.AssetsRequest{Donor: "FRA"}, nil},
		{balances.AssetsRequest{Donor: "USA", Quantities: true}, []string{eur + " tracker 3 of 3", "each/6:shell quantity 0 of 1"}},
	} {
		var got []string
		report, err := enginetest.Ask(t, views, balances.Assets, c.req)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range report.Assets {
			got = append(got, fmt.Sprintf("%s %s %d of %d", a.Asset, a.Basis, a.Committed, a.Donors))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.req, got, c.want)
		}
	}
}
