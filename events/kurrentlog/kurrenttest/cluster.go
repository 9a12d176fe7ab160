package kurrenttest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// cluster is the nodes of a store, one of which leads. All serve the same contents at once: the lag of real followers is not shown.
type cluster struct {
	mu     sync.Mutex
	nodes  []*Node
	leader *Node
}

func (c *cluster) join(n *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	if c.leader == nil {
		c.leader = n
	}
}

func (c *cluster) members() ([]*Node, *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes), c.leader
}

// Lead makes a node the leader; nil leaves the cluster without one, as during an election.
func (s *Store) Lead(n *Node) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.cluster.leader = n
}

// forgetIDs loses what the leader remembers of ids when its process ends (IndexWriter.cs keeps committed events in memory).
func (s *Store) forgetIDs(n *Node) {
	if _, leader := s.cluster.members(); leader != n {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
}

// requiresLeader reports whether the caller wants the leader alone (ServiceBase.cs, GetRequiresLeader). The client v4.2.0 never says so by itself: it writes
// the header where incoming calls keep theirs (esdb/options.go, configureGrpcCall).
func requiresLeader(ctx context.Context) bool {
	values := metadata.ValueFromIncomingContext(ctx, headerRequiresLeader)
	return len(values) > 0 && (values[0] == "true" || values[0] == "True")
}

// leads lets a write through. A follower refuses it only when the caller requires the leader; else it forwards it, which here is to write it itself
// (ClusterVNodeController.cs, HandleAsNonLeader and ForwardRequest).
func (n *Node) leads(ctx context.Context) error {
	if requiresLeader(ctx) {
		return n.refuseUnlessLeader()
	}
	switch _, leader := n.store.cluster.members(); {
	case leader == nil:
		return notReady()
	case !leader.running():
		return refuse(codes.Aborted, "Operation timed out: Forwarding timeout") // RpcExceptions.cs, Timeout; the real one comes after seconds
	}
	return nil
}

func (n *Node) refuseUnlessLeader() error {
	if _, leader := n.store.cluster.members(); leader == n {
		return nil
	}
	return n.pointToLeader()
}

// pointToLeader tells who leads; without a leader, a node is not ready for what only a leader may do.
func (n *Node) pointToLeader() error {
	_, leader := n.store.cluster.members()
	if leader == nil || !leader.running() {
		return notReady()
	}
	return notLeader(leader.host, leader.port)
}

func noLeaderInfo() error { return refuse(codes.Unknown, "No leader info available in response") }

// gossiper serves the members of the cluster: its method has the name of another that a node serves.
type gossiper Node

// Read serves Gossip.Read. A stopped node is told as dead.
func (g *gossiper) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	nodes, leader := (*Node)(g).store.cluster.members()
	info := &gossip.ClusterInfo{}
	for _, n := range nodes {
		state := gossip.MemberInfo_Follower
		if n == leader {
			state = gossip.MemberInfo_Leader
		}
		info.Members = append(info.Members, &gossip.MemberInfo{
			State: state, IsAlive: n.running(), HttpEndPoint: &gossip.EndPoint{Address: n.host, Port: uint32(n.port)},
		})
	}
	return info, nil
}

// Nodes gives the nodes of the store in the order in which they were first started.
func (s *Store) Nodes() []*Node {
	nodes, _ := s.cluster.members()
	return nodes
}

// URL is the connection string of all nodes, from which a client finds the leader by gossip.
func (s *Store) URL() string {
	nodes, _ := s.cluster.members()
	endpoints := make([]string, len(nodes))
	for i, n := range nodes {
		endpoints[i] = n.Endpoint()
	}
	return nodes[0].url(strings.Join(endpoints, ","))
}
