// Package embednats runs a NATS server inside this process.
package embednats

import (
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// PayloadBytesMax is the largest message that the server carries.
const PayloadBytesMax = 1 << 20

const (
	readyWaitMax = 10 * time.Second
	// streamBytesMax bounds what all streams hold in memory. They hold only what can be made again.
	streamBytesMax = 256 << 20
	// syncEvery is how much of what streams keep on disk a power failure may take. They hold only what the event store has.
	syncEvery = 5 * time.Second
)

// Config says where the server can be reached.
type Config struct {
	// Host is the address to listen on. It stays a loopback address until clients have identities; empty is 127.0.0.1.
	Host string
	// Port to listen on; 0 takes a free one.
	Port int
	// InProcess leaves the server without a listener: only Dial reaches it.
	InProcess bool
	// StreamsDir is a folder for JetStream alone, which wants one also where its streams stay in memory. Then whatever is in it is removed at the
	// start and at the end. Empty runs no JetStream.
	StreamsDir string
	// KeptBytesMax bounds what streams keep on disk in StreamsDir, which outlives the server; they stay in memory where it is 0.
	KeptBytesMax int64
	// StreamsMax leaves room for the streams of the ledger and no more; one where it is 0. A stream on subjects of the ledger would acknowledge
	// each request on them, and who asked would take that for the answer.
	StreamsMax int
	Logger     *zap.Logger
}

// Server is a running NATS server. What it keeps can be made again: the event store is the record.
type Server struct {
	nats *server.Server
	cfg  Config
}

// Start runs a server and returns once it takes connections. A server that cannot run JetStream runs without it, and the log says why.
func Start(cfg Config) (*Server, error) {
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if cfg.Port == 0 {
		cfg.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "allied",
		Host:       cfg.Host,
		Port:       cfg.Port,
		DontListen: cfg.InProcess,
		MaxPayload: PayloadBytesMax,
		NoSigs:     true,

		SyncInterval: syncEvery,
	})
	if err != nil {
		return nil, fmt.Errorf("start embedded NATS on %s:%d: %w", cfg.Host, cfg.Port, err)
	}
	log := &logger{zap: cfg.Logger.Sugar()}
	s.SetLoggerV2(log, false, false, false)
	s.Start() // returns with the listener open, or after a fatal message
	if log.failed.Load() != nil || !s.ReadyForConnections(readyWaitMax) {
		s.Shutdown()
		return nil, fmt.Errorf("start embedded NATS on %s:%d: %s; choose another address, or stop what uses it", cfg.Host, cfg.Port, log.reason())
	}
	out := &Server{s, cfg}
	if cfg.StreamsDir != "" {
		if err := out.startStreams(); err != nil {
			cfg.Logger.Warn("JetStream does not run: there are no live views and no stream of events; the ledger is whole without them", zap.String("folder", cfg.StreamsDir), zap.Error(err))
		}
	}
	return out, nil
}

func (s *Server) startStreams() error {
	kept := s.cfg.KeptBytesMax
	if kept == 0 {
		if err := os.RemoveAll(s.cfg.StreamsDir); err != nil {
			return err
		}
		kept = 1 // byte: the server takes 0 for as much as there is
	}
	// The limits come after the streams that are there already, which the server opens first.
	if err := s.nats.EnableJetStream(&server.JetStreamConfig{
		MaxMemory: streamBytesMax, MaxStore: kept, StoreDir: s.cfg.StreamsDir,
	}); err != nil {
		return err
	}
	const noLimit = -1 // but the server's
	return s.nats.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": {
		MaxStreams: max(s.cfg.StreamsMax, 1),
		MaxMemory:  noLimit, MaxStore: noLimit, MaxConsumers: noLimit, MaxAckPending: noLimit, MemoryMaxStreamBytes: noLimit, StoreMaxStreamBytes: noLimit,
	}})
}

// URL is where other processes reach the server; empty without a listener.
func (s *Server) URL() string {
	if s.cfg.InProcess {
		return ""
	}
	return s.nats.ClientURL()
}

// Dial connects within the process, without a socket.
func (s *Server) Dial(opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append([]nats.Option{nats.InProcessServer(s.nats)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to embedded NATS: %w", err)
	}
	return nc, nil
}

// Close disconnects every client and returns once the server is down.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	if s.cfg.StreamsDir == "" || s.cfg.KeptBytesMax > 0 {
		return
	}
	if err := os.RemoveAll(s.cfg.StreamsDir); err != nil {
		s.cfg.Logger.Warn("a folder of JetStream stays behind; it may be removed", zap.String("folder", s.cfg.StreamsDir), zap.Error(err))
	}
}
