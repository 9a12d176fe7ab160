package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/allied-ledger/allied/projections/internal/statement"
	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// guarded runs do while the authorizer stands.
func (a *asked) guarded(do func() error) error {
	guard := func(by sqlite.AuthorizerFn) error {
		return a.conn.Raw(func(driverConn any) error {
			on, ok := driverConn.(sqlite.AuthorizerRegisterer)
			if !ok {
				return errors.New("the SQLite driver has no authorizer")
			}
			return on.RegisterAuthorizer(by)
		})
	}
	if err := guard(a.authorize); err != nil {
		return err
	}
	return errors.Join(do(), guard(nil))
}

// authorize lets a statement read what is shown, and nothing else: what is not named here is refused.
func (a *asked) authorize(action sqlite.AuthorizerActionCode, arg1, arg2, database, via string) sqlite.AuthorizerReturnCode {
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	case sqlite.AuthFunction:
		instead, refused := statement.RefusedFunctions[strings.ToLower(arg2)]
		if !refused {
			return sqlite.AuthorizerOK
		}
		return a.deny(instead)
	case sqlite.AuthRead:
		return a.authorizeRead(arg1, arg2, database, via)
	}
	return a.deny(statement.OnlyReads)
}

// authorizeRead is asked for each column; where rows are only counted, for none, and then also for what WITH names.
func (a *asked) authorizeRead(table, column, database, via string) sqlite.AuthorizerReturnCode {
	isShown, isHidden := false, false
	for _, s := range a.specs {
		for _, t := range s.Tables {
			isShown = isShown || t.Name == table && !t.Hidden
			isHidden = isHidden || t.Name == table && t.Hidden
		}
	}
	switch {
	case isShown && a.shown && database == "main" && column != "" && via != table:
		return a.deny(fmt.Sprintf("main.%s is not as it is shown; name it without main", table))
	case isShown:
		a.read[table] = true
		return sqlite.AuthorizerOK
	case table == "json_each" || table == "json_tree" || column == "" && database == "" && !isHidden:
		return sqlite.AuthorizerOK
	}
	return a.deny(statement.Unreadable(table))
}

func (a *asked) deny(why string) sqlite.AuthorizerReturnCode {
	if a.denied == "" {
		a.denied = why
	}
	return sqlite.AuthorizerDeny
}

// watchEvery is how often the memory of the process is looked at, while a statement runs.
const watchEvery = 50 * time.Millisecond

// watched runs do, and interrupts the statement once ctx ends or it has taken too much memory. SQLite's own limits of its heap do nothing in
// this build of it, which counts no memory.
func (a *asked) watched(ctx context.Context, do func() error) error {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		done, before := ctx.Done(), residentBytes()
		for {
			select {
			case <-quit:
				return
			case <-done:
				done = nil
			case <-tick.C:
			}
			if residentBytes()-before > a.queries.memoryMiBMax<<20 {
				a.swollen.Store(true)
			}
			if ctx.Err() != nil || a.swollen.Load() { // again with every tick: SQLite forgets what comes before a statement has begun
				a.end()
			}
		}
	}()
	err := do()
	close(quit)
	<-ended
	return err
}

// residentBytes is the memory of this process, as Linux tells it; elsewhere it is 0, and no statement takes too much.
func residentBytes() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// interrupter ends what a connection is about to do, from any goroutine.
//
// The driver heeds a context up to the first row that a statement finds, and for the next it may search without end. It has no door to
// sqlite3_interrupt, so the handle is read from its connection; where a driver has another one, that is an error, before anything runs.
func interrupter(driverConn any) (func(), error) {
	v := reflect.Indirect(reflect.ValueOf(driverConn))
	if v.Kind() != reflect.Struct || v.FieldByName("db").Kind() != reflect.Uintptr {
		return nil, fmt.Errorf("a %T of the SQLite driver holds no handle to interrupt", driverConn)
	}
	db := uintptr(v.FieldByName("db").Uint())
	return func() {
		tls := libc.NewTLS()
		defer tls.Close()
		sqlite3.Xsqlite3_interrupt(tls, db)
	}, nil
}
