package balances

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/subject"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/tally"
	"github.com/google/uuid"
)

// LiveKey is where a row stands among the live views: donor.beneficiary.instrument.stage.asset.category, of which the category's dots are
// levels. No two rows have the same key. A row that only counts unknowns has @ and its basis in place of the asset.
func LiveKey(row engine.Row) string {
	k := tally.Read(row).Key
	held := k.Asset
	if held == "" {
		held = "@" + k.Basis // no asset begins so
	}
	var b strings.Builder
	for _, word := range [...]string{k.Donor, k.Beneficiary, k.Instrument, k.Stage, held} {
		subject.AppendToken(&b, word)
		b.WriteByte('.')
	}
	for i, level := range strings.Split(k.Category, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		subject.AppendToken(&b, level)
	}
	return b.String()
}

// Live is a row among the live views.
type Live struct {
	LogID uuid.UUID `json:"log_id"`
	// Position and Ordinal of the last event that the balances held when the row was written here; it is as true at every later one until it
	// is written again.
	Position    es.Position `json:"position"`
	Ordinal     uint64      `json:"ordinal"`
	Donor       string      `json:"donor"`
	Beneficiary string      `json:"beneficiary"`
	Category    string      `json:"category"`
	Instrument  string      `json:"instrument"`
	Stage       string      `json:"stage"`
	// Basis is empty for quantities.
	Basis string `json:"basis"`
	// Asset, Reached and Standing are null in a row that only counts unknowns. Amounts are decimal text with the places of the asset.
	Asset    *string `json:"asset"`
	Reached  *string `json:"reached"`
	Standing *string `json:"standing"`
	Unknown  int64   `json:"unknown"`
}

// LiveValue is a row as it is written among the live views: the JSON of a Live. The same row at the same checkpoint gives the same bytes.
func LiveValue(row engine.Row, at engine.Checkpoint) ([]byte, error) {
	b := tally.Read(row)
	live := Live{
		LogID: at.LogID, Position: at.Position, Ordinal: at.Ordinal, Donor: b.Donor, Beneficiary: b.Beneficiary, Category: b.Category,
		Instrument: b.Instrument, Stage: b.Stage, Basis: b.Basis, Unknown: b.Unknown,
	}
	if b.Asset != "" {
		a, err := asset.Parse(b.Asset)
		if err != nil {
			return nil, err
		}
		reached, standing := b.Reached.Text(a.Scale), b.Standing.Text(a.Scale)
		live.Asset, live.Reached, live.Standing = &b.Asset, &reached, &standing
	}
	value, err := json.Marshal(live)
	if err != nil {
		return nil, fmt.Errorf("encode balance: %w", err)
	}
	return value, nil
}
