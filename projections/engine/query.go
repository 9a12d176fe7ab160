package engine

import (
	"context"
	"iter"
)

// Queryable are views that people ask in SQL.
type Queryable interface {
	// Query runs one statement that can only read, and hands its answer to fn, from one moment of the views that ends with fn. The statement
	// sees the tables of the specs that are not hidden, and nothing else. What is wrong with it, or with what it makes of the values, is an
	// *es.Refusal; an error of fn is returned as it is. Cancelling ctx ends it, however long it would run.
	Query(ctx context.Context, specs []Spec, statement string, fn func(*Answer) error) error
	Close() error
}

// Answer is what a statement found.
type Answer struct {
	// Columns are in the order of the statement. The kind is zero where a value is computed.
	Columns []Column
	// Views are those that the statement read, with what they are true at, in the order of the specs.
	Views []Checkpoint
	// Rows yields each row once, as it is found. A value is nil, string, int64, float64, bool or []byte: amounts are decimal text in the
	// smallest unit, days are text such as 2022-09-13. A row must not be kept. After an error there is no other row.
	Rows iter.Seq2[[]any, error]
}
