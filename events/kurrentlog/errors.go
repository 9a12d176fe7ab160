package kurrentlog

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/allied-ledger/allied/events/es"
)

const remedyRestore = "find out who changed the store, and restore it from a backup; `allied store copy` makes a new store of what can be read"

// DeniedError: the server does not let the ledger append. It is an es.ErrBusy: nothing was recorded.
type DeniedError struct{ Cause error }

func (e *DeniedError) Error() string {
	return fmt.Sprintf("the store refuses the ledger's credentials: %s (%s)", e.Cause, e.Remedy())
}

// Code is what a program branches on.
func (e *DeniedError) Code() string { return "store_denied" }

// Remedy is what a person does.
func (e *DeniedError) Remedy() string {
	return "give the connection string a user that may read and write all streams"
}

// Unwrap makes it an es.ErrBusy.
func (e *DeniedError) Unwrap() error { return es.ErrBusy }

// DamagedError answers appends where the store no longer holds what was recorded. It is an es.ErrBusy: nothing was recorded.
type DamagedError struct{ Damage *es.DamageError }

func (e *DamagedError) Error() string { return e.Damage.Error() }

// Code is what a program branches on.
func (e *DamagedError) Code() string { return "store_damaged" }

// Remedy is what a person does.
func (e *DamagedError) Remedy() string { return remedyRestore }

// Unwrap makes it an es.ErrBusy, and gives the damage.
func (e *DamagedError) Unwrap() []error { return []error{es.ErrBusy, e.Damage} }

func damage(place string, at es.Position, format string, args ...any) *es.DamageError {
	return &es.DamageError{File: place, Offset: -1, Position: at, Detail: fmt.Sprintf(format, args...), Remedy: remedyRestore}
}

func isCode(err error, code esdb.ErrorCode) bool {
	var e *esdb.Error
	return errors.As(err, &e) && e.IsErrorCode(code)
}

func isWrongRevision(err error) bool { return isCode(err, esdb.ErrorCodeWrongExpectedVersion) }

// isNoStream tells that a stream is not there. A cluster without a leader is not found either, by a status of the server.
func isNoStream(err error) bool {
	return isCode(err, esdb.ErrorCodeResourceNotFound) && serverStatus(err) == nil
}

func isDenied(err error) bool {
	code := serverStatus(err).Code()
	return code == codes.Unauthenticated || code == codes.PermissionDenied
}

// isPassing tells an error that another try, perhaps at another node, need not meet.
func isPassing(err error) bool {
	var unreachable *UnreachableError
	if errors.As(err, &unreachable) || isCode(err, esdb.ErrorCodeNotLeader) || errors.Is(err, errSilent) {
		return true
	}
	switch serverStatus(err).Code() {
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.Internal, codes.NotFound: // NotFound: there is no leader
		return true
	}
	return false
}

// serverStatus is what the server answered, without what the client library makes of it; OK where the server did not answer.
func serverStatus(err error) *status.Status {
	var answer interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answer) {
		return answer.GRPCStatus()
	}
	return nil
}

// notHandled are the messages with which a server says that it has not tried a request. They come under a status that a lost
// connection has, too.
var notHandled = []string{"server is too busy", "server is not ready"}

var appendSizeRemedy = fmt.Sprintf("its setting MaxAppendSize must allow appends of %d bytes", maxAppendSizeMin)

// sendError is an append's answer where the server has not confirmed it.
func sendError(stream string, err error) error {
	s := serverStatus(err)
	switch {
	case errors.Is(err, es.ErrBusy): // there was no connection to send it on
		return err
	case isCode(err, esdb.ErrorCodeNotLeader):
		return fmt.Errorf("%w: append to stream %s: the node is not the cluster's leader any more", es.ErrBusy, stream)
	case isCode(err, esdb.ErrorCodeStreamDeleted):
		return &DamagedError{damage("stream "+stream, 0, "the stream was deleted for ever")}
	case isDenied(err):
		return &DeniedError{err}
	case s.Code() == codes.InvalidArgument:
		return fmt.Errorf("%w: the server refuses an append to stream %s: %s; %s", es.ErrInvalid, stream, s.Message(), appendSizeRemedy)
	}
	for _, text := range notHandled {
		if s.Code() == codes.Unavailable && strings.Contains(strings.ToLower(s.Message()), text) {
			return fmt.Errorf("%w: append to stream %s: %s", es.ErrBusy, stream, s.Message())
		}
	}
	if errors.Is(err, io.EOF) { // the client library does not ask why
		err = errors.New("the server ended the append before all of it was sent; " + appendSizeRemedy)
	}
	return unknown(stream, err)
}
