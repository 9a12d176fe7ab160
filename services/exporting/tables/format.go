package tables

import "io"

// Writer writes one file. What it has written is a file once Close has returned nil.
type Writer interface {
	Write(Row) error
	// Close ends the file, which says something of itself where its format has a place for that.
	Close(about []Said) error
}

// Said is one thing that a file says of itself.
type Said struct{ Name, Text string }

// Format is a format of files.
type Format struct {
	Ending    string // of a file's name, without a dot
	MediaType string
	Create    func(out io.Writer, t *Table) (Writer, error)
}

// Formats are those that files are written in.
var Formats = []Format{
	{"csv", "text/csv; charset=utf-8; header=present", func(out io.Writer, t *Table) (Writer, error) { return newCSV(out, t) }},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", func(out io.Writer, t *Table) (Writer, error) { return newXLSX(out, t) }},
	{"parquet", "application/vnd.apache.parquet", func(out io.Writer, t *Table) (Writer, error) { return newParquet(out, t), nil }},
}
