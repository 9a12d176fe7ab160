// Package registers keeps the posting register of every pledge as rows of a hidden table.
package registers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/projections/engine"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// Registers holds one register for each stream. All are in memory, those that no event has touched since the start still encoded: some
// hundred bytes for a pledge.
type Registers struct {
	byStream map[string]*entry
	changed  []*entry
	pledges  []string // those of the fact that is folded
}

type entry struct {
	stream   string
	encoded  []byte // until the register is needed
	register *posting.Register
	changed  bool
}

// New returns no registers.
func New() *Registers { return &Registers{byStream: map[string]*entry{}} }

// Table declares the rows under a name. The encoded register begins with its schema version.
func Table(name string) engine.Table {
	return engine.Table{Name: name, Key: 1, Hidden: true, Columns: []engine.Column{
		{Name: "stream", Kind: engine.Text}, {Name: "register", Kind: engine.Bytes},
	}}
}

// Restore takes back one row.
func (r *Registers) Restore(row engine.Row) error {
	stream := row[0].Text()
	r.byStream[stream] = &entry{stream: stream, encoded: row[1].Bytes()}
	return nil
}

// Fold posts a fact into the books of each pledge that it moves, and hands over what each posts before the next. After an error the registers
// are of no more use.
func (r *Registers) Fold(f *es.Fact, j *posting.Journal, posted func(pledge string) error) error {
	r.pledges = posting.Pledges(r.pledges[:0], f)
	for _, pledge := range r.pledges {
		register, err := r.change(pledge)
		if err != nil {
			return err
		}
		if err := register.Fold(pledge, f, j); err != nil {
			return err
		}
		if err := posted(pledge); err != nil {
			return err
		}
	}
	return nil
}

// Standing is what reached a stage of a pledge's line in an asset and has not left it.
func (r *Registers) Standing(pledge string, line [16]byte, s eventv1.Stage, asset string) (money.Amount, error) {
	register, err := r.read(pledge)
	if err != nil {
		return money.Amount{}, err
	}
	return register.Standing(line, s, asset)
}

// Reached is what a draw on a pledge brought to a stage in an asset, and was not taken back.
func (r *Registers) Reached(pledge string, draw [16]byte, s eventv1.Stage, asset string) (money.Amount, error) {
	register, err := r.read(pledge)
	if err != nil {
		return money.Amount{}, err
	}
	return register.Reached(draw, s, asset), nil
}

// Category is where an asset of a pledge's line is posted, now.
func (r *Registers) Category(pledge string, line [16]byte, asset string) (string, error) {
	register, err := r.read(pledge)
	if err != nil {
		return "", err
	}
	return register.Category(line, asset), nil
}

// Controls tells whether a pledge's line is counted in an asset, now.
func (r *Registers) Controls(pledge string, line [16]byte, asset string) (bool, error) {
	register, err := r.read(pledge)
	if err != nil {
		return false, err
	}
	return register.Controls(line, asset), nil
}

// change returns a pledge's register, which is about to change.
func (r *Registers) change(pledge string) (*posting.Register, error) {
	register, err := r.read(pledge)
	if e := r.byStream[pledge]; err == nil && !e.changed {
		e.changed = true
		r.changed = append(r.changed, e)
	}
	return register, err
}

// read returns a pledge's register, an empty one where no event has touched it.
func (r *Registers) read(pledge string) (*posting.Register, error) {
	e := r.byStream[pledge]
	if e == nil {
		e = &entry{stream: pledge, register: posting.NewRegister()}
		r.byStream[pledge] = e
	}
	if e.register == nil {
		e.register = posting.NewRegister()
		if err := e.register.UnmarshalBinary(e.encoded); err != nil {
			return nil, fmt.Errorf("restore the register of %s: %w (the kept view is damaged: reset it, and it is rebuilt)", pledge, err)
		}
		e.encoded = nil
	}
	return e.register, nil
}

// Flush yields the rows that changed, in key order.
func (r *Registers) Flush(yield func(engine.Row) error) error {
	slices.SortFunc(r.changed, func(a, b *entry) int { return strings.Compare(a.stream, b.stream) })
	row := make(engine.Row, 2)
	for _, e := range r.changed {
		b, err := e.register.MarshalBinary()
		if err != nil {
			return fmt.Errorf("encode the register of %s: %w", e.stream, err)
		}
		row[0], row[1] = engine.TextOf(e.stream), engine.BytesOf(b)
		if err := yield(row); err != nil {
			return err
		}
		e.changed = false
	}
	r.changed = r.changed[:0]
	return nil
}
