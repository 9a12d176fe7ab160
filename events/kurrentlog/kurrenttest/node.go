package kurrenttest

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// serverVersion is told to clients. The client v4.2.0 wants numbers between dots (esdb/impl.go, getSupportedMethods).
const serverVersion = "24.10.0"

// receiveBytesMax is the largest message, so that the limit of appends is met before it (TFConsts.cs, MaxLogRecordSize; not confirmed that it is this).
const receiveBytesMax = 16 << 20

// NodeConfig says how a node is reached.
type NodeConfig struct {
	Authority *Authority // nil is no TLS
	Username  string     // "" lets everybody in
	Password  string
}

// Node is one server on a store. It listens on a port of 127.0.0.1, and on the same one after each start.
type Node struct {
	api.UnimplementedStreamsServer
	gossip.UnimplementedGossipServer
	serverfeatures.UnimplementedServerFeaturesServer

	store  *Store
	config NodeConfig
	host   string
	port   int

	mu      sync.Mutex
	server  *grpc.Server // nil while stopped
	served  chan error   // what the server's Serve gave
	drain   chan struct{}
	sockets map[string]net.Conn
}

// Start starts a node on a store. The first node leads.
func Start(store *Store, config NodeConfig) (*Node, error) {
	n := &Node{store: store, config: config, host: "127.0.0.1"}
	if err := n.Start(); err != nil {
		return nil, err
	}
	store.cluster.join(n)
	return n, nil
}

// Start starts a stopped node again, on its port.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server != nil {
		return fmt.Errorf("start node %s: it runs", n.address())
	}
	listener, err := net.Listen("tcp", n.address())
	if err != nil {
		return fmt.Errorf("start node %s: %w", n.address(), err)
	}
	n.port = listener.Addr().(*net.TCPAddr).Port
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(receiveBytesMax),
		// The client pings an idle connection each 10 s (esdb/configuration.go, initConfiguration). Kestrel minds no pings; gRPC's own server would close it.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Millisecond, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // so that Stop ends no sooner than the last call
		grpc.UnaryInterceptor(n.unary),
		grpc.StreamInterceptor(n.stream),
	}
	if n.config.Authority != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(n.config.Authority.serverConfig())))
	}
	n.server, n.drain, n.sockets, n.served = grpc.NewServer(options...), make(chan struct{}), map[string]net.Conn{}, make(chan error, 1)
	api.RegisterStreamsServer(n.server, n)
	gossip.RegisterGossipServer(n.server, (*gossiper)(n))
	serverfeatures.RegisterServerFeaturesServer(n.server, n)
	server, served := n.server, n.served
	go func() { served <- server.Serve(&watched{listener, n}) }()
	return nil
}

// Stop cuts all connections at once, and returns when the last call has ended.
func (n *Node) Stop() error { return n.stop((*grpc.Server).Stop) }

// StopGracefully refuses new calls, lets those under way finish and ends subscriptions. Not confirmed: what subscriptions see then.
func (n *Node) StopGracefully() error { return n.stop((*grpc.Server).GracefulStop) }

func (n *Node) stop(how func(*grpc.Server)) error {
	n.mu.Lock()
	server, served, drain := n.server, n.served, n.drain
	n.server = nil
	n.mu.Unlock()
	if server == nil {
		return nil
	}
	close(drain)
	how(server)
	n.store.forgetIDs(n)
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began to serve
		return fmt.Errorf("stop node %s: %w", n.address(), err)
	}
	return nil
}

// Cut cuts all connections, and goes on to serve.
func (n *Node) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, socket := range n.sockets {
		// Closing twice is what a cut connection gets from its server.
		_ = socket.Close()
	}
}

// URL is the connection string of this node alone.
func (n *Node) URL() string { return n.url(n.Endpoint()) }

func (n *Node) url(endpoints string) string {
	user := ""
	if n.config.Username != "" {
		user = url.UserPassword(n.config.Username, n.config.Password).String() + "@"
	}
	tls := "tls=false"
	if n.config.Authority != nil {
		tls = "tls=true&tlsCaFile=" + n.config.Authority.File
	}
	return fmt.Sprintf("esdb://%s%s?%s", user, endpoints, tls)
}

// Endpoint is host:port.
func (n *Node) Endpoint() string { return n.address() }

func (n *Node) address() string { return fmt.Sprintf("%s:%d", n.host, n.port) }

func (n *Node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.server != nil
}

// draining is closed when the node is about to stop.
func (n *Node) draining() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.drain
}

func (n *Node) cut(remote string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if socket := n.sockets[remote]; socket != nil {
		_ = socket.Close()
	}
}

// watched keeps a node's connections by the address of their client, so that they can be cut.
type watched struct {
	net.Listener
	node *Node
}

func (w *watched) Accept() (net.Conn, error) {
	socket, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.node.mu.Lock()
	defer w.node.mu.Unlock()
	w.node.sockets[socket.RemoteAddr().String()] = socket
	return &watchedConn{socket, w.node}, nil
}

type watchedConn struct {
	net.Conn
	node *Node
}

func (c *watchedConn) Close() error {
	c.node.mu.Lock()
	delete(c.node.sockets, c.RemoteAddr().String())
	c.node.mu.Unlock()
	return c.Conn.Close()
}

func (n *Node) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := n.admit(ctx, info.FullMethod); err != nil {
		sendTrailers(ctx, err)
		return nil, err
	}
	response, err := handle(ctx, request)
	sendTrailers(ctx, err)
	return response, err
}

func (n *Node) stream(server any, call grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	err := n.admit(call.Context(), info.FullMethod)
	if err == nil {
		err = handle(server, call)
	}
	sendTrailers(call.Context(), err)
	return err
}

// admit checks who calls. Without a name only what discovery needs is answered: the server's features and the members.
func (n *Node) admit(ctx context.Context, method string) error {
	if n.config.Username == "" || !strings.HasPrefix(method, "/event_store.client.streams.") {
		return nil
	}
	values := metadata.ValueFromIncomingContext(ctx, headerAuthorization)
	if len(values) == 0 {
		return accessDenied() // anonymous callers have no rights by default
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(n.config.Username+":"+n.config.Password))
	if subtle.ConstantTimeCompare([]byte(values[0]), []byte(want)) != 1 {
		return refuse(codes.Unauthenticated, "Bad HTTP authentication") // not confirmed: the text
	}
	return nil
}

// GetSupportedMethods serves ServerFeatures (ServerFeatures.cs). The client asks for nothing that is needed here but the version.
func (n *Node) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const service = "event_store.client.streams.streams"
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: serverVersion,
		Methods: []*serverfeatures.SupportedMethod{
			{ServiceName: service, MethodName: "append"},
			{ServiceName: service, MethodName: "read", Features: []string{"position", "events"}},
			{ServiceName: service, MethodName: "delete"},
			{ServiceName: service, MethodName: "tombstone"},
		},
	}, nil
}
