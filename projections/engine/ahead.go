package engine

import (
	"context"
	"iter"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/wire"
)

// What is read ahead is bounded: so many chunks, of so many events or, but for the last event of each, bytes.
const (
	aheadChunksMax      = 8
	aheadChunkEventsMax = 128
	aheadChunkBytesMax  = 256 << 10
)

// decoded is an entry and the fact that it holds, or why that cannot be told.
type decoded struct {
	es.Entry
	fact *es.Fact
	err  error
}

func decode(e es.Entry) decoded {
	f, err := wire.Decode(e)
	return decoded{Entry: e, fact: f, err: err}
}

// readAhead reads and decodes entries on a goroutine of its own, while the loop that takes them folds and commits. The goroutine has ended when
// the loop has.
func readAhead(ctx context.Context, read func(context.Context) iter.Seq2[es.Entry, error]) iter.Seq2[decoded, error] {
	return func(yield func(decoded, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		chunks := make(chan []decoded, aheadChunksMax)
		var failed error // read when chunks is closed
		go func() {
			defer close(chunks)
			failed = decodeInto(ctx, chunks, read(ctx))
		}()
		defer func() {
			cancel()
			for range chunks {
			}
		}()
		for chunk := range chunks {
			for _, d := range chunk {
				if !yield(d, nil) {
					return
				}
			}
		}
		if failed != nil {
			yield(decoded{}, failed)
		}
	}
}

// decodeInto sends what it decodes, all before an error too.
func decodeInto(ctx context.Context, chunks chan<- []decoded, entries iter.Seq2[es.Entry, error]) error {
	var chunk []decoded
	bytes := 0
	send := func() error {
		select {
		case chunks <- chunk:
			chunk, bytes = make([]decoded, 0, aheadChunkEventsMax), 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for e, err := range entries {
		if err != nil {
			if stopped := send(); stopped != nil {
				return stopped
			}
			return err
		}
		chunk, bytes = append(chunk, decode(e)), bytes+len(e.Bytes)
		if len(chunk) == aheadChunkEventsMax || bytes >= aheadChunkBytesMax {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}
