package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
)

// Hash is the state hash of views: SHA-256 over, for each spec in the given order and each table that is neither hidden nor of the log in the
// order of the spec, the table's name as a text value and its rows in key order, each value as its length in four bytes and its canonical
// text. It knows no position, no log id and no time of recording, so every true copy of a log gives the same.
func Hash(ctx context.Context, s Snapshot, specs ...Spec) (string, error) {
	h := sha256.New()
	var buf []byte
	for _, spec := range specs {
		for _, t := range spec.Tables {
			if t.Hidden || t.Log {
				continue
			}
			h.Write(TextOf(t.Name).append(buf[:0]))
			for row, err := range s.Scan(ctx, t, Range{}) {
				if err != nil {
					return "", fmt.Errorf("hash table %s: %w", t.Name, err)
				}
				buf = AppendRow(buf[:0], row)
				h.Write(buf)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Difference is the first place where two views differ. A row that one side lacks has no column, and "no row" there.
type Difference struct {
	Table  string `json:"table"`
	Key    string `json:"key"`
	Column string `json:"column,omitempty"`
	A      string `json:"a"`
	B      string `json:"b"`
}

func (d *Difference) String() string {
	if d.Column == "" {
		return fmt.Sprintf("table %s, key %s: %s against %s", d.Table, d.Key, d.A, d.B)
	}
	return fmt.Sprintf("table %s, key %s, column %s: %s against %s", d.Table, d.Key, d.Column, d.A, d.B)
}

// Compare returns the first difference between two snapshots of a view, hidden tables included, or nil where they are equal to the byte.
// Checkpoints are not compared.
func Compare(ctx context.Context, a, b Snapshot, spec Spec) (*Difference, error) {
	for _, t := range spec.Tables {
		d, err := compareTable(ctx, a, b, t)
		if d != nil || err != nil {
			return d, err
		}
	}
	return nil, nil
}

func compareTable(ctx context.Context, a, b Snapshot, t Table) (*Difference, error) {
	nextA, stopA := iter.Pull2(a.Scan(ctx, t, Range{}))
	defer stopA()
	nextB, stopB := iter.Pull2(b.Scan(ctx, t, Range{}))
	defer stopB()
	for {
		rowA, errA, okA := nextA()
		rowB, errB, okB := nextB()
		if errA != nil || errB != nil {
			return nil, fmt.Errorf("compare table %s: %w", t.Name, cmp.Or(errA, errB))
		}
		switch {
		case !okA && !okB:
			return nil, nil
		case !okB, okA && t.Compare(rowA, rowB) < 0:
			return &Difference{Table: t.Name, Key: keyText(t, rowA), A: "a row", B: "no row"}, nil
		case !okA, t.Compare(rowA, rowB) > 0:
			return &Difference{Table: t.Name, Key: keyText(t, rowB), A: "no row", B: "a row"}, nil
		}
		if d := compareRow(t, rowA, rowB); d != nil {
			return d, nil
		}
	}
}

func compareRow(t Table, a, b Row) *Difference {
	for i, c := range t.Columns {
		va, vb := a[i].append(nil), b[i].append(nil)
		if bytes.Equal(va, vb) {
			continue
		}
		d := &Difference{Table: t.Name, Key: keyText(t, a), Column: c.Name, A: a[i].String(), B: b[i].String()}
		if c.Kind == Bytes {
			d.A, d.B = digest(va), digest(vb)
		}
		return d
	}
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d bytes sha256:%x", len(b)-4, sum[:8])
}

func keyText(t Table, row Row) string {
	parts := make([]string, t.Key)
	for i := range parts {
		parts[i] = t.Columns[i].Name + "=" + row[i].String()
	}
	return strings.Join(parts, " ")
}
