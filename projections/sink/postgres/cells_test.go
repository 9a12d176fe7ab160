package postgres

import (
	"encoding/binary"
	"testing"

	"github.com/allied-ledger/allied/events/money"
)

// FuzzAmountOf reads what no server sends: it never panics, and what it takes for an amount is one that is read again.
func FuzzAmountOf(f *testing.F) {
	for _, a := range []money.Amount{{}, money.New(-1), money.New(10_000), money.New(123_456_789), money.MaxAmount, money.MaxAmount.Neg()} {
		f.Add(appendNumeric(nil, a))
	}
	f.Add([]byte{0, 1, 0, 9, 0x40, 0, 0, 0, 0, 1}) // -10^36, as a server leaves out groups of zeros
	f.Add([]byte{0, 0, 0, 0, 0xc0, 0, 0, 0})       // NaN
	f.Fuzz(func(t *testing.T, cell []byte) {
		a, ok := amountOf(cell)
		if !ok {
			return
		}
		for i := 8; i < len(cell); i += 2 {
			if group := binary.BigEndian.Uint16(cell[i:]); group > 9999 {
				t.Fatalf("a group of four digits is %d", group)
			}
		}
		if again, ok := amountOf(appendNumeric(nil, a)); !ok || again != a {
			t.Fatalf("%s is read as %s", a.Text(0), again.Text(0))
		}
	})
}
