// Package engine keeps read models true to the log: it feeds a projection, commits what changed together with how far it has read, and
// proves a read model by folding the log again.
//
// A view is never trusted to be right because it was written; it is right because it equals the fold of the log up to its checkpoint.
// Therefore rows and checkpoint are committed in one transaction, a failed commit throws the memory away and starts again from what is
// committed, and nothing but its worker writes a view.
//
// Partitions. One worker folds one projection, as partition 0. A projection that outgrows one worker is divided by a hash of the stream:
// each partition folds its streams only, under a checkpoint and a key column of its own, and queries add the partitions. The checkpoint
// names its partition from the start, so that stored checkpoints need no change then.
package engine

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
)

// Projection folds facts into the rows of its tables, in memory. It is used by one goroutine, knows no clock, no I/O and no context, and
// the same facts in the same order give the same rows, however they are divided into batches.
//
// An error from Fold or Flush leaves the projection unusable: it is dropped, and a new one is restored from what is committed.
type Projection interface {
	Spec() Spec
	// Restore takes back one committed row. It is called for every row of every table but those of the log, in the order of Spec and of the
	// keys, before the first Fold. The row may be kept.
	Restore(table int, row Row) error
	// Fold applies the next fact. It never changes or keeps the fact.
	Fold(f *es.Fact) error
	// Flush hands every row that changed since the last Flush to yield, table by table in key order, and forgets that it changed. A row
	// once written is never deleted. The row handed over is not kept by yield.
	Flush(yield func(table int, row Row) error) error
}

// Spec declares a projection and its tables.
type Spec struct {
	// Name is unique among projections.
	Name string
	// Version is raised with every change of what Fold computes: a view of another version is rebuilt from zero.
	Version int
	// Tables have names that are unique among all projections: a sink may keep them in one schema.
	Tables []Table
}

// Table declares rows by column. The first Key columns are the primary key: text, int or bytes, never null; rows are ordered by them,
// text by its UTF-8 bytes whatever the sink's language is.
type Table struct {
	Name    string
	Columns []Column
	Key     int
	// Hidden tables hold what Fold needs and no reader should see, such as registers. They are restored and compared, and do not enter
	// the state hash.
	Hidden bool
	// Log tables hold what single events said, under their ordinals: rows are added, and Fold needs none of them again. They are compared,
	// but not restored; and since they tell of one log and not only of its facts, they do not enter the state hash.
	Log bool
	// About says to a person what a row is; empty where the table is hidden. What is said is not part of the fingerprint.
	About string
}

// Column declares one column. Null permits null. About says to a person what it holds, and what its null or empty text means.
type Column struct {
	Name string
	Kind Kind
	Null bool
	// Asset is the text column that says what an amount counts; the one named asset, if there is one, where empty.
	Asset string
	About string
}

// Kind is what a column holds.
type Kind uint8

// The kinds, and what a sink must be able to keep exactly.
const (
	Text   Kind = iota + 1 // UTF-8 without NUL
	Int                    // 64 bits, signed
	Amount                 // money.Amount: up to 38 decimal digits, signed
	Bytes                  // any bytes
	Bool                   // false, true
	Day                    // days since 1970-01-01, within the years 1 to 9999
)

func (k Kind) String() string {
	if k >= Text && k <= Day {
		return [...]string{"text", "int", "amount", "bytes", "bool", "day"}[k-1]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,48}$`)

// Check refuses a declaration that a sink could not keep. Names that begin with allied_ are the sinks' own.
func (s Spec) Check() error {
	if !nameForm.MatchString(s.Name) || s.Version < 1 || len(s.Tables) == 0 {
		return fmt.Errorf("projection %q version %d with %d tables: want a lower_snake_case name, a version from 1 and a table", s.Name, s.Version, len(s.Tables))
	}
	seen := map[string]bool{}
	for _, t := range s.Tables {
		if !nameForm.MatchString(t.Name) || strings.HasPrefix(t.Name, "allied_") || seen[t.Name] {
			return fmt.Errorf("projection %s: table name %q is taken or not lower_snake_case", s.Name, t.Name)
		}
		seen[t.Name] = true
		if err := t.check(); err != nil {
			return fmt.Errorf("projection %s: %w", s.Name, err)
		}
	}
	return nil
}

func (t Table) check() error {
	if t.Key < 1 || t.Key > len(t.Columns) {
		return fmt.Errorf("table %s: %d key columns of %d", t.Name, t.Key, len(t.Columns))
	}
	seen := map[string]bool{}
	for i, c := range t.Columns {
		if !nameForm.MatchString(c.Name) || seen[c.Name] {
			return fmt.Errorf("table %s: column name %q is taken or not lower_snake_case", t.Name, c.Name)
		}
		seen[c.Name] = true
		if c.Kind < Text || c.Kind > Day {
			return fmt.Errorf("table %s: column %s has %v", t.Name, c.Name, c.Kind)
		}
		if _, ok := t.AssetOf(i); c.Asset != "" && !ok {
			return fmt.Errorf("table %s: column %s is counted in column %q, which is no text, or counts nothing", t.Name, c.Name, c.Asset)
		}
		if i < t.Key && (c.Null || c.Kind != Text && c.Kind != Int && c.Kind != Bytes) {
			return fmt.Errorf("table %s: key column %s must be text, int or bytes, and not null", t.Name, c.Name)
		}
	}
	return nil
}

// AssetOf finds the column that says what the amounts of a column count; none where it holds no amounts, or nothing says so.
func (t Table) AssetOf(column int) (asset int, ok bool) {
	c := t.Columns[column]
	name := cmp.Or(c.Asset, "asset")
	asset = slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name && c.Kind == Text })
	return asset, asset >= 0 && c.Kind == Amount
}

// CheckRow refuses a row that does not fit its table. Sinks call it before they write.
func (t Table) CheckRow(row Row) error {
	if len(row) != len(t.Columns) {
		return fmt.Errorf("table %s: row of %d values for %d columns", t.Name, len(row), len(t.Columns))
	}
	for i, c := range t.Columns {
		if row[i].kind != c.Kind {
			return fmt.Errorf("table %s: column %s is %v, not %v", t.Name, c.Name, c.Kind, row[i].kind)
		}
		if row[i].null && !c.Null {
			return fmt.Errorf("table %s: column %s must not be null", t.Name, c.Name)
		}
	}
	return nil
}

// Compare orders two rows of the table by their keys.
func (t Table) Compare(a, b Row) int { return compare(a[:t.Key], b[:t.Key]) }

// compare orders two runs of key values; only as many as both have.
func compare(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Or(cmp.Compare(a[i].text, b[i].text), cmp.Compare(a[i].num, b[i].num)); c != 0 {
			return c
		}
	}
	return 0
}

// Fingerprint names everything that makes stored rows of this spec readable; sinks rebuild a view whose fingerprint differs.
func (s Spec) Fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d", s.Name, s.Version)
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "\n%s key=%d hidden=%t", t.Name, t.Key, t.Hidden)
		for _, c := range t.Columns {
			fmt.Fprintf(&b, " %s:%v:%t", c.Name, c.Kind, c.Null)
		}
	}
	return b.String()
}
