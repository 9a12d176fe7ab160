package reference

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/asset"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/posting"
	"github.com/allied-ledger/allied/events/term"
	"github.com/allied-ledger/allied/events/wire"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// legend says what the types of stored fields look like.
const legend = `Types are named as ` + "`allied events --decode`" + ` prints them: an id is a UUID (a digest is hexadecimal), an amount is decimal text in the decimal places
of the asset beside it, a date is written as in [commands](commands.md), a word is one of a closed list.
`

func (s *schema) eventsPage(t *testing.T, l *example) string {
	t.Helper()
	envelope := s.message("allied.event.v1.Envelope")
	s.place(eventsFile, envelope, "envelope")
	var stored []protoreflect.MessageDescriptor
	readAs := map[protoreflect.FullName]protoreflect.FullName{}
	for _, m := range s.messages(eventPackage) {
		if as, ok := decodedAs(t, l.facts[0].Fact, m.FullName()); ok {
			stored, readAs[m.FullName()] = append(stored, m), as
			s.place(eventsFile, m, heading(m))
		}
	}
	inner := slices.DeleteFunc(parts(append([]protoreflect.MessageDescriptor{envelope}, stored...)...), func(m protoreflect.MessageDescriptor) bool {
		return m.Name() == "Amount" || m.Name() == "Effective"
	})
	enums := enumsOf(append(slices.Concat(stored, inner), envelope))
	for _, m := range inner {
		s.place(eventsFile, m, string(m.Name()))
	}
	for _, e := range enums {
		s.place(eventsFile, e, string(e.Name()))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Events

What is stored, for ever. Every event carries an [envelope](#envelope); when it was recorded stands in its record.
%s
Below each event stands what it posts in [the example ledger](example.jsonl): debits and credits, which sum to zero in every asset. A case that posts to
the same accounts as an earlier one is left out. `+"`over:`"+` is what went beyond a cap, `+"`origin`"+` where promises come from, `+"`unmeasured`"+` an asset that appears or
disappears on the way, `+"`difference`"+` the gap between a stated and a relieved value.

`, legend)
	slices.SortStableFunc(stored, func(a, b protoreflect.MessageDescriptor) int {
		return slices.Index(kinds, kindOf(a)) - slices.Index(kinds, kindOf(b))
	})
	kind := ""
	for _, m := range stored {
		if k := kindOf(m); k != kind {
			kind = k
			fmt.Fprintf(&b, "## Events of %ss\n\n", kind)
		}
		says := fmt.Sprintf("`%s`, %s. %s", m.FullName(), s.version(m, readAs[m.FullName()]), comment(m))
		fmt.Fprintf(&b, "### %s\n\n%s\n\n%s", heading(m), strings.TrimSpace(says), s.table(eventsFile, m))
		if readAs[m.FullName()] == m.FullName() {
			b.WriteString(l.books(m.FullName()))
		}
	}
	b.WriteString("## What events are made of\n\n")
	for _, m := range append([]protoreflect.MessageDescriptor{envelope}, inner...) {
		b.WriteString(s.section(eventsFile, m))
	}
	b.WriteString("## Closed lists\n\n")
	for _, e := range enums {
		fmt.Fprintf(&b, "### %s\n\n%s", e.Name(), strings.TrimLeft(comment(e)+" Words: ", " ")+words(e))
	}
	return b.String()
}

// heading is a stored event's name, with its version from the second on.
func heading(m protoreflect.MessageDescriptor) string {
	if version := string(m.ParentFile().Package().Name()); version != "v1" {
		return string(m.Name()) + "-" + version
	}
	return string(m.Name())
}

// kinds are the aggregates in the order of the page; one that is not here comes first.
var kinds = []string{"pledge", "shipment", "payment", "import"}

// kindOf is the aggregate whose file a message stands in.
func kindOf(m protoreflect.MessageDescriptor) string {
	path := m.ParentFile().Path()
	return strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".proto")
}

func (s *schema) version(m protoreflect.MessageDescriptor, as protoreflect.FullName) string {
	if as == m.FullName() {
		return "written today"
	}
	to := s.message(as)
	return fmt.Sprintf("no longer written, and read as [%s](#%s)", as, strings.ToLower(heading(to)))
}

// decodedAs is what a stored event is read as; false for a message that is no event.
func decodedAs(t *testing.T, like *es.Fact, stored protoreflect.FullName) (protoreflect.FullName, bool) {
	t.Helper()
	header, err := proto.Marshal(like.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	record, err := wire.EncodeRecord(&logv1.Record{
		EventId: like.ID[:], Stream: like.Stream, Revision: like.Revision, Type: string(stored), RecordedAtNanos: like.RecordedAt.UnixNano(), Header: header,
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := wire.Decode(es.Entry{Position: like.Position, Stream: like.Stream, Revision: like.Revision, Record: es.Record{ID: like.ID, Bytes: record}})
	var unknown *wire.UnknownEventError
	if errors.As(err, &unknown) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Event.ProtoReflect().Descriptor().FullName(), true
}

func enumsOf(messages []protoreflect.MessageDescriptor) []protoreflect.EnumDescriptor {
	var out []protoreflect.EnumDescriptor
	for _, m := range messages {
		for i := range m.Fields().Len() {
			if e := m.Fields().Get(i).Enum(); e != nil && !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b protoreflect.EnumDescriptor) int { return strings.Compare(string(a.Name()), string(b.Name())) })
	return out
}

// books shows what the example's events of a type post, one for each set of accounts.
func (l *example) books(stored protoreflect.FullName) string {
	var b strings.Builder
	var shown []string
	found := false
	for _, f := range l.facts {
		if f.Type != string(stored) {
			continue
		}
		found = true
		rows, accounts := f.rows()
		if rows == "" || slices.Contains(shown, accounts) {
			continue
		}
		shown = append(shown, accounts)
		fmt.Fprintf(&b, "From line %d of the example:\n\n| Account | Debit | Credit | Asset | Line |\n|---|--:|--:|---|---|\n%s\n", l.lineOf(f), rows)
	}
	switch {
	case !found:
		return "The example has none.\n\n"
	case b.Len() == 0:
		return "In the example it posts nothing.\n\n"
	}
	return b.String()
}

// lineOf is the line of the example that led to a fact: its own command, or the one that drew.
func (l *example) lineOf(f posted) int {
	for _, id := range [][]byte{f.Envelope.CommandId, f.Envelope.CorrelationId} {
		for i, cmd := range l.commands {
			if parsed, err := uuid.Parse(cmd.CommandId); err == nil && string(id) == string(parsed[:]) {
				return i + 1
			}
		}
	}
	return 0
}

// rows are the legs of one event, and which accounts they touch.
func (p posted) rows() (rows, accounts string) {
	var b strings.Builder
	for _, leg := range p.legs {
		debit, credit := text(leg), ""
		if leg.Amount.Sign() < 0 {
			leg.Amount = leg.Amount.Neg()
			debit, credit = "", text(leg)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s, %s |\n", leg.Account, debit, credit, leg.Asset, leg.Category, term.Word(leg.Instrument))
		accounts += fmt.Sprint(leg.Account, debit == "", " ")
	}
	for _, u := range p.unknowns {
		fmt.Fprintf(&b, "| unknown at %s | | | %+d on %s | %s, %s |\n", term.Word(u.Stage), u.Delta, u.Basis, u.Category, term.Word(u.Instrument))
		accounts += fmt.Sprint(u.Stage, u.Delta, " ")
	}
	return b.String(), accounts
}

// text is a leg's amount, a quantity without the zeros at its end.
func text(leg posting.Posting) string {
	a, err := asset.Parse(leg.Asset)
	if err != nil {
		return leg.Amount.Text(0)
	}
	out := leg.Amount.Text(a.Scale)
	if a.Item != "" && a.Scale > 0 {
		out = strings.TrimSuffix(strings.TrimRight(out, "0"), ".")
	}
	return out
}

func TestEveryEventThatIsWrittenIsInTheExample(t *testing.T) {
	l := recordExample(t)
	for _, m := range parseSchema(t, nil).messages(eventPackage) {
		if as, ok := decodedAs(t, l.facts[0].Fact, m.FullName()); ok && as == m.FullName() && strings.Contains(l.books(m.FullName()), "has none") {
			t.Errorf("example.jsonl leads to no %s: add a command that does", m.FullName())
		}
	}
}
