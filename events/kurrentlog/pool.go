package kurrentlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"go.uber.org/zap"

	"github.com/allied-ledger/allied/events/es"
)

// connectWaitMax bounds how long a server may take to answer the first question of a connection.
const connectWaitMax = 5 * time.Second

// server says how to reach the server.
type server struct {
	config esdb.Configuration
	place  string // the connection string without its password, for messages
}

// settings are those of a connection string that the client knows; it passes over others without a word.
var settings = []string{
	"defaultdeadline", "discoveryinterval", "gossiptimeout", "keepaliveinterval", "keepalivetimeout", "maxdiscoverattempts",
	"nodepreference", "tls", "tlscafile", "tlsverifycert", "usercertfile", "userkeyfile",
}

// Place is a connection string without its password.
func Place(url string) string {
	at := strings.LastIndex(url, "@")
	if at < 0 {
		return url
	}
	scheme, credentials, found := strings.Cut(url[:at], "://")
	if !found {
		return url[at:]
	}
	user, _, _ := strings.Cut(credentials, ":")
	return scheme + "://" + user + url[at:]
}

// parse reads a connection string. What it says of one that it cannot read, it says of its Place, or says nothing that is in it: a password that is
// not written as URLs are is easily taken for another part.
func parse(text string, log *zap.Logger) (server, error) {
	place := Place(text)
	fail := func(err error) (server, error) {
		return server{}, fmt.Errorf("connection string %s: %w; write it as esdb://host:2113 or esdb+discover://host:2113", place, err)
	}
	if err := checkSettings(place); err != nil {
		return fail(err)
	}
	if _, err := esdb.ParseConnectionString(place); err != nil {
		return fail(err)
	}
	var c *esdb.Configuration
	err := checkSettings(text) // first, since the client library prints what it does not know
	if err == nil {
		c, err = esdb.ParseConnectionString(text)
	}
	if err != nil {
		return fail(errors.New("the user or the password is not written as in a URL: of letters and digits, and % with two digits for what else there is"))
	}
	c.MaxDiscoverAttempts = 1 // whoever needs a connection tries again
	c.NodePreference = esdb.NodePreferenceLeader
	c.Logger = func(_ esdb.LogLevel, format string, args ...any) {
		log.Debug(fmt.Sprintf(format, args...), zap.String("from", "store's client"))
	}
	return server{config: *c, place: place}, nil
}

// checkSettings refuses settings that the client library does not know.
func checkSettings(text string) error {
	_, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows the question mark is not name=value&name=value")
	}
	for name := range values {
		if !slices.Contains(settings, strings.ToLower(name)) {
			return fmt.Errorf("there is no setting %q, only %s", name, strings.Join(settings, ", "))
		}
	}
	return nil
}

// pool lends clients, each to one call at a time.
type pool struct {
	server server
	probe  string // a stream to ask for on a new connection
	slots  chan struct{}

	mu     sync.Mutex
	idle   []*esdb.Client
	closed bool
}

func newPool(s server, probe string, lendMax int) *pool {
	return &pool{server: s, probe: probe, slots: make(chan struct{}, lendMax)}
}

// UnreachableError: no connection to the server could be made, so nothing was tried. It is an es.ErrBusy.
type UnreachableError struct {
	Place string // the connection string, without its password
	Cause error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no connection to the store at %s: %s (%s)", e.Place, e.Cause, e.Remedy())
}

// Code is what a program branches on.
func (e *UnreachableError) Code() string { return "store_unreachable" }

// Remedy is what a person does.
func (e *UnreachableError) Remedy() string {
	return "see that the server runs and has a leader, and that its address and credentials are right; appends go on by themselves then"
}

// Unwrap makes it an es.ErrBusy; the cause is only told, since it may be a context's that is not the caller's.
func (e *UnreachableError) Unwrap() error { return es.ErrBusy }

// take lends a client that has found the server, a kept one where there is one. Every client is given back by put.
func (p *pool) take(ctx context.Context) (*esdb.Client, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 && !p.closed {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := p.connect(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// put takes a client back; one whose call failed is not lent again.
func (p *pool) put(c *esdb.Client, failed bool) {
	p.mu.Lock()
	keep := !failed && !p.closed
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		_ = c.Close() // never fails
	}
	<-p.slots
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.closeIdle()
}

// closeIdle closes the kept clients, so that the next ones look for the leader.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.Close() // never fails
	}
	p.idle = nil
}

// connect makes a client and has it find the server, in a goroutine of its own since that listens to no context.
func (p *pool) connect(ctx context.Context) (*esdb.Client, error) {
	config := p.server.config
	client, err := esdb.NewClient(&config)
	if err != nil {
		return nil, &UnreachableError{p.server.place, err}
	}
	asked := make(chan error, 1)
	asking, cancel := context.WithTimeout(ctx, connectWaitMax)
	go func() {
		defer cancel()
		err := ask(asking, client, p.probe)
		if isCode(err, esdb.ErrorCodeNotLeader) { // the client has turned to the leader
			err = ask(asking, client, p.probe)
		}
		if err != nil {
			_ = client.Close() // never fails
		}
		asked <- err
	}()
	select {
	case err = <-asked:
		if err == nil {
			return client, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if isDenied(err) {
			return nil, &DeniedError{err}
		}
		if s := serverStatus(err); s != nil { // without the client's own words around it
			err = errors.New(s.Message())
		}
		return nil, &UnreachableError{p.server.place, err}
	case <-ctx.Done():
		go func() {
			if <-asked == nil {
				_ = client.Close() // never fails
			}
		}()
		return nil, ctx.Err()
	}
}

// ask reads the first event of a stream, which need not be there.
func ask(ctx context.Context, client *esdb.Client, stream string) error {
	r, err := client.ReadStream(leaderOnly(ctx), stream, esdb.ReadStreamOptions{RequiresLeader: true}, 1)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err = receive(r); errors.Is(err, io.EOF) || isNoStream(err) {
		return nil
	}
	return err
}
