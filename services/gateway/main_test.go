package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/query"
	"github.com/allied-ledger/allied/services/sample"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protojson"
)

// served is a ledger in memory behind a listener.
type served struct {
	t      *testing.T
	nc     *nats.Conn // the ledger's
	ledger *client.Client
	url    string // such as http://127.0.0.1:1234
}

// start serves an empty ledger.
func start(t *testing.T) *served {
	t.Helper()
	ledger, nc := boottest.Start(t)
	s := &served{t: t, nc: nc, ledger: ledger}
	h, err := gateway.New(s.ledger)
	if err != nil {
		t.Fatal(err)
	}
	s.url = listen(t, gateway.NewServer(h))
	return s
}

// silent serves a ledger without services, but for a view of pledges that never answers. Bodies must arrive within bodyWait.
func silent(t *testing.T, bodyWait time.Duration) *served {
	t.Helper()
	server, err := embednats.Start(embednats.Config{InProcess: true, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nc, err := server.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if _, err := nc.SubscribeSync(query.Subject("pledges")); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, nc: nc, ledger: client.New(nc, client.Config{})}
	h, err := gateway.NewImpatient(s.ledger, bodyWait)
	if err != nil {
		t.Fatal(err)
	}
	s.url = listen(t, gateway.NewServer(h))
	return s
}

// listen serves on a free port of the loopback interface.
func listen(t *testing.T, server *http.Server) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return "http://" + l.Addr().String()
}

// filled serves the sample, and a pledge that was shipped and paid, with what goes wrong on the way.
func filled(t *testing.T) *served {
	t.Helper()
	s := sampled(t)
	s.fill(moves(t))
	s.awaitViews()
	return s
}

// sampled serves the sample alone, as `allied serve --sample` does.
func sampled(t *testing.T) *served {
	t.Helper()
	s := start(t)
	s.fill(func(yield func(*apiv1.Command) bool) {
		for cmd, err := range sample.Commands() {
			if err != nil {
				t.Error(err)
			}
			if !yield(cmd) {
				return
			}
		}
	})
	s.awaitViews()
	return s
}

func (s *served) awaitViews() {
	s.t.Helper()
	head, _, err := s.ledger.Head(s.t.Context())
	if err == nil {
		err = boot.AwaitViews(s.t.Context(), s.ledger, head.Position)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *served) fill(cmds iter.Seq[*apiv1.Command]) {
	s.t.Helper()
	err := s.ledger.SubmitAll(s.t.Context(), cmds, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != "recorded" && a.Code != "exceeds_reserved" { // one of moves.jsonl asks for too much
			s.t.Errorf("filled with %v", a)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func moves(t *testing.T) iter.Seq[*apiv1.Command] {
	text, err := os.ReadFile(filepath.Join("..", "cmd", "allied", "testdata", "moves.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*apiv1.Command) bool) {
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			cmd := &apiv1.Command{}
			if err := protojson.Unmarshal(lines.Bytes(), cmd); err != nil {
				t.Error(err)
			}
			if !yield(cmd) {
				return
			}
		}
	}
}

func path(method string) string { return "/" + apiv1connect.LedgerServiceName + "/" + method }

// reply is what came back over HTTP.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// do sends a request as it is.
func (s *served) do(r *http.Request) reply {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	out := reply{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if err := json.Unmarshal(text, &out.json); err != nil {
		s.t.Errorf("%s %s: %d %q: %v", r.Method, r.URL, resp.StatusCode, text, err)
	}
	return out
}

// request is a call of a method in JSON.
func (s *served) request(method, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path(method), bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// call calls a method in JSON.
func (s *served) call(method, body string) reply {
	s.t.Helper()
	return s.do(s.request(method, body))
}

// problem is the detail of an error.
func (r reply) problem(t *testing.T) map[string]any {
	t.Helper()
	details, _ := r.json["details"].([]any)
	if len(details) != 1 {
		t.Fatalf("no detail in %d %s", r.status, r.text)
	}
	detail, _ := details[0].(map[string]any)
	if detail["type"] != "allied.api.v1.Problem" {
		t.Fatalf("detail %v", detail)
	}
	debug, _ := detail["debug"].(map[string]any)
	return debug
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
