package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/internal/statement"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// valueMiBMax bounds one text or bytes that a statement makes.
const valueMiBMax = 16

// checkpointTable says what the views are true at, which each answer says too.
const checkpointTable = "allied_views"

// ownSchemas hold what a statement may call.
var ownSchemas = []string{"pg_catalog", "allied", "allied_sql"}

// refuseNames refuses what a statement may not call, wherever it is named.
func refuseNames(parts []part) error {
	for i, p := range parts {
		if p.isEscaped() {
			return statement.Refused(`U&"…" hides a name; write it with its letters`)
		}
		if p.word() == checkpointTable { // which the transaction locks itself, so that its locks do not tell
			return statement.Refused(statement.Unreadable(checkpointTable))
		}
		if !isCalled(parts, i) {
			continue
		}
		if instead := statement.RefusedFunctions[p.word()]; instead != "" {
			return statement.Refused(instead)
		}
		if p.word() == "operator" || i >= 2 && parts[i-1].text == "." && !slices.Contains(ownSchemas, parts[i-2].word()) {
			return statement.Refused(p.text + " is called from a schema that is not the ledger's")
		}
	}
	return nil
}

func isCalled(parts []part, i int) bool {
	return parts[i].kind == name && i+1 < len(parts) && parts[i+1].text == "("
}

// unsafe are the functions of the server that could do or read something else than the statement says: all that are volatile, all that look
// into the server, and those that run SQL which they are given as text.
const unsafe = `SELECT proname::text FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY($1::text[])
	AND (provolatile = 'v' AND proname <> 'random' OR proname ^@ 'pg_' AND proname <> 'pg_typeof' OR proname LIKE '%\_to\_xml%') LIMIT 1`

// refuseFunctions refuses calls of functions that are unsafe.
func (a *asked) refuseFunctions(ctx context.Context, parts []part) error {
	called := []string{}
	for i, p := range parts {
		if isCalled(parts, i) {
			called = append(called, p.word())
		}
	}
	var function string
	switch err := a.conn.QueryRow(ctx, unsafe, called).Scan(&function); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return a.queries.explain("query", err)
	}
	return statement.Refused(function + " does or reads more than a query may")
}

// markDecimal puts the name of the function decimal in quotation marks, since to PostgreSQL it is a type without them. It tells where.
func markDecimal(query string, parts []part) (sent string, marked []int) {
	var b strings.Builder
	end := 0
	for i, p := range parts {
		isType := i > 0 && (parts[i-1].word() == "as" || parts[i-1].text == ":")
		if !isCalled(parts, i) || p.word() != "decimal" || p.text[0] == '"' || isType {
			continue
		}
		b.WriteString(query[end:p.at] + `"decimal"`)
		end = p.at + len(p.text)
		marked = append(marked, p.at)
	}
	return b.String() + query[end:], marked
}

// marksBytes are the quotation marks around one name.
const marksBytes = 2

// sentAt is where a byte of the statement stands in what the server is given.
func (a *asked) sentAt(place int) int {
	at := place
	for _, marked := range a.marked {
		if marked < place {
			at += marksBytes
		}
	}
	return at
}

// place is the byte of the statement that the server complains of, which it counts in characters of what it was given; -1 where it names none.
func (a *asked) place(own *pgconn.PgError) int {
	character := int32(0)
	for at := range a.sent {
		if character++; character != own.Position {
			continue
		}
		place := at
		for _, marked := range a.marked {
			if a.sentAt(marked) < at {
				place -= marksBytes
			}
		}
		return place
	}
	return -1
}

// complained is the name at the place that the server complains of, with what it is qualified by.
func (a *asked) complained(place int) string {
	parts := partsOf(a.query)
	i := slices.IndexFunc(parts, func(p part) bool { return p.at == place })
	if i < 0 {
		return ""
	}
	word := parts[i].word()
	for ; i+2 < len(parts) && parts[i+1].text == "."; i += 2 {
		word += "." + parts[i+2].word()
	}
	return word
}

// explain tells what is wrong with a statement from what is wrong with the server.
func (a *asked) explain(ctx context.Context, err error) error {
	var own *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &own):
		return a.queries.reader.explain("query", err)
	}
	reason := own.Message
	place := a.place(own)
	if place >= 0 {
		reason += statement.At(a.query, place)
	}
	bad := func(todo string) error { return &es.Refusal{Code: "bad_query", Reason: reason, Remedy: todo} }
	failed := func(todo string) error { return &es.Refusal{Code: "query_failed", Reason: reason, Remedy: todo} }
	switch word := a.complained(place); {
	case own.Code == "25006": // it would write
		return statement.Refused(statement.OnlyReads)
	case own.Code == "42501":
		return statement.Refused(own.Message)
	case own.Code == "42P01":
		return a.noTable(word, bad)
	case own.Code == "42703":
		return bad(statement.NearestColumn(a.specs, word))
	case own.Code == "42704" && word == "collate":
		return bad("COLLATE amount orders amounts; CAST(… AS numeric) makes text one")
	case a.columns == nil && (strings.HasPrefix(own.Code, "42") || strings.HasPrefix(own.Code, "22") || strings.HasPrefix(own.Code, "0A")):
		return bad(statement.Remedy)
	case own.Code == "22003":
		return failed("exact_sum gives sums beyond 64 bits")
	case own.Code == "57014":
		return failed("ask for less at a time, or let an administrator allow more time")
	}
	for _, class := range []string{"0A", "21", "22", "42", "54"} {
		if strings.HasPrefix(own.Code, class) { // it was understood, and met something in the rows
			return failed("leave the row out, or ask for it in another way")
		}
	}
	return a.queries.reader.explain("query", err)
}

// noTable refuses a table that is not there under the name of the statement.
func (a *asked) noTable(word string, bad func(todo string) error) error {
	for _, s := range a.specs {
		for _, t := range s.Tables {
			switch {
			case t.Name == word && t.Hidden:
				return statement.Refused(statement.Unreadable(word))
			case t.Name == word:
				return fmt.Errorf("query views in %s: %w", a.queries.place, &engine.NoViewError{Projection: s.Name, Version: s.Version})
			}
		}
	}
	return bad(statement.NearestTable(a.specs, word))
}
