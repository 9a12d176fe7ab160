// Package embednats runs a NATS server inside this process.
package embednats

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// PayloadBytesMax is the largest message that the server carries.
const PayloadBytesMax = 1 << 20

const readyWaitMax = 10 * time.Second

// Config says where the server can be reached.
type Config struct {
	// Host is the address to listen on. It stays a loopback address until clients have identities; empty is 127.0.0.1.
	Host string
	// Port to listen on; 0 takes a free one.
	Port int
	// InProcess leaves the server without a listener: only Dial reaches it.
	InProcess bool
	Logger    *zap.Logger
}

// Server is a running NATS server. It keeps nothing: the event store is the record.
type Server struct {
	nats      *server.Server
	inProcess bool
}

// Start runs a server and returns once it takes connections.
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
	return &Server{nats: s, inProcess: cfg.InProcess}, nil
}

// URL is where other processes reach the server; empty without a listener.
func (s *Server) URL() string {
	if s.inProcess {
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
}
