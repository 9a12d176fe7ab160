package command

import (
	"fmt"

	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	"github.com/allied-ledger/allied/events/term"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/internal/route"
	"github.com/google/uuid"
)

// read completes a command and reads its envelope; errors are *es.Refusal. Who acts, and by what authority, are claims until identities
// exist.
func read(cmd *apiv1.Command, kind string) (Input, error) {
	id, err := route.Complete(cmd)
	if err != nil {
		return Input{}, err
	}
	if k, _, _ := es.ParseStream(cmd.Stream); k != kind {
		return Input{}, bad("stream", fmt.Sprintf("%s is not a %s stream", cmd.Stream, kind), "send the command to a stream of its kind")
	}
	// The digest is taken of the completed command, so that it is the same whoever derived the stream.
	digest, err := ident.Digest(cmd)
	if err != nil {
		return Input{}, &es.Refusal{Code: "unreadable_command", Reason: err.Error(), Remedy: "send only what this version knows"}
	}
	env := &eventv1.Envelope{
		Kind: kind, Donor: cmd.Donor, Beneficiary: cmd.Beneficiary, Actor: cmd.Actor, Authority: cmd.Authority, CommandId: id[:],
		CommandDigest: digest[:], Sources: cmd.Sources, Reason: cmd.Reason, Observed: cmd.Observed, Override: cmd.Override, Flags: cmd.Flags,
	}
	if cmd.Actor != "" {
		env.ActorClaim = eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED
	}
	if cmd.Authority != "" {
		env.AuthorityClaim = eventv1.ClaimStatus_CLAIM_STATUS_UNVERIFIED
	}
	for _, read := range []func(*apiv1.Command, *eventv1.Envelope) error{readParties, readEffective, readIDs, readMarking} {
		if err := read(cmd, env); err != nil {
			return Input{}, err
		}
	}
	return Input{ID: id, Stream: cmd.Stream, Command: cmd, Envelope: env}, nil
}

// NoDonor is the donor of a fact that has none.
const NoDonor = "_"

func readParties(cmd *apiv1.Command, _ *eventv1.Envelope) error {
	for _, p := range []struct{ field, code string }{{"donor", cmd.Donor}, {"beneficiary", cmd.Beneficiary}} {
		if p.code != "" && p.code != NoDonor && !donor.Known(p.code) {
			return &es.Refusal{
				Code: "unknown_party", Field: p.field, Reason: fmt.Sprintf("%q is not a known state or institution", p.code),
				Remedy: "use an ISO 3166-1 alpha-3 code such as POL, or an institution's such as EU-INST",
			}
		}
	}
	return nil
}

func readEffective(cmd *apiv1.Command, env *eventv1.Envelope) error {
	if cmd.Effective == "" {
		if cmd.EffectiveAsStated != "" {
			return bad("effective", "the source's words for the date are given, and no date", "give a date, or `unknown`")
		}
		return nil // the decider says whether it needs one
	}
	e, err := dates.Parse(cmd.Effective)
	if err != nil {
		return bad("effective", err.Error(), "give a date such as 2022-09-13, or `unknown`")
	}
	e.AsStated = cmd.EffectiveAsStated
	if err := dates.Check(e); err != nil {
		return bad("effective_as_stated", err.Error(), "shorten it")
	}
	env.Effective = e
	return nil
}

func readIDs(cmd *apiv1.Command, env *eventv1.Envelope) error {
	for _, f := range []struct {
		field, text string
		to          *[]byte
	}{{"correlation_id", cmd.CorrelationId, &env.CorrelationId}, {"causation_id", cmd.CausationId, &env.CausationId}} {
		if f.text == "" {
			continue
		}
		id, err := ParseID(f.field, f.text)
		if err != nil {
			return err
		}
		*f.to = id[:]
	}
	for i, text := range cmd.Corrects {
		id, err := ParseID(fmt.Sprintf("corrects[%d]", i), text)
		if err != nil {
			return err
		}
		env.Corrects = append(env.Corrects, id[:])
	}
	return nil
}

func readMarking(cmd *apiv1.Command, env *eventv1.Envelope) error {
	env.Marking = eventv1.Marking_MARKING_PUBLIC
	if cmd.Marking == "" {
		return nil
	}
	m, err := term.Parse[eventv1.Marking](cmd.Marking)
	if err != nil {
		return bad("marking", err.Error(), "use one of these words, or leave it out for public")
	}
	env.Marking = m
	return nil
}

// ParseID reads a UUID as people write it; its error is an *es.Refusal.
func ParseID(field, text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || id == uuid.Nil {
		return uuid.Nil, bad(field, fmt.Sprintf("%q is not a UUID", text), "give one such as 6ba7b810-9dad-51d1-80b4-00c04fd430c8")
	}
	return id, nil
}

// bad refuses a field whose content cannot be read.
func bad(field, reason, remedy string) *es.Refusal {
	return &es.Refusal{Code: "bad_field", Field: field, Reason: reason, Remedy: remedy}
}
