package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/feed"
	"github.com/allied-ledger/allied/services/relay"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

// refillWaitMax bounds how long a relay is waited for to take up what was asked.
const refillWaitMax = 10 * time.Second

func (c *cli) relayCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "relay",
		Short: "See how far the streams of events are, and say where one goes on",
	})
	status := &cobra.Command{
		Use:   "status",
		Short: "Show how far each stream is, and why one is held",
		Long: `Shows the streams of JetStream on which the role relay publishes every event: how many messages each holds, the ordinal of the event that is
published next, and how many events the log has. A stream that has lost messages is held: nothing is published until refill says where to go on.

It looks at the NATS server of the ledger that is served, and changes nothing. The exit code is 1 where a stream is held.`,
		Example: `  allied relay status --server nats://127.0.0.1:4222`,
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.relayStatus(cmd.Context()) },
	}
	var from uint64
	var stream string
	refill := &cobra.Command{
		Use:   "refill",
		Short: "Say from which ordinal on events are published",
		Long: `Has the relay publish the events from an ordinal on, whatever the stream holds or held of them: 0 publishes all events again, the ordinal that
` + "`allied relay status`" + ` shows as next publishes none again. Consumers see what is published again as new messages, with the ordinals that they know.

The relay takes it up within seconds, also while it publishes; where none runs, the next one does.`,
		Example: `  allied relay refill --from 0
  allied relay refill --from 1200 --stream ` + relay.EventsJSON.Stream,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("from") {
				return usagef("--from is missing: name the ordinal of the first event to publish; `allied relay status` shows which would be next")
			}
			return c.relayRefill(cmd.Context(), stream, from)
		},
	}
	refill.Flags().Uint64Var(&from, "from", 0, "ordinal of the first event to publish")
	refill.Flags().StringVar(&stream, "stream", relay.Events.Stream, "stream to fill, "+relay.Events.Stream+" or "+relay.EventsJSON.Stream)
	cmd.AddCommand(status, refill)
	return cmd
}

// dialRelay connects to the NATS server of a ledger that is served.
func (c *cli) dialRelay(ctx context.Context) (*nats.Conn, jetstream.JetStream, error) {
	url := c.server
	if url == "" {
		owner, err := boot.ReadOwner(c.dataDir)
		if err != nil {
			return nil, nil, err
		}
		if held, err := boot.IsHeld(c.dataDir); err != nil || !held || owner.URL == "" {
			return nil, nil, errors.Join(err, failf(exitUnavailable, "nobody serves %s, and streams are where the server is: start `allied serve`, or name one with --server", c.dataDir))
		}
		url = owner.URL
	}
	nc, err := boot.Dial(url, nats.Name("allied relay command"))
	if err != nil {
		return nil, nil, withRemedy(err, "is it running? `allied serve` prints its address")
	}
	js, err := jetstream.New(nc)
	return nc, js, err
}

// relayDoc is what -o json prints.
type relayDoc struct {
	Streams []relay.Report `json:"streams"`
}

func (c *cli) relayStatus(ctx context.Context) error {
	nc, js, err := c.dialRelay(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	doc, err := inspectRelay(ctx, nc, js)
	if err != nil {
		return err
	}
	if err := printRelay(doc).write(c.stdout, c.form); err != nil {
		return err
	}
	for _, r := range doc.Streams {
		if r.Held != nil {
			return &silentFailure{exitFailure}
		}
	}
	return nil
}

// inspectRelay looks at both streams; the twin where it is there, or was.
func inspectRelay(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) (doc relayDoc, err error) {
	source := feed.New(nc, zap.NewNop())
	for _, form := range []relay.Form{relay.Events, relay.EventsJSON} {
		r, err := relay.Inspect(ctx, js, source, form)
		if err != nil {
			return doc, err
		}
		if form.Stream == relay.Events.Stream || r.Exists || r.Checkpoint != nil {
			doc.Streams = append(doc.Streams, r)
		}
	}
	return doc, nil
}

func printRelay(doc relayDoc) *printout {
	out := &printout{document: doc, columns: []column{left("stream"), right("messages"), right("next"), right("log_events"), left("state")}}
	for _, r := range doc.Streams {
		state := "ok"
		switch {
		case r.Checkpoint != nil && r.Checkpoint.RefillFrom != nil:
			state = fmt.Sprintf("to be filled from %d", *r.Checkpoint.RefillFrom)
		case r.Held != nil:
			state = "held"
		case !r.Exists:
			state = "no relay has run"
		}
		next := strconv.FormatUint(r.Next, 10)
		if r.Held != nil {
			next = ""
			out.notes = append(out.notes, fmt.Sprintf("%s: %s: %s", r.Stream, r.Held.Reason, r.Held.Remedy))
		}
		out.add(r.Stream, strconv.FormatUint(r.Messages, 10), next, strconv.FormatUint(r.LogEvents, 10), state)
		out.items = append(out.items, r)
	}
	return out
}

func (c *cli) relayRefill(ctx context.Context, stream string, from uint64) error {
	form := relay.Events
	switch stream {
	case relay.Events.Stream:
	case relay.EventsJSON.Stream:
		form = relay.EventsJSON
	default:
		return usagef("--stream %q is none of %s, %s", stream, relay.Events.Stream, relay.EventsJSON.Stream)
	}
	nc, js, err := c.dialRelay(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	err = relay.Refill(ctx, js, feed.New(nc, zap.NewNop()), form, from)
	var refused *es.Refusal
	if errors.As(err, &refused) {
		return failf(exitFailure, "%s: %s; %s", refused.Code, refused.Reason, refused.Remedy)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, refillWaitMax)
	defer cancel()
	taken, err := relay.AwaitRefill(ctx, js, form)
	switch {
	case err != nil:
		return err
	case taken:
		c.say("the relay publishes on %s from ordinal %d on", stream, from)
	default:
		c.say("no relay has taken it up yet: one that is started with the role relay publishes on %s from ordinal %d on", stream, from)
	}
	return nil
}
