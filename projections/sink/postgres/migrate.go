package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrations are the sink's own objects, step by step: 0001_….sql brings layout 0 to layout 1. A step that has been released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrateKey is the lock of who changes the schema.
var migrateKey = lockKey("migrations")

// readerRole may read what people read; whoever may create roles lets others into it: GRANT allied_reader TO somebody.
const readerRole = "allied_reader"

// migrate brings the schema to this program's layout. Of several that start at once one does it, and the others wait.
func (s *Sink) migrate(ctx context.Context) error {
	steps, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrateKey); err != nil {
			return err
		}
		// Lost rows of a view are folded again; a layout that is gone would be taken for damage.
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
			return err
		}
		at, err := layout(ctx, tx)
		if err != nil {
			return err
		}
		if at == 0 {
			if err := begin(ctx, tx); err != nil {
				return err
			}
		}
		for i, step := range steps[at:] {
			text, err := migrations.ReadFile("migrations/" + step.Name())
			if err == nil {
				_, err = tx.Exec(ctx, string(text))
			}
			if err == nil {
				_, err = tx.Exec(ctx, "INSERT INTO allied.allied_migrations (layout) VALUES ($1)", at+i+1)
			}
			if err != nil {
				return fmt.Errorf("migrate to layout %d (%s): %w", at+i+1, step.Name(), err)
			}
		}
		return admitReaders(ctx, tx)
	})
}

// begin makes the schema, unless an administrator has, and the table of layouts. A database that others made is left alone.
func begin(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regnamespace('allied') IS NOT NULL").Scan(&there); err != nil {
		return err
	}
	if !there { // CREATE SCHEMA IF NOT EXISTS would ask for the right to create it also where it exists
		if _, err := tx.Exec(ctx, "CREATE SCHEMA allied"); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, "CREATE TABLE allied.allied_migrations (layout integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())")
	return err
}

// layout is how far the schema has been brought; zero where there is none. One that a newer program made, or somebody else, is refused.
func layout(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (at int, err error) {
	var begun, foreign bool
	err = db.QueryRow(ctx, `SELECT to_regclass('allied.allied_migrations') IS NOT NULL,
		EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('allied'))`).Scan(&begun, &foreign)
	switch {
	case err != nil:
		return 0, err
	case !begun && foreign:
		return 0, damaged("the schema allied is there without a table allied_migrations, so this program did not make it")
	case !begun:
		return 0, nil
	}
	steps, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	if err := db.QueryRow(ctx, "SELECT coalesce(max(layout), 0) FROM allied.allied_migrations").Scan(&at); err != nil {
		return 0, err
	}
	if at > len(steps) {
		return 0, fmt.Errorf("the schema allied has layout %d, and this program knows up to %d: run the program that made it, or a newer one", at, len(steps))
	}
	return at, nil
}

func (r *reader) layout(ctx context.Context) (int, error) { return layout(ctx, r.pool) }

// admitReaders lets the role allied_reader see the schemas, and makes it where this program may. Where it may not, an administrator may do
// so: the next start then grants.
func admitReaders(ctx context.Context, tx pgx.Tx) error {
	var there, may bool
	err := tx.QueryRow(ctx, `SELECT to_regrole($1) IS NOT NULL, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user`, readerRole).Scan(&there, &may)
	if err != nil {
		return err
	}
	if !there && may {
		// Roles belong to all databases of the server, and the lock does not: somebody may be faster.
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "CREATE ROLE "+readerRole+" NOLOGIN; GRANT "+readerRole+" TO CURRENT_USER") // which asks as this role
			return err
		})
		var own *pgconn.PgError
		if err != nil && (!errors.As(err, &own) || own.Code != "42710" && own.Code != "23505") {
			return err
		}
		there = true
	}
	if !there {
		return nil
	}
	_, err = tx.Exec(ctx, "GRANT USAGE ON SCHEMA allied, allied_report, allied_sql TO "+readerRole+"; GRANT SELECT ON allied.allied_views TO "+readerRole)
	return err
}
