package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/gateway/web"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/allied-ledger/allied/services/stream"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

const (
	// connectionsMax bounds the HTTP connections that are open at once; others wait to be taken.
	connectionsMax = 2*stream.StreamsMax + 1024
	// sendBufferBytes bounds what the system keeps of a reply that is not read: a slow reader of a stream is soon known to be one.
	sendBufferBytes = 128 << 10
	// readyWaitMax bounds how long one look at the ledger's health takes.
	readyWaitMax = 3 * time.Second
	// scrapeWaitMax bounds how long metrics are gathered, and scrapesInFlightMax how often at once.
	scrapeWaitMax      = 5 * time.Second
	scrapesInFlightMax = 4
)

// HTTPListenError: HTTP cannot be served at an address.
type HTTPListenError struct {
	Listen string
	Err    error
}

func (e *HTTPListenError) Error() string {
	return fmt.Sprintf("serve HTTP on %s: %s", e.Listen, e.Err)
}

func (e *HTTPListenError) Unwrap() error { return e.Err }

// front is the HTTP listener of one process: its health, its metrics, and the API where that role runs here.
type front struct {
	listener net.Listener
	server   *http.Server
	ledger   *client.Client
	nc       *nats.Conn
	node     *Node
}

// openHTTP takes the address before anything is opened, so that one in use is told at once. Who connects meanwhile waits.
func (n *Node) openHTTP(ctx context.Context) error {
	if n.cfg.HTTPListen == "" {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", n.cfg.HTTPListen)
	if err != nil {
		return &HTTPListenError{n.cfg.HTTPListen, err}
	}
	n.closers = append(n.closers, func() error {
		_ = l.Close() // closed already by the server, where it came to serve
		return nil
	})
	n.front = &front{listener: l, node: n}
	n.metrics = newRegistry()
	if n.cfg.HTTPInsecure {
		n.zap.Warn("HTTP may be reached from other machines, and nobody checks who acts: actors and authorities are unverified claims",
			zap.Stringer("listen", l.Addr()))
	}
	return nil
}

// startHTTP serves. It is the last to start and the first to stop, so that what it asks is there.
func (n *Node) startHTTP() (err error) {
	f := n.front
	if f.nc, err = n.dial(nats.Name("allied http"), nats.MaxReconnects(-1)); err != nil {
		return fmt.Errorf("start HTTP: %w", err)
	}
	n.closers = append(n.closers, func() error { f.nc.Close(); return nil })
	f.ledger = client.New(f.nc, client.Config{Logger: n.zap})
	var hub *stream.Hub
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", f.live)
	mux.HandleFunc("GET /readyz", f.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{
		Timeout: scrapeWaitMax, MaxRequestsInFlight: scrapesInFlightMax, ErrorHandling: promhttp.ContinueOnError, ErrorLog: zap.NewStdLog(n.zap),
	}))
	if n.cfg.runs(API) {
		api, err := gateway.New(f.ledger)
		if err != nil {
			return err
		}
		pages, err := web.Before(api)
		if err != nil {
			return err
		}
		mux.Handle("/", pages)
		if hub, err = n.startStreams(); err != nil {
			return err
		}
		mux.Handle("GET "+gateway.StreamPath, gateway.NewStream(hub))
	}
	if err := n.register(viewMetrics{n}); err != nil {
		return err
	}
	took, err := newRequestMetrics(n.metrics)
	if err != nil {
		return err
	}
	f.server = gateway.NewServer(mux)
	f.server.Handler, f.server.ErrorLog = measured(took, f.server.Handler), zap.NewStdLog(n.zap)
	if hub != nil {
		f.server.RegisterOnShutdown(hub.End)
	}
	n.run("http", f)
	return nil
}

// startStreams follows the ledger for the readers of streams.
func (n *Node) startStreams() (*stream.Hub, error) {
	nc, err := n.dial(nats.Name("allied streams"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("start streams: %w", err)
	}
	n.closers = append(n.closers, func() error { nc.Close(); return nil })
	hub, err := stream.New(nc, stream.Config{Bucket: LiveBalances.Bucket, Logger: n.zap, Metrics: n.metrics})
	if err != nil {
		return nil, err
	}
	n.run("streams", hub)
	return hub, nil
}

// measured times all requests but streams, which last for as long as somebody reads.
func measured(took *prometheus.HistogramVec, h http.Handler) http.Handler {
	timed := promhttp.InstrumentHandlerDuration(took, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == gateway.StreamPath {
			h.ServeHTTP(w, r)
			return
		}
		timed.ServeHTTP(w, r)
	})
}

// buffered bounds what the system keeps for those who do not read.
type buffered struct{ net.Listener }

func (l buffered) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBufferBytes) // else it keeps what it likes
	}
	return c, err
}

// url is where this machine reaches the listener.
func (f *front) url() string {
	at := *f.listener.Addr().(*net.TCPAddr)
	if at.IP.IsUnspecified() {
		at.IP = net.IPv4(127, 0, 0, 1)
	}
	return "http://" + at.String()
}

// Run serves until Stop.
func (f *front) Run(context.Context) error {
	err := f.server.Serve(netutil.LimitListener(buffered{f.listener}, connectionsMax))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Stop takes no new request and answers those that have arrived. When ctx ends first, their connections are cut.
func (f *front) Stop(ctx context.Context) error {
	if err := f.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop HTTP: requests still under way: %w", err), f.server.Close())
	}
	return nil
}

// live answers 200 while no role has failed.
func (f *front) live(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-f.node.failed.Done():
		http.Error(w, "a role has failed", http.StatusServiceUnavailable)
	default:
		_, _ = fmt.Fprintln(w, "ok")
	}
}

// ready answers 200 where all checks pass that stand for who asks here, and 503 where one fails, and all checks as JSON.
func (f *front) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWaitMax)
	defer cancel()
	checks := f.check(ctx)
	status := http.StatusOK
	for _, c := range checks {
		if !c.OK && !c.Beside {
			status = http.StatusServiceUnavailable
		}
	}
	body, err := json.MarshalIndent(checks, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who asked has gone where this fails
}

// check looks at what the roles of this process need: the recorder, and the views, its own where it has any, those of another process where
// only the API runs here, what its policies read, and what its relay publishes.
func (f *front) check(ctx context.Context) []health.Check {
	checks := []health.Check{health.NATS(f.nc)}
	if !checks[0].OK {
		return checks // the others would only wait for it
	}
	recorder, _ := health.Recorder(ctx, f.ledger)
	checks = append(checks, recorder)
	if f.node.views == nil && f.node.cfg.runs(API) {
		checks = append(checks, health.Views(ctx, f.ledger)...)
	}
	checks = append(checks, f.node.status(ctx).Checks()...)
	for _, r := range f.node.relayed(ctx) {
		check := r.Check()
		check.Beside = f.node.cfg.runs(API)
		checks = append(checks, check)
	}
	return checks
}

func newRequestMetrics(into prometheus.Registerer) (*prometheus.HistogramVec, error) {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "allied_http_request_duration_seconds", Help: "Time to answer HTTP requests, without streams, by method and status code.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	}, []string{"method", "code"})
	if err := into.Register(took); err != nil {
		return nil, fmt.Errorf("measure HTTP: %w", err)
	}
	return took, nil
}
