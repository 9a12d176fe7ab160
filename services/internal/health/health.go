// Package health judges whether a ledger can be used, check by check.
package health

import (
	"context"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/services/client"
	"github.com/nats-io/nats.go"
)

// A view that is further behind than one of these misleads who reads it.
const (
	LagEventsMax  = 10_000
	LagSecondsMax = 60
)

// StoppedRemedy is what to do about a view that has stopped.
const StoppedRemedy = "mend the cause and restart the service; `allied replay --verify` checks the log"

// Check is what one look found.
type Check struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	// Remedy is what to do; empty where there is nothing to.
	Remedy string `json:"remedy,omitempty"`
	// Beside: the process serves those who ask it also where this fails.
	Beside bool `json:"beside,omitempty"`
}

func passed(check, format string, args ...any) Check {
	return Check{Check: check, OK: true, Found: fmt.Sprintf(format, args...)}
}

func failed(check, remedy, format string, args ...any) Check {
	return Check{Check: check, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

// NATS tells whether a connection stands.
func NATS(nc *nats.Conn) Check {
	if s := nc.Status(); s != nats.CONNECTED {
		return failed("nats", "start the NATS server, or the process that runs it, and look at the network between", "the connection is %s", s)
	}
	return passed("nats", "connected")
}

// Recorder tells whether the recorder answers and takes appends, and what it said.
func Recorder(ctx context.Context, ledger *client.Client) (Check, client.About) {
	const check = "recorder"
	about, err := ledger.About(ctx)
	switch {
	case err != nil:
		return failed(check, "look at the server's messages; start a process with the recorder where roles run apart", "%s", err), about
	case about.Refusal != nil:
		return failed(check, about.Refusal.Remedy, "%s: %s", about.Refusal.Code, about.Refusal.Reason), about
	}
	return passed(check, "%d events to position %d, log %s", about.Events, about.Position, about.LogID), about
}

// View tells how far one view is.
type View struct {
	View string `json:"view"`
	// Position and Ordinal of the last event that the view holds, and how many Events it holds; all zero before the first.
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	Events   uint64      `json:"events"`
	// Head is where the log ends now. It and both lags are null where the recorder does not answer.
	Head *Head `json:"head"`
	// LagEvents is how many events of the log the view does not hold.
	LagEvents *uint64 `json:"lag_events"`
	// LagSeconds is how long ago the view last held all that the log held, as far as its worker had heard, or how long ago the worker was made,
	// where it never did; zero where it holds all of it now.
	LagSeconds *float64 `json:"lag_seconds"`
	// Standby: another process folds the view, and this one takes over when that one ends.
	Standby bool `json:"standby,omitempty"`
	// Unread is why what is kept of the view cannot be read now, so that no question to it is answered.
	Unread string `json:"unread,omitempty"`
	// Stopped: it goes on only after a restart.
	Stopped bool `json:"stopped"`
	// Error is why the view stands still; a view that has not stopped tries again.
	Error string `json:"error,omitempty"`
}

// Head is the end of the log.
type Head struct {
	Position es.Position `json:"position"`
	Events   uint64      `json:"events"`
}

// Behind sets how far the view is behind a head, when it was last at the head that it knew, and what time it is.
func (v *View) Behind(head Head, atHead, now time.Time) {
	events := head.Events - min(v.Events, head.Events)
	var seconds float64
	if events > 0 {
		seconds = max(0, now.Sub(atHead).Seconds())
	}
	v.Head, v.LagEvents, v.LagSeconds = &head, &events, &seconds
}

func (v *View) check() Check {
	check := "view " + v.View
	why := ""
	if v.Error != "" {
		why = ": " + v.Error
	}
	switch {
	case v.Stopped:
		return failed(check, StoppedRemedy, "stopped at position %d%s", v.Position, why)
	case v.Unread != "":
		return failed(check, "see that the database of the views runs and can be reached; they go on by themselves then", "%s", v.Unread)
	case v.Head == nil:
		return failed(check, "start the recorder", "at position %d; how far behind cannot be told, since the recorder does not answer%s", v.Position, why)
	case *v.LagEvents > LagEventsMax || *v.LagSeconds > LagSecondsMax:
		return failed(check, "wait, and look whether it falls; where it grows, the machine is too slow for the load",
			"at position %d, %d events and %.0f seconds behind, of at most %d and %d%s", v.Position, *v.LagEvents, *v.LagSeconds, LagEventsMax, LagSecondsMax, why)
	}
	if v.Standby {
		why = ", kept by another process, for which this one stands by"
	}
	return passed(check, "at position %d, %d events behind%s", v.Position, *v.LagEvents, why)
}

// Relay tells how far one stream of events is, of which View has the name.
type Relay struct {
	View
	// Published counts what this process has published.
	Published uint64
	// Held is why nothing is published until an operator says where to go on, and Remedy how; empty where that is not so.
	Held, Remedy string
}

// Check judges the stream.
func (r Relay) Check() Check {
	check := "relay " + r.View.View
	if r.Held != "" {
		return failed(check, r.Remedy, "holds, and publishes nothing: %s", r.Held)
	}
	out := r.View.check()
	out.Check = check
	if !out.OK && r.Error != "" {
		out.Remedy = "see that the NATS server runs JetStream, has room for the stream, and takes messages; or leave out the role relay"
	}
	return out
}

// Query is the name under which the views are asked how far they are, with an empty request and an Answer.
const Query = "views"

// Answer tells how far each view of a process is.
type Answer struct {
	Views []View `json:"views"`
}

// Checks judges every view.
func (a Answer) Checks() []Check {
	var out []Check
	for _, v := range a.Views {
		out = append(out, v.check())
	}
	return out
}

// Views asks a process that serves views, and judges its answer.
func Views(ctx context.Context, ledger *client.Client) []Check {
	var answer Answer
	if err := ledger.Query(ctx, Query, struct{}{}, &answer); err != nil {
		return []Check{failed("views", "start a process with the role views", "%s", err)}
	}
	return answer.Checks()
}
