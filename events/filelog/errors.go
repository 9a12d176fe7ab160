package filelog

import (
	"fmt"

	"github.com/allied-ledger/allied/events/es"
)

const (
	remedyRestore = "restore the file from a copy of the folder; `allied replay --verify` says which files are whole"
	remedyHead    = "restore log/head from a copy of the folder that is not older than the segments; without it nobody can tell whether the log's end was lost"
	remedyLatched = "restart the ledger: it checks the log and goes on from what is durable; free or replace the disk first if it is full or failing"
	remedyFull    = "free space on the disk; appends go on by themselves then"
)

// LatchedError answers appends after a write or sync has failed. It is an es.ErrBusy: nothing was recorded. Reads go on.
type LatchedError struct {
	Cause error
}

func (e *LatchedError) Error() string {
	return fmt.Sprintf("the log takes no appends since a write failed: %s (%s)", e.Cause, e.Remedy())
}

// Code is what a program branches on.
func (e *LatchedError) Code() string { return "store_latched" }

// Remedy is what a person does.
func (e *LatchedError) Remedy() string { return remedyLatched }

// Unwrap makes it an es.ErrBusy.
func (e *LatchedError) Unwrap() error { return es.ErrBusy }

// FullError answers appends while the disk is nearly full. It is an es.ErrBusy: nothing was recorded.
type FullError struct {
	Dir                     string
	FreeBytes, FreeBytesMin uint64
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the disk of %s has %d bytes free; the log keeps %d in reserve (%s)", e.Dir, e.FreeBytes, e.FreeBytesMin, e.Remedy())
}

// Code is what a program branches on.
func (e *FullError) Code() string { return "store_full" }

// Remedy is what a person does.
func (e *FullError) Remedy() string { return remedyFull }

// Unwrap makes it an es.ErrBusy.
func (e *FullError) Unwrap() error { return es.ErrBusy }

// InUseError: another process, or another log of this one, writes in the folder.
type InUseError struct {
	Dir   string
	Cause error
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("folder %s is in use by another ledger (lock file: %s); connect to that one with --server, stop it, or choose another folder with --data", e.Dir, e.Cause)
}

func (e *InUseError) Unwrap() error { return e.Cause }
