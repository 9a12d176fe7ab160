package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

type eventsOptions struct {
	decode bool
	stream string
	after  uint64
	limit  uint64
}

func (c *cli) eventsCommand() *cobra.Command {
	var o eventsOptions
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List the events of the log, in order",
		Long: `Lists the events of the log in the order in which they were recorded. With --data the log's files are read as they are, also beside
a running server and without its help; with --server they are asked of the server.`,
		Example: `  allied events --limit 5
  allied events --decode --stream pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8
  allied events --decode -o jsonl | jq 'select(.type | endswith("PledgeAllocated")) | .event.line.title'`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.events(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.decode, "decode", false, "print what the events say, too")
	cmd.Flags().StringVar(&o.stream, "stream", "", "only this stream, such as pledge-<uuid>")
	cmd.Flags().Uint64Var(&o.after, "after", 0, "only what follows this position")
	cmd.Flags().Uint64Var(&o.limit, "limit", 0, "at most so many events (0: all)")
	return cmd
}

func (c *cli) events(ctx context.Context, o eventsOptions) error {
	if o.stream != "" {
		var err error
		if o.stream, err = streamArgument(o.stream); err != nil {
			return err
		}
	}
	entries, closeSource, err := c.entrySource(ctx, o)
	if err != nil {
		return err
	}
	out := newEventWriter(c.stdout, c.form, o.decode)
	listed, faults, err := listEvents(entries, o, out)
	if closeErr := closeSource(); err == nil {
		err = closeErr
	}
	if closeErr := out.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if faults > 0 {
		return failf(exitFailure, "%s cannot be decoded; each says why", counted(faults, "event", "events"))
	}
	if listed == 0 {
		c.say("no events%s", o.scope())
	}
	return nil
}

// scope says in words what the flags leave of the log.
func (o eventsOptions) scope() string {
	var b strings.Builder
	if o.stream != "" {
		b.WriteString(" in stream " + o.stream)
	}
	if o.after > 0 {
		fmt.Fprintf(&b, " after position %d", o.after)
	}
	return b.String()
}

// streamArgument accepts a stream's name, or a pledge's bare UUID.
func streamArgument(text string) (string, error) {
	if id, err := uuid.Parse(text); err == nil && len(text) == 36 {
		return es.StreamName("pledge", id), nil
	}
	if _, _, err := es.ParseStream(text); err != nil {
		return "", usagef("%w", err)
	}
	return text, nil
}

// entrySource opens the log, or asks the server where one is named.
func (c *cli) entrySource(ctx context.Context, o eventsOptions) (iter.Seq2[es.Entry, error], func() error, error) {
	var log entryReader
	var closeLog func() error
	var err error
	if c.server != "" {
		log, closeLog, err = c.connectToRead(ctx)
	} else {
		log, closeLog, err = c.openLog(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	if o.stream != "" {
		return log.ReadStream(ctx, o.stream, 0), closeLog, nil
	}
	return log.Read(ctx, es.Position(o.after)), closeLog, nil
}

func listEvents(entries iter.Seq2[es.Entry, error], o eventsOptions, out *eventWriter) (listed, faults int, err error) {
	for e, err := range entries {
		if err != nil {
			return listed, faults, err
		}
		if uint64(e.Position) <= o.after {
			continue
		}
		doc := readable.NewEntry(e, o.decode)
		if doc.Error != "" {
			faults++
		}
		if err := out.write(doc); err != nil {
			return listed, faults, err
		}
		if listed++; o.limit > 0 && uint64(listed) == o.limit {
			break
		}
	}
	return listed, faults, nil
}

// eventWriter prints events as they are read: a log may be larger than the memory.
type eventWriter struct {
	w       io.Writer
	form    string
	decode  bool
	csv     *csv.Writer
	written int
}

func newEventWriter(w io.Writer, form string, decode bool) *eventWriter {
	out := &eventWriter{w: w, form: form, decode: decode}
	if form == formCSV {
		out.csv = csv.NewWriter(w)
	}
	return out
}

var eventColumns = []string{"position", "prev", "ordinal", "stream", "revision", "event_id", "type", "recorded_at", "record_bytes"}

func (o *eventWriter) write(doc readable.Entry) error {
	first := o.written == 0
	o.written++
	switch o.form {
	case formJSONL:
		return writeJSONLine(o.w, doc)
	case formJSON:
		return o.writeElement(doc, first)
	case formCSV:
		return o.writeRow(doc, first)
	}
	return o.writeText(doc, first)
}

// writeElement writes one element of a JSON array, which close ends.
func (o *eventWriter) writeElement(doc readable.Entry, first bool) error {
	lead := ",\n  "
	if first {
		lead = "[\n  "
	}
	b, err := encodeJSON(doc, "  ", "  ")
	if err != nil {
		return fmt.Errorf("encode event at position %d: %w", doc.Position, err)
	}
	_, err = fmt.Fprintf(o.w, "%s%s", lead, b)
	return err
}

func (o *eventWriter) writeRow(doc readable.Entry, first bool) error {
	if first {
		header := eventColumns
		if o.decode {
			header = append(header[:len(header):len(header)], "envelope", "event", "error")
		}
		if err := o.csv.Write(header); err != nil {
			return err
		}
	}
	row := []string{
		strconv.FormatUint(doc.Position, 10), strconv.FormatUint(doc.Prev, 10), strconv.FormatUint(doc.Ordinal, 10), doc.Stream,
		strconv.FormatUint(doc.Revision, 10), doc.EventID, doc.Type, doc.RecordedAt, strconv.Itoa(doc.RecordBytes),
	}
	if o.decode {
		envelope, err := encodeJSON(doc.Envelope, "", "")
		if err != nil {
			return err
		}
		event, err := encodeJSON(doc.Event, "", "")
		if err != nil {
			return err
		}
		row = append(row, string(envelope), string(event), doc.Error)
	}
	return o.csv.Write(row)
}

func (o *eventWriter) writeText(doc readable.Entry, first bool) error {
	var b bytes.Buffer
	if first {
		fmt.Fprintf(&b, "%12s  %9s  %-20s  %-22s  %s\n", "position", "ordinal", "recorded at", "type", "stream @ revision")
	}
	at := doc.RecordedAt
	if len(at) > 19 {
		at = at[:19] + "Z"
	}
	fmt.Fprintf(&b, "%12d  %9d  %-20s  %-22s  %s @ %d\n", doc.Position, doc.Ordinal, at, shortType(doc.Type), doc.Stream, doc.Revision)
	if doc.Error != "" {
		fmt.Fprintf(&b, "    %s\n", doc.Error)
	}
	for _, part := range []struct {
		name string
		what readable.Object
	}{{"envelope", doc.Envelope}, {"event", doc.Event}} {
		if part.what == nil {
			continue
		}
		text, err := encodeJSON(part.what, "    ", "  ")
		if err != nil {
			return fmt.Errorf("encode event at position %d: %w", doc.Position, err)
		}
		fmt.Fprintf(&b, "    %s %s\n", part.name, text)
	}
	_, err := io.WriteString(o.w, visibleLines(b.String()))
	return err
}

// shortType leaves out the package, but not the version where it is not the first.
func shortType(stored string) string {
	return strings.TrimPrefix(strings.TrimPrefix(stored, "allied.event."), "v1.")
}

func (o *eventWriter) close() error {
	switch {
	case o.form == formJSON && o.written == 0:
		_, err := fmt.Fprintln(o.w, "[]")
		return err
	case o.form == formJSON:
		_, err := fmt.Fprintln(o.w, "\n]")
		return err
	case o.form == formCSV:
		o.csv.Flush()
		return o.csv.Error()
	}
	return nil
}
