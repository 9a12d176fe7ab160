// Package route finds the service and the stream of a command.
package route

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/ident"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/google/uuid"
)

// The command services.
const (
	Pledges   = "pledges"
	Shipments = "shipments"
	Payments  = "payments"
	Imports   = "imports"
)

// NewStream stands in a subject for a stream that the service is to derive.
const NewStream = "new"

// Subject is where a service takes the commands of a stream; `*` for all its streams.
func Subject(service, stream string) string {
	if stream == "" {
		stream = NewStream
	}
	return "allied.cmd." + service + "." + stream
}

// Service names the service that decides a command.
func Service(cmd *apiv1.Command) (string, error) {
	switch cmd.Body.(type) {
	case nil:
		return "", refuse("body_missing", "", "the command asks for nothing", "add one body, such as commit_pledge")
	case *apiv1.Command_CompleteImport:
		return Imports, nil
	case *apiv1.Command_PlanShipment, *apiv1.Command_DispatchShipment, *apiv1.Command_ArriveShipment, *apiv1.Command_HandOverShipment,
		*apiv1.Command_VerifyShipment, *apiv1.Command_ReportDiscrepancy, *apiv1.Command_FindShipment, *apiv1.Command_LoseShipment,
		*apiv1.Command_ReturnShipment, *apiv1.Command_ReverseShipment, *apiv1.Command_RevalueShipment, *apiv1.Command_CloseShipment:
		return Shipments, nil
	case *apiv1.Command_InstructPayment, *apiv1.Command_AcceptPayment, *apiv1.Command_RejectPayment, *apiv1.Command_BookPayment,
		*apiv1.Command_ReturnPayment, *apiv1.Command_ReversePayment, *apiv1.Command_AccrueInterest, *apiv1.Command_PayInterest,
		*apiv1.Command_RepayLoan, *apiv1.Command_ForgiveLoan:
		return Payments, nil
	default:
		return Pledges, nil
	}
}

// DrawsOn names the pledges that a command draws on before it is recorded.
func DrawsOn(cmd *apiv1.Command) []string {
	switch body := cmd.Body.(type) {
	case *apiv1.Command_PlanShipment:
		var pledges []string
		for _, l := range body.PlanShipment.GetLines() {
			pledges = append(pledges, l.GetPledge())
		}
		return pledges
	case *apiv1.Command_InstructPayment:
		return []string{body.InstructPayment.GetPledge()}
	}
	return nil
}

// Complete checks the command's id and stream, and derives an empty stream for a command that may open one. Errors are *es.Refusal.
func Complete(cmd *apiv1.Command) (uuid.UUID, error) {
	id, err := uuid.Parse(cmd.CommandId)
	if err != nil || id == uuid.Nil || len(cmd.CommandId) != 36 {
		return uuid.Nil, refuse("bad_command_id", "command_id", fmt.Sprintf("%q is not a UUID", cmd.CommandId),
			"give a UUID that is new for every command, such as 6ba7b810-9dad-51d1-80b4-00c04fd430c8")
	}
	cmd.CommandId = id.String()
	if cmd.Stream != "" {
		if _, _, err := es.ParseStream(cmd.Stream); err != nil {
			return uuid.Nil, refuse("bad_stream", "stream", err.Error(), "name the stream as the ledger printed it")
		}
		return id, nil
	}
	switch body := cmd.Body.(type) {
	case *apiv1.Command_AnnouncePledge, *apiv1.Command_CommitPledge, *apiv1.Command_AllocatePledge:
		cmd.Stream = es.StreamName("pledge", ident.StreamID("pledge", id))
	case *apiv1.Command_ScheduleTranche:
		if body.ScheduleTranche.GetThreatLevel() == 0 {
			return uuid.Nil, streamMissing()
		}
		cmd.Stream = es.StreamName("pledge", ident.StreamID("pledge", id))
	case *apiv1.Command_PlanShipment:
		cmd.Stream = es.StreamName("shipment", ident.StreamID("shipment", id))
	case *apiv1.Command_InstructPayment:
		cmd.Stream = es.StreamName("payment", ident.StreamID("payment", id))
	case *apiv1.Command_CompleteImport:
		cmd.Stream = es.StreamName("import", ident.ReleaseStream(body.CompleteImport.GetDataset(), body.CompleteImport.GetRelease()))
	default:
		return uuid.Nil, streamMissing()
	}
	return id, nil
}

func streamMissing() *es.Refusal {
	return refuse("stream_missing", "stream", "the command changes a stream and names none", "name the pledge, such as pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8")
}

func refuse(code, field, reason, remedy string) *es.Refusal {
	return &es.Refusal{Code: code, Field: field, Reason: reason, Remedy: remedy}
}
