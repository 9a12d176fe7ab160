package kurrentlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

const (
	appendsInFlightMax = 64
	readsInFlightMax   = 64
	// appendWaitMax bounds an append, from its sending until it is seen in the log.
	appendWaitMax = 10 * time.Second
	// startWaitMax bounds the first look at the server.
	startWaitMax = 30 * time.Second
)

// Config says where the store is.
type Config struct {
	// URL is the server's connection string, such as esdb://user:password@host:2113?tlsCaFile=ca.crt or, for a cluster found by DNS,
	// esdb+discover://host:2113. It must name the leader or a cluster.
	URL string
	// Describe names a record's type, which begins with "allied.", and gives a JSON copy of it for the server's own tools; the copy may be
	// nil. Where Describe is nil, every record is an "allied.record".
	Describe func(es.Record) (eventType string, metadata []byte)
	// Existing opens only a log that is there: where there is none, Open fails with ErrNoLog.
	Existing bool
	// ReadOnly writes nothing: it begins no log, keeps no page of the index, and refuses appends.
	ReadOnly bool
	Logger   *zap.Logger

	prefix string // of all stream names, so that tests share a server
}

var (
	// ErrNoLog: there is no log in the store, and none may be begun.
	ErrNoLog = errors.New("the store holds no log")

	errReadOnly = fmt.Errorf("%w: the store was opened to be read only", es.ErrInvalid)
)

// Log is an es.Log on a server.
type Log struct {
	id      uuid.UUID
	cfg     Config
	names   names
	appends *pool
	reads   *pool
	follow  *follower

	life    context.Context // of what runs beside the calls
	stop    context.CancelFunc
	workers sync.WaitGroup

	mu     sync.RWMutex // held to read by calls, to write by Close
	closed chan struct{}
}

var _ es.Log = (*Log)(nil)

// Open connects to the server, begins a log there where there is none, and reads where it ends. It fails where no server answers.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Describe == nil {
		cfg.Describe = func(es.Record) (string, []byte) { return typePrefix + "record", nil }
	}
	server, err := parse(cfg.URL, cfg.Logger)
	if err != nil {
		return nil, err
	}
	n, closed := names{cfg.prefix}, make(chan struct{})
	l := &Log{
		cfg: cfg, names: n, closed: closed, follow: newFollower(n, closed),
		appends: newPool(server, n.log(), appendsInFlightMax), reads: newPool(server, n.log(), readsInFlightMax),
	}
	l.life, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	starting, cancel := context.WithTimeout(ctx, startWaitMax)
	defer cancel()
	if err := l.start(starting); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", server.place, err), l.Close())
	}
	return l, nil
}

func (l *Log) start(ctx context.Context) error {
	var err error
	if l.id, err = l.identify(ctx); err != nil {
		return err
	}
	if err := l.loadIndex(ctx); err != nil {
		return err
	}
	kept := len(l.follow.index.pages)
	l.workers.Go(func() { l.followAll(l.life) })
	if !l.cfg.ReadOnly {
		l.workers.Go(func() { l.keepIndex(l.life, kept) })
	}
	if _, err = l.sync(ctx); err == nil {
		err = l.follow.until(ctx, func() bool { return l.follow.lost == nil })
	}
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, l.Refusal()) // why it took so long
	}
	return err
}

// beginning is the data of the first event of the log's own stream.
type beginning struct {
	LogID uuid.UUID `json:"log_id"`
}

// identify reads the log's id, or gives it one. Of two that begin at the same time one wins, and both take its id.
func (l *Log) identify(ctx context.Context) (uuid.UUID, error) {
	for {
		var found *beginning
		for e, err := range l.stream(ctx, l.names.log(), 0, 1) {
			if err != nil {
				return uuid.Nil, fmt.Errorf("read the log's id: %w", err)
			}
			if err := json.Unmarshal(e.Data, &found); err != nil || found.LogID == uuid.Nil {
				return uuid.Nil, fmt.Errorf("stream %s does not begin with a log's id: is this the store of another program?", l.names.log())
			}
		}
		if found != nil {
			return found.LogID, nil
		}
		if l.cfg.ReadOnly || l.cfg.Existing {
			return uuid.Nil, ErrNoLog
		}
		data, err := json.Marshal(beginning{uuid.New()})
		if err != nil {
			return uuid.Nil, err
		}
		event := esdb.EventData{EventID: uuid.New(), EventType: "AlliedLogBegun", ContentType: esdb.ContentTypeJson, Data: data}
		if _, err := l.send(ctx, l.names.log(), es.NoStream, []esdb.EventData{event}); err != nil && !isWrongRevision(err) {
			return uuid.Nil, fmt.Errorf("begin a log: %w", err)
		}
	}
}

// ID names the log; it is kept in the store.
func (l *Log) ID() uuid.UUID { return l.id }

// Close waits for appends under way and disconnects.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		return es.ErrClosed
	}
	close(l.closed)
	l.stop()
	l.workers.Wait()
	l.appends.close()
	l.reads.close()
	return nil
}

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// ended says why a reader must stop.
func (l *Log) ended(ctx context.Context) error {
	if l.isClosed() {
		return es.ErrClosed
	}
	return ctx.Err()
}

// Refusal is the error that an append would be answered now: while the server cannot be reached, or where the log is damaged. It is nil
// where appends are taken.
func (l *Log) Refusal() error { return l.follow.refusal() }

// Head is the end of the log as the server's leader has it, once the follower has reached it.
func (l *Log) Head(ctx context.Context) (es.Head, error) {
	if err := l.ended(ctx); err != nil {
		return es.Head{}, err
	}
	return l.sync(ctx)
}

// sync returns the log's head once the follower has passed all that the server's leader has now.
func (l *Log) sync(ctx context.Context) (es.Head, error) {
	last, err := l.lastPosition(ctx)
	if err != nil {
		return es.Head{}, fmt.Errorf("ask for the log's head: %w", l.cause(ctx, err))
	}
	if err := l.follow.await(ctx, last); err != nil {
		return es.Head{}, fmt.Errorf("wait for position %d: %w", last, err)
	}
	if err := l.follow.refusal(); errors.Is(err, errSetBack) {
		return es.Head{}, err
	}
	return l.follow.head(), nil
}

// cause is why a call ends with err: because the log was closed or its caller gave up, where that is so, whatever err is.
func (l *Log) cause(ctx context.Context, err error) error {
	if ended := l.ended(ctx); ended != nil {
		return ended
	}
	return err
}

const (
	typePrefix = "allied." // of the types of the log's events
	logName    = "allied_log"
	indexName  = "allied_index"
)

// names maps the ledger's streams to the server's.
type names struct{ prefix string }

func (n names) log() string   { return n.prefix + logName }
func (n names) index() string { return n.prefix + indexName }

// plain tells a character that a stream's name on the server holds as it is.
func plain(c byte) bool { return c > ' ' && c < 0x7f && c != '%' }

// stored is a stream's name on the server: the same, but for characters that the server or its tools could take for something else, which are
// written as % and two digits. The $ of a system stream and the first letter of the log's own streams are, too.
func (n names) stored(stream string) string {
	var b strings.Builder
	b.WriteString(n.prefix)
	taken := stream == logName || stream == indexName || strings.HasPrefix(stream, "$")
	for i := range len(stream) {
		if c := stream[i]; plain(c) && (i > 0 || !taken) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// ledger is the ledger's name of a stream of the server; ok is false where it is no stream of the log.
func (n names) ledger(stored string) (stream string, ok bool) {
	text, ok := strings.CutPrefix(stored, n.prefix)
	if !ok || text == "" || text[0] == '$' || text == logName || text == indexName {
		return "", false
	}
	escaped := slices.IndexFunc([]byte(text), func(c byte) bool { return !plain(c) })
	if escaped < 0 {
		return text, true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' && i+3 <= len(text) {
			code, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			c, i = byte(code), i+2
		}
		b.WriteByte(c)
	}
	stream = b.String()
	return stream, n.stored(stream) == stored // no other name is written so
}
