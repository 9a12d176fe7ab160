// Package tables writes the elements of an answer as rows of a file: CSV, XLSX or Parquet.
//
// Columns follow from the answer's schema, the same for each format:
//   - A field is a column. Those of a message within are columns of their own, under its name and theirs: booked_as_amount.
//   - A list of texts, or of messages without figures, is joined in one cell for each of its fields, in order.
//   - A list of figures makes rows: an element with five rungs has five. Its texts stand on each of them, its counts and amounts on the first
//     alone, so that a column can be summed. Where there are several such lists, the column `part` says of which one a row is.
//   - Where an answer has several lists of elements, the column `list` says of which one a row is.
//
// Amounts are decimal text with the places of their asset, as everywhere.
package tables

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Kind is what a column holds.
type Kind int

const (
	Text   Kind = iota
	Amount      // decimal text, beside its asset
	Place       // a whole number that names a place in the log or a stream
	Count       // a whole number that can be summed
	Truth
)

// Column is a column of a file.
type Column struct {
	Name string
	Kind Kind
}

// Joint stands between what is joined in a cell.
const Joint = "; "

// amounts are the names of the fields that hold decimal text. They are the schema's, and a test holds them to real answers.
var amounts = []protoreflect.Name{
	"amount", "booked", "booked_standing", "charges", "drawn", "instructed", "instructed_standing", "interest", "open_amount", "over", "principal",
	"reached", "returned", "returned_open", "standing",
}

// IsAmount tells whether a field holds an amount, as decimal text.
func IsAmount(f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.StringKind && !f.IsList() && slices.Contains(amounts, f.Name())
}

// Table turns answers of one kind into rows.
type Table struct {
	Columns []Column
	lists   []protoreflect.FieldDescriptor
	element []source // of every row
	parts   []part
	listAt  int // -1 without
	partAt  int // -1 without
}

// source is where a column's cell comes from: a field of the element, or of a message within it.
type source struct {
	path []protoreflect.FieldDescriptor
	at   int
}

// part is a list of figures within an element.
type part struct {
	list    protoreflect.FieldDescriptor
	sources []source
}

// New returns the table of an answer's lists, which have one type of element.
func New(answer protoreflect.MessageDescriptor, lists ...protoreflect.Name) (*Table, error) {
	t := &Table{listAt: -1, partAt: -1}
	for _, name := range lists {
		f := answer.Fields().ByName(name)
		if f == nil || !f.IsList() || f.Message() == nil || len(t.lists) > 0 && f.Message() != t.lists[0].Message() {
			return nil, fmt.Errorf("table of %s: %s is no list of the others' messages", answer.FullName(), name)
		}
		t.lists = append(t.lists, f)
	}
	if len(t.lists) == 0 {
		return nil, fmt.Errorf("table of %s: no list is named", answer.FullName())
	}
	if len(t.lists) > 1 {
		t.listAt = t.add("list", Text)
	}
	parts, err := t.addFields(t.lists[0].Message(), nil)
	if err != nil {
		return nil, err
	}
	if len(parts) > 1 {
		t.partAt = t.add("part", Text)
	}
	own := len(t.Columns)
	for _, list := range parts {
		p := part{list: list}
		fields := list.Message().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			kind, err := kindOf(f)
			if err != nil {
				return nil, err
			}
			at := slices.Index(t.Columns, Column{string(f.Name()), kind})
			if at < own {
				at = t.add(string(f.Name()), kind)
			}
			p.sources = append(p.sources, source{[]protoreflect.FieldDescriptor{f}, at})
		}
		t.parts = append(t.parts, p)
	}
	names := map[string]bool{}
	for _, c := range t.Columns {
		if names[c.Name] {
			return nil, fmt.Errorf("table of %s: two columns are called %s: name one of the fields otherwise", answer.FullName(), c.Name)
		}
		names[c.Name] = true
	}
	return t, nil
}

func (t *Table) add(name string, kind Kind) int {
	t.Columns = append(t.Columns, Column{name, kind})
	return len(t.Columns) - 1
}

// addFields adds the columns of an element's message, or of one within it, and returns the lists of figures.
func (t *Table) addFields(m protoreflect.MessageDescriptor, within []protoreflect.FieldDescriptor) (parts []protoreflect.FieldDescriptor, err error) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		path := append(slices.Clone(within), f)
		switch {
		case f.Message() != nil && f.IsList() && hasFigures(f.Message()):
			if len(within) > 0 {
				return nil, fmt.Errorf("table: figures stand too deep in %s", f.FullName())
			}
			parts = append(parts, f)
		case f.Message() != nil:
			if _, err := t.addFields(f.Message(), path); err != nil {
				return nil, err
			}
		default:
			kind, err := kindOf(f)
			if err != nil {
				return nil, err
			}
			names := make([]string, len(path))
			for i, f := range path {
				if f.IsList() {
					kind = Text
				}
				names[i] = string(f.Name())
			}
			t.element = append(t.element, source{path, t.add(strings.Join(names, "_"), kind)})
		}
	}
	return parts, nil
}

// hasFigures tells whether a message counts something.
func hasFigures(m protoreflect.MessageDescriptor) bool {
	for i := range m.Fields().Len() {
		if kind, err := kindOf(m.Fields().Get(i)); err == nil && (kind == Amount || kind == Count) {
			return true
		}
	}
	return false
}

func kindOf(f protoreflect.FieldDescriptor) (Kind, error) {
	switch f.Kind() {
	case protoreflect.StringKind:
		if IsAmount(f) {
			return Amount, nil
		}
		return Text, nil
	case protoreflect.Uint64Kind, protoreflect.Uint32Kind:
		return Place, nil
	case protoreflect.Int64Kind, protoreflect.Int32Kind:
		return Count, nil
	case protoreflect.BoolKind:
		return Truth, nil
	}
	return 0, fmt.Errorf("table: %s is of kind %s, which no column holds", f.FullName(), f.Kind())
}

// Row has a cell for each column: text, a whole number or truth; one that is not valid is not there.
type Row []protoreflect.Value

// Rows yields the rows of an answer, in its order. A row is used again for the next.
func (t *Table) Rows(answer proto.Message) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		row := make(Row, len(t.Columns))
		for _, list := range t.lists {
			elements := answer.ProtoReflect().Get(list).List()
			for i := range elements.Len() {
				clear(row)
				if t.listAt >= 0 {
					row[t.listAt] = protoreflect.ValueOfString(string(list.Name()))
				}
				if !t.rowsOf(elements.Get(i).Message(), row, yield) {
					return
				}
			}
		}
	}
}

// rowsOf yields the rows of one element.
func (t *Table) rowsOf(element protoreflect.Message, row Row, yield func(Row) bool) bool {
	for _, s := range t.element {
		row[s.at] = cell(element, s.path)
	}
	first := true
	for _, p := range t.parts {
		figures := element.Get(p.list).List()
		for i := range figures.Len() {
			if !first {
				t.clearSums(row)
			}
			first = false
			if t.partAt >= 0 {
				row[t.partAt] = protoreflect.ValueOfString(string(p.list.Name()))
			}
			for _, s := range p.sources {
				row[s.at] = cell(figures.Get(i).Message(), s.path)
			}
			if !yield(row) {
				return false
			}
		}
	}
	return !first || yield(row)
}

// clearSums takes from a row what only the first row of an element has, and the figures of the row before.
func (t *Table) clearSums(row Row) {
	for _, s := range t.element {
		if kind := t.Columns[s.at].Kind; kind == Amount || kind == Count {
			row[s.at] = protoreflect.Value{}
		}
	}
	for _, p := range t.parts {
		for _, s := range p.sources {
			row[s.at] = protoreflect.Value{}
		}
	}
}

// cell is what a message has at the end of a path.
func cell(m protoreflect.Message, path []protoreflect.FieldDescriptor) protoreflect.Value {
	f := path[0]
	switch {
	case f.IsList():
		return protoreflect.ValueOfString(joined(m.Get(f).List(), path[1:]))
	case len(path) > 1 && m.Has(f):
		return cell(m.Get(f).Message(), path[1:])
	case len(path) > 1, f.HasPresence() && !m.Has(f):
		return protoreflect.Value{}
	}
	return m.Get(f)
}

// text is a cell as text; empty where it is not there.
func text(v protoreflect.Value) string {
	if !v.IsValid() {
		return ""
	}
	return v.String()
}

func joined(list protoreflect.List, path []protoreflect.FieldDescriptor) string {
	texts := make([]string, list.Len())
	for i := range texts {
		v := list.Get(i)
		if len(path) > 0 {
			v = cell(v.Message(), path)
		}
		if v.IsValid() {
			texts[i] = v.String()
		}
	}
	return strings.Join(texts, Joint)
}
