package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/events/imports"
	"github.com/allied-ledger/allied/events/payment"
	"github.com/allied-ledger/allied/events/pledge"
	"github.com/allied-ledger/allied/events/shipment"
	"github.com/allied-ledger/allied/events/wire"
	"github.com/allied-ledger/allied/services/internal/readable"
	"github.com/spf13/cobra"
)

func (c *cli) debugCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "debug",
		Short: "Look at the log's bytes and at the state that rules are judged by",
	})
	var at uint64
	state := &cobra.Command{
		Use:     "state STREAM",
		Short:   "Fold one stream up to a revision and print its state",
		Example: `  allied debug state pledge-6ba7b810-9dad-51d1-80b4-00c04fd430c8 --at 3`,
		Args:    exactly("STREAM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			until := uint64(math.MaxUint64)
			if cmd.Flags().Changed("at") {
				until = at
			}
			return c.debugState(cmd.Context(), args[0], until)
		},
	}
	state.Flags().Uint64Var(&at, "at", 0, "the last revision to fold (the stream's last where not given)")
	frame := &cobra.Command{
		Use:     "frame POSITION",
		Short:   "Print one frame of the log, byte by byte, and what its record says",
		Example: `  allied debug frame 4096`,
		Args:    exactly("POSITION"),
		RunE: func(_ *cobra.Command, args []string) error {
			pos, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usagef("position %q is not a whole number; `allied events` lists the positions", args[0])
			}
			return c.debugFrame(es.Position(pos))
		},
	}
	cmd.AddCommand(frame, state)
	return cmd
}

// frameDoc is one frame as -o json prints it.
type frameDoc struct {
	readable.Entry
	SHA256 string `json:"record_sha256"`
	// The frame around the record, as it stands in its file. Following counts the frames of the same append that come after it.
	File       string `json:"file"`
	Offset     int64  `json:"offset"`
	FrameBytes int    `json:"frame_bytes"`
	CRC        string `json:"crc32c"`
	PrevCRC    string `json:"prev_crc32c"`
	Following  uint32 `json:"following"`
	Frame      string `json:"frame_hex"`
}

func (c *cli) debugFrame(pos es.Position) error {
	if err := c.checkLog(); err != nil {
		return err
	}
	frame, err := filelog.Frame(nil, c.dataDir, pos)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(frame.Entry.Bytes)
	doc := frameDoc{
		Entry: readable.NewEntry(frame.Entry, true), SHA256: hex.EncodeToString(sum[:]), File: frame.File, Offset: frame.Offset,
		FrameBytes: frame.Length, CRC: fmt.Sprintf("%08x", frame.CRC), PrevCRC: fmt.Sprintf("%08x", frame.PrevCRC), Following: frame.Following,
		Frame: hex.EncodeToString(frame.Raw),
	}
	switch c.form {
	case formJSON:
		err = writeJSON(c.stdout, doc)
	case formJSONL:
		err = writeJSONLine(c.stdout, doc)
	case formCSV:
		return usagef("a frame has no table form; use -o json")
	default:
		err = writeFrame(c.stdout, doc, frame.Raw)
	}
	if err == nil && doc.Error != "" {
		return failf(exitFailure, "%s", doc.Error)
	}
	return err
}

func writeFrame(w io.Writer, doc frameDoc, raw []byte) error {
	var b strings.Builder
	for _, line := range [][2]string{
		{"position", strconv.FormatUint(doc.Position, 10)},
		{"previous", strconv.FormatUint(doc.Prev, 10)},
		{"ordinal", strconv.FormatUint(doc.Ordinal, 10)},
		{"stream", fmt.Sprintf("%s @ %d", doc.Stream, doc.Revision)},
		{"event id", doc.EventID},
		{"type", doc.Type},
		{"recorded at", doc.RecordedAt},
		{"record", fmt.Sprintf("%d bytes, sha256 %s", doc.RecordBytes, doc.SHA256)},
		{"frame", fmt.Sprintf("%d bytes at byte %d of %s", doc.FrameBytes, doc.Offset, doc.File)},
		{"checksum", fmt.Sprintf("crc32c %s, after %s; %d more of its append follow", doc.CRC, doc.PrevCRC, doc.Following)},
	} {
		fmt.Fprintf(&b, "%-12s %s\n", line[0], line[1])
	}
	for _, part := range []struct {
		name string
		what readable.Object
	}{{"envelope", doc.Envelope}, {"event", doc.Event}} {
		if part.what == nil {
			continue
		}
		text, err := encodeJSON(part.what, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n%s %s\n", part.name, text)
	}
	b.WriteString("\nframe bytes\n" + hex.Dump(raw))
	_, err := io.WriteString(w, visibleLines(b.String()))
	return err
}

// stateDoc is the state of one stream as -o json prints it.
type stateDoc struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
	Position uint64 `json:"position"`
	State    any    `json:"state"`
}

func (c *cli) debugState(ctx context.Context, streamText string, until uint64) error {
	stream, err := streamArgument(streamText)
	if err != nil {
		return err
	}
	if c.form == formCSV {
		return usagef("a state has no table form; use -o json")
	}
	kind, _, err := es.ParseStream(stream)
	if err != nil {
		return err
	}
	var doc *stateDoc
	switch kind {
	case pledge.Decider.Kind:
		doc, err = foldStream(ctx, c, pledge.Decider, stream, until)
	case shipment.Decider.Kind:
		doc, err = foldStream(ctx, c, shipment.Decider, stream, until)
	case payment.Decider.Kind:
		doc, err = foldStream(ctx, c, payment.Decider, stream, until)
	case imports.Decider.Kind:
		doc, err = foldStream(ctx, c, imports.Decider, stream, until)
	default:
		return usagef("no rules are known for streams of kind %q; use %s", kind, strings.Join([]string{
			pledge.Decider.Kind, shipment.Decider.Kind, payment.Decider.Kind, imports.Decider.Kind,
		}, ", "))
	}
	if err != nil {
		return err
	}
	if c.form == formJSONL {
		return writeJSONLine(c.stdout, doc)
	}
	return writeJSON(c.stdout, doc)
}

func foldStream[S, C any](ctx context.Context, c *cli, decider es.Decider[S, C], stream string, until uint64) (_ *stateDoc, err error) {
	log, closeLog, err := c.openLog(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	state, events := decider.Initial(stream), uint64(0)
	doc := &stateDoc{Stream: stream}
	for e, err := range log.ReadStream(ctx, stream, 0) {
		if err != nil {
			return nil, err
		}
		if e.Revision > until {
			continue // the rest of the files is checked all the same
		}
		fact, err := wire.Decode(e)
		if err != nil {
			return nil, err
		}
		state = decider.Evolve(state, fact)
		doc.Revision, doc.Position = e.Revision, uint64(e.Position)
		events++
	}
	switch {
	case events == 0:
		return nil, failf(exitFailure, "there is no stream %s in this log; `allied pledges`, `shipments` and `payments` list them", stream)
	case until != math.MaxUint64 && doc.Revision < until:
		return nil, failf(exitFailure, "stream %s ends at revision %d; --at %d is beyond it", stream, doc.Revision, until)
	}
	doc.State, err = readableState(state)
	return doc, err
}
