// Package live keeps buckets of JetStream's key-value store equal to read models, so that dashboards can read them and follow them.
//
// A bucket is disposable: at the start, and whenever it may have changed behind the publisher's back, all of it is compared with the read
// model, what differs is written again and keys that the read model does not have are deleted. What is written to the bucket is also sent on
// core NATS, by the server itself: what a subscriber hears is what the bucket holds, in the same order.
//
// Every write is conditional on the bucket's last one, so a publisher writes only while it has seen all that the bucket holds: of two at once
// one is refused, also where it would write another key. Whoever is refused reads the bucket again and judges anew. Position decides then:
// a publisher whose read model is behind what the bucket holds waits, unless the log itself does not reach that far. The recorder says which
// log counts and how far it reaches; values of another log, or from beyond the log's end, are what a replaced or restored ledger left behind.
//
// Each round of writes ends with the mark: the bucket, without anything written after the mark, equals the read model at the mark's position.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/pause"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

const (
	retryDelayMin = 50 * time.Millisecond
	retryDelayMax = 5 * time.Second
	// roundRestMin lies between two rounds: at most ten in a second, whatever the ledger does.
	roundRestMin = 100 * time.Millisecond
	// restsPerRound bounds what a large view costs: a round is followed by a rest of so many times its length, so that it takes a fifth of one
	// processor at most.
	restsPerRound = 4
	// checkDelay is how long a change of the bucket by somebody else stays unseen while the read model does not change.
	checkDelay = 5 * time.Second
)

// MarkKey is the key of a bucket's mark. Keys of rows have at least two tokens.
const MarkKey = "mark"

// Mark tells what a bucket is true at.
type Mark struct {
	LogID    uuid.UUID   `json:"log_id"`
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
	// Keys is how many keys the bucket has beside the mark.
	Keys int `json:"keys"`
}

// View declares what of a read model is live.
type View struct {
	// Bucket is the bucket's name. What it stores under a key is sent on Subject(Bucket, key).
	Bucket string
	Spec   engine.Spec
	// Table is the table of Spec whose rows are live.
	Table int
	// Key is a row's key: tokens that NATS takes, at least two, and another for each row.
	Key func(engine.Row) string
	// Value is a row's value: a JSON object with the checkpoint's log_id, position and ordinal. The same row and checkpoint give the same bytes.
	Value func(engine.Row, engine.Checkpoint) ([]byte, error)
}

// Subject is where what a bucket stores under a key is sent; `>` for all keys.
func Subject(bucket, key string) string { return "allied.view." + bucket + "." + key }

// Model is the read model that a bucket is to equal.
type Model struct {
	engine.Views
	// Head asks the recorder for its log and the log's end.
	Head func(context.Context) (engine.LogHead, error)
	// Await returns once the view holds a position; with an error at once where the view has stopped before it.
	Await func(context.Context, es.Position) error
}

// Publisher keeps one bucket equal to one read model.
type Publisher struct {
	js    jetstream.JetStream
	view  View
	model Model
	zap   *zap.Logger

	roundRest, checkDelay, retryMax time.Duration // the constants, but in tests

	delay   time.Duration // before the next attempt
	failing bool          // the last attempt failed, and the log says so
}

// New returns a publisher that has not begun.
func New(js jetstream.JetStream, view View, model Model, log *zap.Logger) *Publisher {
	return &Publisher{
		js: js, view: view, model: model, zap: log.With(zap.String("bucket", view.Bucket)), roundRest: roundRestMin, checkDelay: checkDelay, retryMax: retryDelayMax,
	}
}

// Run publishes until ctx ends. What fails is tried again, and never holds up the view itself.
func (p *Publisher) Run(ctx context.Context) error {
	for {
		err := p.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.delay = min(max(retryDelayMin, 2*p.delay), p.retryMax)
		switch {
		case errors.Is(err, errConflict):
			p.zap.Debug("live view is read again", zap.Duration("retry_in", p.delay), zap.Error(err))
		case !p.failing:
			p.failing = true
			p.zap.Warn("live view waits; what it shows is not the ledger's last word", zap.Error(err))
		}
		if err := pause.For(ctx, p.delay); err != nil {
			return err
		}
	}
}

// session compares the whole bucket with the read model, and then follows the read model until something fails or the bucket is changed by
// somebody else.
func (p *Publisher) session(ctx context.Context) error {
	if err := p.model.Await(ctx, 0); err != nil {
		return err
	}
	b, err := p.open(ctx)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", p.view.Bucket, err)
	}
	for {
		began := time.Now()
		wrote, err := b.round(ctx)
		if err != nil {
			return err
		}
		p.succeeded(wrote, b.at)
		if err := pause.For(ctx, max(p.roundRest, restsPerRound*time.Since(began))); err != nil {
			return err
		}
		if err := p.awaitChange(ctx, b); err != nil {
			return err
		}
	}
}

// succeeded notes a round that ended. Whoever wrote nothing may be one of two publishers that the other keeps refusing, and stays patient.
func (p *Publisher) succeeded(wrote bool, at engine.Checkpoint) {
	if wrote {
		p.delay = 0
	}
	if p.failing {
		p.failing = false
		p.zap.Info("live view is published again", zap.Uint64("position", uint64(at.Position)))
	}
}

// awaitChange returns once the read model has moved. Meanwhile it looks after the bucket.
func (p *Publisher) awaitChange(ctx context.Context, b *bucket) error {
	for {
		moved, err := p.awaitMove(ctx, b.at.Position+1)
		if moved || err != nil {
			return err
		}
		if err := b.check(ctx); err != nil {
			return err
		}
	}
}

// awaitMove waits a while for a position, also where the view has stopped and will never hold it.
func (p *Publisher) awaitMove(ctx context.Context, at es.Position) (bool, error) {
	patient, cancel := context.WithTimeout(ctx, p.checkDelay)
	defer cancel()
	if err := p.model.Await(patient, at); err == nil {
		return true, nil
	}
	<-patient.Done()
	return false, ctx.Err()
}

// stamp is what every value begins with.
type stamp struct {
	LogID    uuid.UUID   `json:"log_id"`
	Position es.Position `json:"position"`
	Ordinal  uint64      `json:"ordinal"`
}

// readStamp reads what of a value tells its origin; nothing where somebody else wrote it.
func readStamp(value []byte) (s stamp) {
	if err := json.Unmarshal(value, &s); err != nil {
		return stamp{}
	}
	return s
}
