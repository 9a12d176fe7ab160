package journal

import (
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/internal/words"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	eventv2 "github.com/allied-ledger/allied/proto/gen/allied/event/v2"
	"github.com/google/uuid"
)

const (
	// amountsMax bounds the amounts that a row shows.
	amountsMax = 10
	// searchBytesMax bounds what of one fact a search looks through.
	searchBytesMax = 16 << 10
)

// said is what one fact says. It is used again for the next, so that a fold makes few texts.
type said struct {
	title, pledge string // the pledge is the first that a shipment or payment names
	categories    []string
	flags         []string
	amounts       []byte // one a line
	stated        int    // how many amounts
	unknown       int64  // how many values are undisclosed
	text          []byte // what is searched, one a line
	scale         func(asset string) (int, error)
	err           error // the first amount or asset that cannot be read
}

// read takes from a fact what it says of itself; its postings tell more.
func (s *said) read(f *es.Fact, scale func(asset string) (int, error)) error {
	*s = said{categories: s.categories[:0], flags: s.flags[:0], amounts: s.amounts[:0], text: s.text[:0], scale: scale}
	env := f.Envelope
	s.say(f.ID.String(), f.Stream, env.GetActor(), env.GetReason(), env.GetAuthority(), env.GetOverride().GetAuthority(), env.GetOverride().GetReason())
	s.cite(env.GetSources())
	s.event(f.Event)
	switch e := f.Event.(type) {
	case interface{ GetMovements() []*eventv1.Movement }:
		s.move(e.GetMovements()...)
	case interface{ GetMovement() *eventv1.Movement }:
		s.move(e.GetMovement())
	}
	if e, ok := f.Event.(*eventv1.PaymentBooked); ok {
		s.amount(e.GetMovement().GetSplit().GetAsset(), e.Fee)
		s.amount(e.BookedAsset, e.BookedAmount)
	}
	s.flag(env.GetFlags())
	if env.GetObserved() {
		s.flag(observed)
	}
	if env.GetOverride() != nil {
		s.flag(overridden)
	}
	return s.err
}

// The flags of what an envelope says by itself.
var (
	observed   = []*eventv1.Flag{{Code: "observed"}}
	overridden = []*eventv1.Flag{{Code: "override"}}
)

// event takes what an event says beside its movements.
func (s *said) event(event es.Event) {
	switch e := event.(type) {
	case *eventv1.PledgeAnnounced:
		s.name(e.Title)
		for _, l := range e.Lines {
			s.line(l)
		}
	case *eventv1.PledgeCommitted:
		s.name(e.Title)
		for _, c := range e.Commitments {
			s.line(c.GetLine())
		}
	case *eventv1.PledgeAllocated:
		s.name(e.Title)
		s.line(e.Line)
		s.items(e.Items)
	case *eventv1.TrancheScheduled:
		s.line(e.Contingent)
		s.amount(e.Asset, e.Amount)
	case *eventv1.TrancheActivated:
		s.split(e.Splits...)
	case *eventv1.TrancheExpired:
		s.split(e.Splits...)
	case *eventv1.DrawReserved:
		s.amount(e.Asset, e.Amount)
		s.beside(e.Stated)
		s.say(e.ForStream)
	case *eventv1.DrawReleased:
		s.amount(e.GetSplit().GetAsset(), e.Amount)
	case *eventv2.PledgeReduced:
		s.split(e.Split)
	case *eventv1.RemainderCancelled:
		s.split(e.Splits...)
	case *eventv1.PledgeLapsed:
		s.split(e.Splits...)
	case *eventv1.PledgeLinked:
		s.say(e.Pledge)
	case *eventv1.LineReclassified:
		s.concerns(e.FromCategory)
		s.concerns(e.ToCategory)
	case *eventv1.LineRevalued:
		s.amount(e.Asset, e.Delta)
	case *eventv1.DeliveryClaimed:
		s.amount(e.Asset, e.Amount)
		s.beside(e.Stated)
	case *eventv1.ImportCompleted:
		s.name(e.Dataset + " " + e.Release)
		for _, c := range e.Columns {
			s.amount(c.Asset, c.Sum)
		}
	default:
		s.carried(event)
	}
}

// carried takes what the event of a shipment or payment says.
func (s *said) carried(event es.Event) {
	switch e := event.(type) {
	case *eventv1.ShipmentPlanned:
		s.name(e.Title)
		for _, l := range e.Lines {
			s.drawn(l)
			s.amount(l.Asset, l.Amount)
		}
	case *eventv1.ShipmentDispatched:
		s.say(e.Place, e.ManifestHash)
	case *eventv1.ShipmentArrived:
		s.say(e.Place)
	case *eventv1.ShipmentHandedOver:
		s.say(e.Place, e.Signatory)
	case *eventv1.ShipmentVerified:
		s.say(e.Verifier)
	case *eventv1.ShipmentLost:
		s.say(e.Cause)
	case *eventv1.ShipmentRevalued:
		s.say(e.Pledge)
		s.amount(e.Asset, e.Delta)
	case *eventv1.ShipmentClosed:
		s.move(e.Unused...)
		s.move(e.Used...)
	case *eventv1.PaymentInstructed:
		s.drawn(e.Line)
		for _, p := range []*eventv1.Party{e.Debtor, e.Creditor} {
			s.say(p.GetName(), p.GetAccount(), p.GetAgent())
		}
		s.say(e.EndToEndId, e.Uetr)
	case *eventv1.PaymentAccepted:
		s.say(e.Status)
	case *eventv1.PaymentRejected:
		s.say(e.ReasonCode)
	case *eventv1.PaymentBooked:
		s.say(e.BankReference)
	case *eventv1.PaymentReturned:
		s.say(e.ReasonCode)
	case *eventv1.LoanRepaid:
		s.say(e.SourceOfFunds)
		s.loan(e)
	case interface {
		GetPledge() string
		GetAsset() string
		GetAmount() *eventv1.Amount
	}:
		s.loan(e)
	}
}

// loan takes what an event of a loan says.
func (s *said) loan(e interface {
	GetPledge() string
	GetAsset() string
	GetAmount() *eventv1.Amount
},
) {
	s.say(e.GetPledge())
	s.amount(e.GetAsset(), e.GetAmount())
}

// name takes the title of the fact, or of the first of its lines where it has none.
func (s *said) name(title string) {
	s.say(title)
	if s.title == "" {
		s.title = title
	}
}

func (s *said) line(l *eventv1.Line) {
	if l == nil {
		return
	}
	s.name(l.Title)
	s.concerns(l.Category)
	for _, v := range l.Values {
		s.amount(v.GetAsset(), v.GetAmount())
		if v.GetStatus() == eventv1.ValueStatus_VALUE_STATUS_UNDISCLOSED {
			s.unknown++
		}
	}
	s.say(l.Earmark)
	s.flag(l.Flags)
	s.cite(l.Sources)
}

func (s *said) items(items []*eventv1.Item) {
	for _, it := range items {
		s.say(it.Name)
		s.concerns(it.Category)
		s.amount(it.QuantityAsset, it.Quantity)
		s.flag(it.Flags)
		s.cite(it.Sources)
	}
}

func (s *said) drawn(l *eventv1.DrawnLine) {
	s.concerns(l.GetCategory())
	s.say(l.GetPledge())
	if s.pledge == "" {
		s.pledge = l.GetPledge()
	}
}

func (s *said) move(movements ...*eventv1.Movement) {
	for _, m := range movements {
		s.say(m.GetPledge())
		s.amount(m.GetSplit().GetAsset(), m.GetAmount())
		s.beside(m.GetStated())
		s.say(m.GetSerials()...)
	}
}

func (s *said) beside(amounts []*eventv1.AssetAmount) {
	for _, a := range amounts {
		s.amount(a.GetAsset(), a.GetAmount())
	}
}

// split takes the whole of what is split, where the fact states it in no other way.
func (s *said) split(splits ...*eventv1.Split) {
	for _, x := range splits {
		parts := []*eventv1.Amount{x.GetRest()}
		for _, r := range x.GetReliefs() {
			parts = append(parts, r.GetAmount())
		}
		var whole money.Amount
		for _, part := range parts {
			a, err := money.FromProto(part)
			if err == nil {
				whole, err = whole.Add(a)
			}
			s.fail(err)
		}
		s.amount(x.GetAsset(), whole.Proto())
	}
}

// amount takes an amount where one is stated.
func (s *said) amount(asset string, a *eventv1.Amount) {
	if asset == "" || a == nil || s.stated == amountsMax {
		return
	}
	amount, err := money.FromProto(a)
	s.fail(err)
	scale, err := s.scale(asset)
	s.fail(err)
	if s.stated > 0 {
		s.amounts = append(s.amounts, '\n')
	}
	s.stated++
	s.amounts = append(amount.AppendText(s.amounts, scale), ' ')
	s.amounts = append(s.amounts, asset...)
}

func (s *said) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// concerns takes the category of a line that the fact names or moves.
func (s *said) concerns(category string) {
	if category != "" && !slices.Contains(s.categories, category) {
		s.categories = append(s.categories, category)
	}
}

func (s *said) flag(flags []*eventv1.Flag) { s.flags = words.Flags(s.flags, flags) }

func (s *said) cite(sources []*eventv1.Source) {
	for _, x := range sources {
		s.say(x.GetExternalId())
	}
}

// say takes what a search looks through.
func (s *said) say(texts ...string) {
	for _, t := range texts {
		if t = t[:min(len(t), max(0, searchBytesMax-len(s.text)))]; t != "" {
			s.text = append(append(s.text, t...), '\n')
		}
	}
}

// of completes what is said by what is known of the stream.
func (s *said) of(known *subject) {
	if s.title == "" {
		s.title = known.title
		s.say(s.title)
	}
	if len(s.categories) == 0 {
		s.categories = append(s.categories, known.categories...)
	}
}

// search is what a search looks through.
func (s *said) search() string {
	s.text = append(s.text, s.amounts...)
	return strings.ToLower(string(s.text))
}

// reasonOf is why a fact was recorded, or why a person went beyond a cap.
func reasonOf(env *eventv1.Envelope) string {
	if reason := env.GetReason(); reason != "" {
		return reason
	}
	return env.GetOverride().GetReason()
}

func correctsOf(env *eventv1.Envelope) string {
	var ids []string
	for _, id := range env.GetCorrects() {
		ids = append(ids, uuid.UUID(id).String())
	}
	return strings.Join(ids, " ")
}
