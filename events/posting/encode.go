package posting

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/money"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// schema is the version of an encoded register.
const schema = 3

// errTruncated and errSchema tell a reader to rebuild its view from the log.
var (
	errTruncated = errors.New("encoded register ends early")
	errSchema    = errors.New("encoded register has another schema")
)

// MarshalBinary writes the register with its schema version. Equal registers give equal bytes.
func (r *Register) MarshalBinary() ([]byte, error) {
	b := binary.AppendUvarint(nil, schema)
	b = binary.AppendUvarint(b, uint64(len(r.lines)))
	for _, l := range r.lines {
		b = appendLine(append(b, l.id[:]...), l)
	}
	b = binary.AppendUvarint(b, uint64(len(r.drawOrder)))
	for _, d := range r.drawOrder {
		b = append(append(b, d.id[:]...), d.from.id[:]...)
		b = appendLine(b, d.part)
		lends := byte(0)
		if d.lends {
			lends = 1
		}
		b = append(b, lends)
		b = binary.AppendUvarint(b, uint64(len(d.taken)))
		for _, x := range d.taken {
			b = appendAmount(appendString(b, x.asset), x.amount)
		}
		b = binary.AppendUvarint(b, uint64(len(d.facts)))
		for _, f := range d.facts {
			b = append(b, f.event[:]...)
			b = binary.AppendUvarint(b, uint64(f.to))
			b = binary.AppendUvarint(b, uint64(len(f.legs)))
			for _, x := range f.legs {
				b = appendAmount(appendString(append(b, byte(x.account)), x.asset), x.amount)
			}
		}
	}
	return b, nil
}

// appendLine writes all of a line but its id.
func appendLine(b []byte, l *line) []byte {
	b = appendString(b, l.category)
	b = binary.AppendUvarint(b, uint64(l.instrument))
	b = appendString(b, l.control)
	b = binary.AppendUvarint(b, uint64(len(l.items)))
	for _, it := range l.items {
		b = appendString(appendString(b, it.asset), it.category)
	}
	b = binary.AppendUvarint(b, uint64(len(l.balances)))
	for _, x := range l.balances {
		b = append(b, byte(x.account))
		b = appendString(appendString(b, x.asset), x.category)
		b = appendAmount(b, x.amount)
	}
	b = binary.AppendUvarint(b, uint64(len(l.unknowns)))
	for _, u := range l.unknowns {
		b = appendString(binary.AppendUvarint(b, uint64(u.stage)), u.basis)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendAmount(b []byte, a money.Amount) []byte {
	p := a.Proto()
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(p.Hi)), p.Lo)
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (r *Register) UnmarshalBinary(data []byte) error {
	*r = *NewRegister()
	d := decoder{b: data}
	if v := d.uvarint(); d.err == nil && v != schema {
		return fmt.Errorf("%w: %d, and this program knows %d", errSchema, v, schema)
	}
	for range d.count() {
		l := d.line(d.id())
		r.lines = append(r.lines, l)
		r.byID[l.id] = l
	}
	for range d.count() {
		x := &draw{id: d.id(), from: r.byID[d.id()]}
		if x.from == nil {
			return cmp.Or(d.err, errors.New("encoded register: a draw on a line that is not there"))
		}
		x.part = d.line(x.from.id)
		x.lends = d.byte() == 1
		for range d.count() {
			x.taken = append(x.taken, stated{d.string(), d.amount()})
		}
		for range d.count() {
			f := posted{event: d.id(), to: eventv1.Stage(d.uvarint())}
			for range d.count() {
				f.legs = append(f.legs, leg{Account(d.byte()), d.string(), d.amount()})
			}
			x.facts = append(x.facts, f)
		}
		r.addDraw(x)
	}
	if d.err == nil && len(d.b) > 0 {
		return fmt.Errorf("encoded register has %d bytes too many", len(d.b))
	}
	return d.err
}

// decoder reads fields until the first error, after which it reads zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n uint64) []byte {
	if d.err != nil || uint64(len(d.b)) < n {
		d.err = errTruncated
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.err != nil || n <= 0 {
		d.err = errTruncated
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count is a number of things that follow, each of at least one byte.
func (d *decoder) count() uint64 {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.err = errTruncated
		return 0
	}
	return n
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) id() [16]byte { return key(d.take(16)) }

func (d *decoder) amount() money.Amount {
	b := d.take(16)
	if b == nil {
		return money.Amount{}
	}
	a, err := money.FromProto(&eventv1.Amount{Hi: int64(binary.BigEndian.Uint64(b)), Lo: binary.BigEndian.Uint64(b[8:])})
	if err != nil {
		d.err = err
	}
	return a
}

func (d *decoder) line(id [16]byte) *line {
	l := &line{id: id, category: d.string(), instrument: eventv1.Instrument(d.uvarint()), control: d.string()}
	for range d.count() {
		l.items = append(l.items, itemCategory{d.string(), d.string()})
	}
	for range d.count() {
		l.balances = append(l.balances, balance{Account(d.byte()), d.string(), d.string(), d.amount()})
	}
	for range d.count() {
		l.unknowns = append(l.unknowns, unknown{eventv1.Stage(d.uvarint()), d.string()})
	}
	return l
}
