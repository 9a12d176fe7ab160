package main

import (
	"errors"
	"fmt"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/boot"
)

// The exit codes are part of the command line's contract: scripts branch on them.
const (
	exitOK          = 0
	exitFailure     = 1 // something was refused, unreadable or broken
	exitUsage       = 2 // the command line itself is wrong; nothing was tried
	exitVerify      = 3 // a verification was carried out and failed
	exitDifferences = 4 // a comparison was carried out and found differences
	exitNotAllowed  = 5 // the file system or an identity forbids it
	exitUnavailable = 6 // the ledger cannot be reached now, or is in use; trying again later may help
)

// failure is an error with the exit code that it ends the process with, and the next step for the person who reads it.
type failure struct {
	code   int
	err    error
	remedy string
}

func (f *failure) Error() string {
	if f.remedy == "" {
		return f.err.Error()
	}
	return f.err.Error() + "; " + f.remedy
}

func (f *failure) Unwrap() error { return f.err }

// usagef says what is wrong with the command line.
func usagef(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// failf gives an error its exit code.
func failf(code int, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...)}
}

// withRemedy adds the next step to an error, and keeps its exit code.
func withRemedy(err error, format string, args ...any) error {
	return &failure{code: exitCode(err), err: err, remedy: fmt.Sprintf(format, args...)}
}

// exitCode finds what an error ends the process with.
func exitCode(err error) int {
	var f *failure
	var damage *es.DamageError
	var lost *boot.LostLogError
	var view *engine.DamagedViewError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &damage), errors.As(err, &lost), errors.As(err, &view): // every reader checks what it reads
		return exitVerify
	case isUnavailable(err):
		return exitUnavailable
	case isNotAllowed(err):
		return exitNotAllowed
	}
	return exitFailure
}
