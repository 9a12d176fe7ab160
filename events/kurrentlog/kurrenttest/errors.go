package kurrenttest

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Keys of an event's metadata, and of the trailers that tell clients of which kind an error is (Services/Transport/Grpc/Constants.cs).
const (
	metadataType        = "type"
	metadataCreated     = "created"
	metadataContentType = "content-type"

	trailerException  = "exception"
	trailerStream     = "stream-name"
	trailerLeaderHost = "leader-endpoint-host"
	trailerLeaderPort = "leader-endpoint-port"

	headerRequiresLeader = "requires-leader"
	headerAuthorization  = "authorization"
)

// answer is an error with the trailers that go with it; the interceptors of a node send both. The texts and codes are those of
// Services/Transport/Grpc/RpcExceptions.cs.
type answer struct {
	status   *status.Status
	trailers metadata.MD
}

func (a *answer) Error() string              { return a.status.Message() }
func (a *answer) GRPCStatus() *status.Status { return a.status }

func refuse(code codes.Code, message string, trailers ...string) error {
	return &answer{status: status.New(code, message), trailers: metadata.Pairs(trailers...)}
}

// sendTrailers gives the trailers of an error to its call.
func sendTrailers(ctx context.Context, err error) {
	if a, ok := err.(*answer); ok && len(a.trailers) > 0 {
		// It fails only when the call is over already: then nobody reads them.
		_ = grpc.SetTrailer(ctx, a.trailers)
	}
}

func streamDeleted(name string) error {
	return refuse(codes.FailedPrecondition, fmt.Sprintf("Event stream '%s' is deleted.", name), trailerException, "stream-deleted", trailerStream, name)
}

func appendTooLarge(bytesMax int) error {
	return refuse(codes.InvalidArgument, fmt.Sprintf("Maximum Append Size of %d Exceeded.", bytesMax),
		trailerException, "maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(bytesMax))
}

func metadataMissing(key string) error {
	return refuse(codes.InvalidArgument, fmt.Sprintf("Required Metadata Property '%s' is missing", key),
		trailerException, "missing-required-metadata-property", "required-metadata-properties", metadataType+","+metadataContentType)
}

// wrongExpectedOf is how Delete and Tombstone answer what Append answers with a message.
func wrongExpectedOf(operation, name string, expected, current int64) error {
	return refuse(codes.FailedPrecondition,
		fmt.Sprintf("%s failed due to WrongExpectedVersion. Stream: %s, Expected version: %d, Actual version: %d", operation, name, expected, current),
		trailerException, "wrong-expected-version", trailerStream, name,
		"expected-version", strconv.FormatInt(expected, 10), "actual-version", strconv.FormatInt(current, 10))
}

func notLeader(host string, port int) error {
	return refuse(codes.NotFound, "Leader info available",
		trailerException, "not-leader", trailerLeaderHost, host, trailerLeaderPort, strconv.Itoa(port))
}

func accessDenied() error {
	return refuse(codes.PermissionDenied, "Access Denied", trailerException, "access-denied")
}

func notReady() error { return refuse(codes.Unavailable, "Server Is Not Ready") }

// invalidOperation is what an exception that the server does not expect becomes: .NET's gRPC answers Unknown, and hides the reason.
func invalidOperation(reason string) error {
	return refuse(codes.Unknown, "Exception was thrown by handler. "+reason)
}

func putInt64(b []byte, v int64) { binary.BigEndian.PutUint64(b, uint64(v)) }

func getInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
