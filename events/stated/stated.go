// Package stated judges the amounts that commands state, by the same rules for every aggregate. Its errors are *es.Refusal.
package stated

import (
	"fmt"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Is tells whether an amount is there, and one that a fact may state: from zero to the bound of one entry.
func Is(a *eventv1.Amount) bool {
	n, err := money.FromProto(a)
	return err == nil && a != nil && n.Sign() >= 0 && n.IsEntry()
}

// Beside judges amounts in assets other than those that control a line.
func Beside(field string, amounts []*eventv1.AssetAmount, controls ...string) error {
	seen := map[string]bool{}
	for _, c := range controls {
		seen[c] = true
	}
	for i, a := range amounts {
		at := fmt.Sprintf("%s[%d]", field, i)
		if _, err := asset.Parse(a.Asset); err != nil {
			return &es.Refusal{Code: "bad_asset", Field: at + ".asset", Reason: err.Error(), Remedy: "write it as EUR/2@donor_stated or each/6:item"}
		}
		if seen[a.Asset] {
			return &es.Refusal{
				Code: "value_twice", Field: at + ".asset", Reason: a.Asset + " stands twice, or is what the line is counted in", Remedy: "state other assets, each once",
			}
		}
		seen[a.Asset] = true
		if err := Scale(at+".asset", a.Asset); err != nil {
			return err
		}
		if !Is(a.Amount) {
			return &es.Refusal{Code: "bad_amount", Field: at + ".amount", Reason: "an amount is from zero to 10^28 of its smallest unit", Remedy: "check it"}
		}
	}
	return nil
}

// Scale: a currency on a basis is one asset, in the decimal places that ISO 4217 gives it, lest two spellings of it never add. What is no
// asset, or no money, passes.
func Scale(field, name string) error {
	a, err := asset.Parse(name)
	if err != nil || a.IsQuantity() {
		return nil
	}
	if usual, err := asset.Currency(a.Code, a.Basis); err == nil && usual.Scale != a.Scale {
		return &es.Refusal{
			Code: "other_scale", Field: field, Reason: fmt.Sprintf("%s is counted in %d decimal places, not %d", a.Code, usual.Scale, a.Scale),
			Remedy: "write it as " + usual.String(),
		}
	}
	return nil
}

// Revaluation judges the signed difference by which a value changes, in one currency on one basis.
func Revaluation(field, name string, delta money.Amount) error {
	a, err := asset.Parse(name)
	if err != nil || a.IsQuantity() {
		return &es.Refusal{
			Code: "bad_asset", Field: field + ".asset", Reason: fmt.Sprintf("%q is not a currency on a basis: a revaluation changes value, not units", name),
			Remedy: "write it as EUR/2@net_book",
		}
	}
	if delta.IsZero() || !delta.IsEntry() {
		return &es.Refusal{
			Code: "bad_amount", Field: field + ".delta", Reason: "the difference is zero, or beyond 10^28 of the smallest unit", Remedy: "give the signed difference",
		}
	}
	return Scale(field+".asset", name)
}
