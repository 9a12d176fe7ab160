package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// Bucket is the key-value bucket of JetStream in which the relay keeps its checkpoints, one for each stream.
const Bucket = "allied_relay"

// bucketBytesMax bounds the bucket: of two keys one value each.
const bucketBytesMax = 1 << 20

// Checkpoint is what a stream was when the relay last noted it. Another relay goes on from it, and whoever finds less in the stream knows that
// messages were lost.
type Checkpoint struct {
	LogID uuid.UUID `json:"log_id"`
	place
	// Sequence is the last one that the stream had given, and Created when that stream was made. From then on the sequences of the stream and
	// the ordinals of the log grow together.
	Sequence uint64    `json:"sequence"`
	Created  time.Time `json:"created"`
	// Refills is how often an operator has said where to go on; what was noted before the last time counts no more.
	Refills uint64 `json:"refills"`
	// RefilledAt is the stream's last sequence when the last of these was taken up: sequences up to it are of other ordinals.
	RefilledAt uint64 `json:"refilled_at,omitempty"`
	// RefillFrom is the ordinal from which an operator wants the events published, until a relay has taken it up.
	RefillFrom *uint64 `json:"refill_from,omitempty"`
}

// after tells that a checkpoint of one stream is the later of two.
func (c Checkpoint) after(other Checkpoint) bool {
	if c.none() || other.none() {
		return !c.none()
	}
	return cmp.Or(cmp.Compare(c.Refills, other.Refills), cmp.Compare(c.Next, other.Next), cmp.Compare(c.Sequence, other.Sequence)) > 0
}

// none tells that there is no checkpoint: the first is written before the first message.
func (c Checkpoint) none() bool { return c.Created.IsZero() }

// prepareBucket makes sure that there is a bucket. How it is kept stays as an operator made it.
func prepareBucket(ctx context.Context, js jetstream.JetStream, storage jetstream.StorageType) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, Bucket)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, err
	}
	return js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Where the relay of the ledger is.", MaxBytes: bucketBytesMax, Storage: storage,
	})
}

// readCheckpoint returns what a bucket holds under a key, and its revision, which is 0 where it holds nothing.
func readCheckpoint(ctx context.Context, kv jetstream.KeyValue, key string) (c Checkpoint, revision uint64, err error) {
	e, err := kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return c, 0, nil
	case err != nil:
		return c, 0, fmt.Errorf("read the checkpoint: %w", err)
	}
	if err := json.Unmarshal(e.Value(), &c); err != nil {
		return c, 0, fmt.Errorf("read the checkpoint %s of bucket %s: %w", key, Bucket, err)
	}
	return c, e.Revision(), nil
}

// writeCheckpoint replaces the revision that the writer has read. Where that is no longer the last, its error is errChanged.
func writeCheckpoint(ctx context.Context, kv jetstream.KeyValue, key string, c Checkpoint, revision uint64) (uint64, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return 0, fmt.Errorf("encode the checkpoint: %w", err)
	}
	if revision == 0 {
		revision, err = kv.Create(ctx, key, value)
	} else {
		revision, err = kv.Update(ctx, key, value, revision)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyExists), isConflict(err):
		return 0, fmt.Errorf("%w: the checkpoint was written by somebody else", errChanged)
	case err != nil:
		return 0, fmt.Errorf("write the checkpoint: %w", err)
	}
	return revision, nil
}

// witness remembers the last checkpoint outside of NATS, so that a stream which was lost together with the bucket is not taken for one that has
// never been.
type witness struct {
	path    string // of a file; empty where there is none, and only the process remembers
	last    Checkpoint
	kept    Checkpoint // in the file
	written time.Time
}

// witnessDelay bounds how often the file is written, and synced.
const witnessDelay = 10 * time.Second

// load reads the file, once.
func (w *witness) load() error {
	if w.path == "" {
		return nil
	}
	data, err := os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var c Checkpoint
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return &HeldError{
			Reason: fmt.Sprintf("what the relay remembers cannot be read from %s: %s", w.path, err),
			Remedy: "remove the file where `allied relay status` shows the stream as it should be",
		}
	}
	w.last, w.kept = c, c
	return nil
}

// note remembers a checkpoint, and writes it to the file now and then, or now.
func (w *witness) note(c Checkpoint, now bool) error {
	w.last = c
	if w.path == "" || w.kept == c || !now && time.Since(w.written) < witnessDelay {
		return nil
	}
	w.written = time.Now()
	data, err := json.Marshal(c)
	if err == nil {
		err = replaceFile(w.path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	w.kept = c
	return nil
}

// replaceFile leaves, also after a power failure, the old content or the new.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.Create(filepath.Clean(path) + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
