package filelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
)

// histories is how many random histories run: 1,000, a tenth of it in short mode, or what ALLIED_LOG_HISTORIES says.
func histories(t *testing.T) int {
	if text := os.Getenv("ALLIED_LOG_HISTORIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("ALLIED_LOG_HISTORIES: %v", err)
		}
		return n
	}
	if testing.Short() || raceEnabled {
		return 100
	}
	return 1000
}

// TestCrashesKeepWhatWasAnswered crashes the file system at random moments, which drops a random part of what was not synced, and
// compares what is there afterwards with a model.
func TestCrashesKeepWhatWasAnswered(t *testing.T) {
	lives, crashes := 0, 0
	for seed := range histories(t) {
		h := newHistory(uint64(seed), func(fs vfs.FS) vfs.FS { return fs })
		if err := h.run(); err != nil {
			t.Fatalf("history with seed %d: %v", seed, err)
		}
		lives, crashes = lives+h.lives, crashes+h.crashes
	}
	t.Logf("%d histories of %d openings and %d crashes kept every answered append", histories(t), lives, crashes)
}

// TestCrashesWithoutSyncLoseAnswers shows that the test above would notice: the same histories with sync switched off, all of it, or the
// one before the answers alone.
func TestCrashesWithoutSyncLoseAnswers(t *testing.T) {
	for name, fileOf := range map[string]func(vfs.File) vfs.File{
		"every sync":     func(f vfs.File) vfs.File { return noSyncFile{f} },
		"a group's sync": func(f vfs.File) vfs.File { return noDataSyncFile{f} },
	} {
		t.Run(name, func(t *testing.T) {
			const tried = 100
			failed := 0
			var first error
			for seed := range tried {
				h := newHistory(uint64(seed), func(fs vfs.FS) vfs.FS { return noSyncFS{fs, fileOf} })
				if err := h.run(); err != nil {
					if failed++; first == nil {
						first = err
					}
				}
			}
			t.Logf("without %s %d of %d histories lose what was answered, the first: %v", name, failed, tried, first)
			if failed < tried/5 {
				t.Errorf("only %d of %d histories fail", failed, tried)
			}
		})
	}
}

// attempt is one append of a writer, with the answer it got, if any.
type attempt struct {
	es.Append
	answered bool
	result   es.Result
}

// history is a model of one log over several lives. Each writer has a stream of its own and appends to it in order, so the stream holds
// the writer's attempts up to one that is not before the last answered one.
type history struct {
	rng   *rand.Rand
	wrap  func(vfs.FS) vfs.FS
	disk  *vfs.MemFS
	id    uuid.UUID
	label int

	lives, crashes int

	mu       sync.Mutex
	attempts [][]attempt // by writer
}

func newHistory(seed uint64, wrap func(vfs.FS) vfs.FS) *history {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &history{rng: rng, wrap: wrap, disk: vfs.NewCrashableMem(), attempts: make([][]attempt, 1+rng.IntN(3))}
}

func (h *history) run() error {
	segmentBytes := int64(1 + h.rng.IntN(4<<10))
	for range 2 + h.rng.IntN(3) {
		l, err := filelog.Open(filelog.Config{Dir: "/a/ledger", FS: h.wrap(h.disk), SegmentBytes: segmentBytes})
		if err != nil {
			return fmt.Errorf("life %d: open: %w", h.lives, err)
		}
		err = h.live(l)
		if closeErr := l.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close: %w", closeErr)
		}
		if err != nil {
			return fmt.Errorf("life %d: %w", h.lives, err)
		}
		h.lives++
	}
	return nil
}

// live compares the log with the model, then lets writers append and the disk crash under them.
func (h *history) live(l *filelog.Log) error {
	if h.id != uuid.Nil && l.ID() != h.id {
		return fmt.Errorf("the log's id changed from %s to %s", h.id, l.ID())
	}
	h.id = l.ID()
	if err := h.settle(l); err != nil {
		return err
	}
	var crashed *vfs.MemFS
	var kept []int // how many attempts of each writer were answered when the disk crashed
	rounds := h.rng.IntN(12)
	crashAt := h.rng.IntN(rounds*len(h.attempts) + 2)
	config := vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[h.rng.IntN(4)], RNG: rand.New(rand.NewPCG(h.rng.Uint64(), 2))}
	answers := 0
	var writers sync.WaitGroup
	for w := range h.attempts {
		plan := h.plan(w, rounds)
		writers.Go(func() {
			for _, a := range plan {
				h.mu.Lock()
				h.attempts[w] = append(h.attempts[w], attempt{Append: a})
				h.mu.Unlock()
				results := l.Append(background, []es.Append{a})
				h.mu.Lock()
				if results[0].Err == nil {
					last := &h.attempts[w][len(h.attempts[w])-1]
					last.answered, last.result = true, results[0]
				}
				if answers++; answers == crashAt {
					kept = h.answered()
					crashed = h.disk.CrashClone(config)
				}
				h.mu.Unlock()
				if results[0].Err != nil {
					return
				}
			}
		})
	}
	writers.Wait()
	if crashed != nil {
		h.crashes++
		h.disk = crashed
		for w, n := range kept {
			for i := range h.attempts[w][n:] {
				h.attempts[w][n+i].answered = false
			}
		}
	}
	return nil
}

func (h *history) answered() []int {
	counts := make([]int, len(h.attempts))
	for w, attempts := range h.attempts {
		for counts[w] < len(attempts) && attempts[counts[w]].answered {
			counts[w]++
		}
	}
	return counts
}

// plan prepares a writer's next appends.
func (h *history) plan(w, rounds int) (plan []es.Append) {
	revision := es.NoStream
	for _, a := range h.attempts[w] {
		revision += int64(len(a.Records))
	}
	for range rounds {
		a := es.Append{Stream: fmt.Sprintf("pledge-%d", w), Expected: revision}
		for range 1 + h.rng.IntN(4) {
			content := make([]byte, h.rng.IntN(700))
			for i := range content {
				content[i] = byte(h.rng.Uint32())
			}
			h.label++
			a.Records = append(a.Records, es.Record{ID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(content, h.label)), Bytes: content})
		}
		revision += int64(len(a.Records))
		plan = append(plan, a)
	}
	return plan
}

// settle holds the log to the model, and takes over what the log knows of the appends that were not answered.
func (h *history) settle(l *filelog.Log) error {
	streams := map[string][]es.Entry{}
	var prev es.Position
	ordinal := uint64(0)
	for e, err := range l.Read(background, 0) {
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if e.Prev != prev || e.Ordinal != ordinal || e.Revision != uint64(len(streams[e.Stream])) {
			return fmt.Errorf("the order breaks at %+v after position %d, ordinal %d", e, prev, ordinal)
		}
		prev, ordinal = e.Position, ordinal+1
		streams[e.Stream] = append(streams[e.Stream], e)
	}
	for w := range h.attempts {
		entries := streams[fmt.Sprintf("pledge-%d", w)]
		known := 0
		for i := range h.attempts[w] {
			a := &h.attempts[w][i]
			if known == len(entries) {
				if a.answered {
					return fmt.Errorf("writer %d: append %d of %d is lost; it was answered position %d", w, i, len(h.attempts[w]), a.result.Position)
				}
				h.attempts[w] = h.attempts[w][:i]
				break
			}
			if known+len(a.Records) > len(entries) {
				return fmt.Errorf("writer %d: append %d is there in part", w, i)
			}
			for _, r := range a.Records {
				if entries[known].ID != r.ID || !bytes.Equal(entries[known].Bytes, r.Bytes) {
					return fmt.Errorf("writer %d: append %d has another record at revision %d", w, i, known)
				}
				known++
			}
			last := es.Result{Position: entries[known-1].Position, Ordinal: entries[known-1].Ordinal}
			if a.answered && a.result != last {
				return fmt.Errorf("writer %d: append %d was answered %+v and is at %+v", w, i, a.result, last)
			}
			a.answered, a.result = true, last
			last.Repeated = true
			if repeat := l.Append(background, []es.Append{a.Append})[0]; repeat != last {
				return fmt.Errorf("writer %d: the repeat of append %d answers %+v, not %+v", w, i, repeat, last)
			}
		}
		if known != len(entries) {
			return fmt.Errorf("writer %d: %d entries that nobody appended", w, len(entries)-known)
		}
		n := 0
		for e, err := range l.ReadStream(background, fmt.Sprintf("pledge-%d", w), 0) {
			if err != nil {
				return fmt.Errorf("read stream: %w", err)
			}
			if n >= len(entries) || e.Position != entries[n].Position {
				return errors.New("the stream differs from the log")
			}
			n++
		}
		if n != len(entries) {
			return fmt.Errorf("writer %d: the stream has %d of %d entries", w, n, len(entries))
		}
	}
	return nil
}

// noSyncFS answers that files are synced and syncs less.
type noSyncFS struct {
	vfs.FS
	fileOf func(vfs.File) vfs.File
}

func (n noSyncFS) Unwrap() vfs.FS { return n.FS }

func (n noSyncFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := n.FS.Create(name, c)
	return n.fileOf(f), err
}

func (n noSyncFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := n.FS.OpenReadWrite(name, c, o...)
	return n.fileOf(f), err
}

type noSyncFile struct{ vfs.File }

func (noSyncFile) Sync() error                { return nil }
func (noSyncFile) SyncData() error            { return nil }
func (noSyncFile) SyncTo(int64) (bool, error) { return true, nil }

type noDataSyncFile struct{ vfs.File }

func (noDataSyncFile) SyncData() error { return nil }
