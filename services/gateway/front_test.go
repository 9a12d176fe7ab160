package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
)

func TestWhatIsNoCallIsToldWhatThereIs(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name         string
		change       func(r *http.Request)
		status       int
		code         string
		says         string
		header, want string
	}{
		{
			"an unknown path", func(r *http.Request) { r.URL.Path = "/balances" }, 404, "unknown_path",
			"/allied.api.v1.LedgerService/Balances", "Content-Type", "application/json",
		},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 405, "wrong_method", "POST", "Allow", "POST"},
		{
			"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "wrong_content_type", "Content-Type: application/json",
			"Accept-Post", "application/json, application/proto, application/grpc, application/grpc-web",
		},
		{
			"a filter beside the path", func(r *http.Request) { r.URL.RawQuery = "donor=POL" }, 400, "unknown_query",
			"send filters in the body", "", "",
		},
		{"a form", contentType("application/x-www-form-urlencoded"), 415, "wrong_content_type", "allowed are application/json", "", ""},
		{"text", contentType("text/plain;charset=UTF-8"), 415, "wrong_content_type", "Content-Type: application/json", "", ""},
		{"another charset", contentType("application/json; charset=latin1"), 415, "wrong_content_type", "Content-Type: application/json", "", ""},
		{"a stream", contentType("application/connect+json"), 415, "wrong_content_type", "Content-Type: application/json", "", ""},
		{"a name of this machine that is not its own", func(r *http.Request) { r.Host = "ledger.example:80" }, 403, "foreign_host", "localhost", "", ""},
		{"no name", func(r *http.Request) { r.Host = "localhost.ledger.example" }, 403, "foreign_host", "localhost", "", ""},
		{"a page of another origin", func(r *http.Request) { r.Header.Set("Origin", "http://ledger.example") }, 403, "foreign_origin", "a program", "", ""},
		{"another site", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "foreign_origin", "a program", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.request("Head", `{}`)
			c.change(r)
			got := s.do(r)
			p := got.problem(t)
			if got.status != c.status || p["code"] != c.code || !strings.Contains(got.json["message"].(string), c.says) || p["remedy"] == "" {
				t.Errorf("%d %s", got.status, got.text)
			}
			if c.header != "" && got.header.Get(c.header) != c.want {
				t.Errorf("header %s is %q", c.header, got.header.Get(c.header))
			}
		})
	}
	for _, host := range []string{"localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:80", "[::1]"} {
		r := s.request("Head", `{}`)
		r.Host = host
		if got := s.do(r); got.status != 200 {
			t.Errorf("host %s: %d %s", host, got.status, got.text)
		}
	}
}

func contentType(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Content-Type", value) }
}

// A page that a person opens can send without asking only what a form could. For JSON its browser asks first, and is not given leave.
func TestAPageOfAnotherOriginCannotSubmit(t *testing.T) {
	s := start(t)
	r := s.request("Submit", "")
	r.Method, r.Body = http.MethodOptions, http.NoBody
	r.Header.Set("Origin", "http://ledger.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "content-type")
	asked := s.do(r)
	if asked.status != 405 {
		t.Errorf("asked first: %d %s", asked.status, asked.text)
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json"} {
		r := s.request("Submit", `{"donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{}}`)
		contentType(kind)(r)
		r.Header.Set("Origin", "http://ledger.example")
		got := s.do(r)
		if got.status != 403 {
			t.Errorf("%s: %d %s", kind, got.status, got.text)
		}
		for _, h := range []http.Header{got.header, asked.header} {
			for name := range h {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("%s: header %s", kind, name)
				}
			}
		}
	}
	if head, _, err := s.ledger.Head(t.Context()); err != nil || head.Events != 0 {
		t.Errorf("%d events, %v", head.Events, err)
	}
}

func TestJSONIsReadStrictly(t *testing.T) {
	s := start(t)
	plain := s.call("Balances", `{"basis":"tracker","stages":["committed"]}`)
	if plain.status != 200 || !strings.Contains(plain.text, `"unknown":"0","left_out":[]`) {
		t.Errorf("%d %s", plain.status, plain.text)
	}
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", `application/json;charset="UTF-8"; x=y`} {
		r := s.request("Balances", `{"basis":"tracker","stages":["committed"]}`)
		contentType(kind)(r)
		if got := s.do(r); got.text != plain.text {
			t.Errorf("%s: %s and not %s", kind, got.text, plain.text)
		}
		for body, want := range map[string]string{
			`{"basis":"tracker","stage":["committed"]}`: `stage: BalancesRequest has no field "stage", at line 1, column 20; did you mean "stages"?`,
			`{"basis":"tracker","stages":["comitted"]}`: `did you mean "committed"?`,
			`{"basis":"tracker","stages":"committed"}`:  `stages: stages is a list, [ … ], not "committed", at line 1, column 29; send one JSON object of allied.api.v1.BalancesRequest`,
			`{"basis":"tracker","at_least":-1}`:         `at_least is a whole number from 0 to 18446744073709551615`,
			`{"basis":"a","basis":"b"}`:                 `duplicate field "basis", at line 1, column 14`,
			`{"basis":"tracker"}`:                       `stages: no stage is named`,
			`{}`:                                        `stages: no stage is named`,
			` `:                                         `the request has no body; send a JSON object`,
			`[]`:                                        `a JSON object, { … }, is wanted`,
			`{} {}`:                                     `something follows the JSON object`,
			"{\"basis\":\"\xff\",\"stages\":[\"commited\"]}": `invalid UTF-8`,
		} {
			r := s.request("Balances", body)
			contentType(kind)(r)
			got := s.do(r)
			if message, _ := got.json["message"].(string); got.status != 400 || got.json["code"] != "invalid_argument" || !strings.Contains(message, want) {
				t.Errorf("%s %s: %d %s", kind, body, got.status, got.text)
			}
			got.problem(t)
		}
	}
	for _, kind := range []string{"application/grpc-web+json", "application/grpc-web+json; charset=utf-8"} {
		message := `{"basis":"tracker","stage":["committed"]}`
		r := s.request("Balances", "\x00\x00\x00\x00"+string(rune(len(message)))+message)
		contentType(kind)(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if said, _ := url.PathUnescape(resp.Header.Get("Grpc-Message")); resp.Header.Get("Grpc-Status") != "3" || !strings.Contains(said, `did you mean "stages"?`) {
			t.Errorf("%s: %v", kind, resp.Header)
		}
	}
}

// dial opens a connection to speak HTTP by hand.
func (s *served) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() }) // closed by the server, mostly
	return c
}

func readReply(t *testing.T, c net.Conn) (status int, text string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestABodyThatDoesNotArriveIsCutOff(t *testing.T) {
	s := silent(t, 100*time.Millisecond)
	for name, framing := range map[string]string{"announced": "Content-Length: 100\r\n\r\n{", "in chunks": "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"} {
		c := s.dial()
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s", path("Head"), framing); err != nil {
			t.Fatal(err)
		}
		if status, text := readReply(t, c); status != 408 || !strings.Contains(text, "did not arrive within 100ms; send it again") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// A body that no handler reads is the server's own to wait for, and that has an end too.
func TestABodyThatNobodyReadsIsCutOff(t *testing.T) {
	server := gateway.NewServer(http.NotFoundHandler())
	if server.ReadTimeout == 0 {
		t.Fatal("a body is waited for without end")
	}
	server.ReadTimeout = 100 * time.Millisecond
	s := &served{t: t, url: listen(t, server)}
	for host, want := range map[string]int{"localhost": 404, "ledger.example": 403} {
		c := s.dial()
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n", host); err != nil {
			t.Fatal(err)
		}
		if status, text := readReply(t, c); status != want {
			t.Errorf("%s: %d %s", host, status, text)
		}
	}
}

// Who asks before sending a body, and is refused, has the whole reply at once.
func TestWhoAsksBeforeSendingIsRefusedAtOnce(t *testing.T) {
	s := silent(t, time.Hour)
	for _, length := range []int{100, 2 * gateway.BodyBytesMax} {
		c := s.dial()
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", path("Head"), length); err != nil {
			t.Fatal(err)
		}
		if status, text := readReply(t, c); status != 415 {
			t.Errorf("%d bytes: %d %s", length, status, text)
		}
	}
}

// The time for a body does not end the work on it, nor where there is no body: an empty message of protobuf.
func TestWorkMayTakeLongerThanABody(t *testing.T) {
	const bodyWait = 500 * time.Millisecond
	s := silent(t, bodyWait)
	_, err := s.nc.Subscribe(query.Subject("payments"), func(m *nats.Msg) {
		time.AfterFunc(3*bodyWait, func() {
			answer := nats.NewMsg(m.Reply)
			answer.Data, answer.Header = []byte(`{"total":7}`), nats.Header{"Allied-Chunk": {"0"}, "Allied-End": {"1"}}
			if err := s.nc.PublishMsg(answer); err != nil {
				t.Error(err)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for name, c := range clients(s.url) {
		g.Go(func() {
			if p, err := c.Payments(t.Context(), &apiv1.PaymentsRequest{}); err != nil || p.Total != 7 {
				t.Errorf("%s: %v, %v", name, p, err)
			}
		})
	}
	g.Wait()
}

func TestTooMuchIsRefused(t *testing.T) {
	s := start(t)
	spaces := strings.Repeat(" ", gateway.BodyBytesMax-1)
	if got := s.call("Head", "{}"+spaces[:len(spaces)-1]); got.status != 200 {
		t.Errorf("as much as is taken: %d %s", got.status, got.text)
	}
	chunked := s.request("Head", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader("{}"+spaces)), -1
	for name, r := range map[string]*http.Request{
		"one byte more": s.request("Head", "{}"+spaces), "in chunks": chunked, "10 MB": s.request("Head", strings.Repeat(" ", 10_000_000)),
	} {
		got := s.do(r)
		if p := got.problem(t); got.status != 413 || got.json["code"] != "resource_exhausted" || p["code"] != "body_too_large" || !strings.Contains(got.text, "split it") {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	many := `{"commands":[{}` + strings.Repeat(`,{}`, gateway.CommandsMax) + `]}`
	if got := s.call("SubmitMany", many); got.status != 400 || got.problem(t)["field"] != "commands" || !strings.Contains(got.text, "1001 commands came, and 1 to 1000") {
		t.Errorf("commands: %d %s", got.status, got.text)
	}
	for _, method := range []string{"Pledges", "Shipments", "Payments", "Exceptions", "Events"} {
		if got := s.call(method, `{"limit":1001}`); got.status != 400 || got.problem(t)["field"] != "limit" {
			t.Errorf("%s: %d %s", method, got.status, got.text)
		}
	}
	empty := &apiv1.SubmitManyRequest{Commands: make([]*apiv1.Command, 100_000)} // of two bytes each, and some hundreds as messages
	for i := range empty.Commands {
		empty.Commands[i] = &apiv1.Command{}
	}
	for name, c := range clients(s.url) {
		if _, err := c.SubmitMany(t.Context(), empty); connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "more than 100000") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := s.dial()
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10)); err != nil {
		t.Fatal(err)
	}
	if status, text := readReply(t, c); status != 431 {
		t.Errorf("headers: %d %s", status, text)
	}
}

// A caller that sends all before it reads sees why nothing was done all the same.
func TestWhatIsRefusedUnreadIsToldToWhoStillSends(t *testing.T) {
	s := start(t)
	const bodyBytes = 10_000_000
	body := strings.Repeat(" ", bodyBytes)
	for name, c := range map[string]struct {
		path, header string
		status       int
	}{
		"an unknown path": {"/balances", "Content-Type: application/json", 404},
		"a form":          {path("Head"), "Content-Type: application/x-www-form-urlencoded", 415},
		"compressed":      {path("Head"), "Content-Type: application/json\r\nContent-Encoding: gzip", 415},
		"too large":       {path("Head"), "Content-Type: application/json", 413},
	} {
		conn := s.dial()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\nContent-Length: %d\r\n\r\n%s", c.path, c.header, bodyBytes, body); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if status, text := readReply(t, conn); status != c.status || !strings.Contains(text, "allied.api.v1.Problem") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

func TestARequestTooManyIsRefusedAtOnce(t *testing.T) {
	s := silent(t, time.Minute)
	var waiting []net.Conn
	for method, most := range map[string]int{"Head": gateway.RequestsInFlightMax, "Events": gateway.PagesInFlightMax} {
		for range most {
			c := s.dial()
			if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", path(method)); err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, c)
		}
	}
	for _, c := range waiting { // a server says 100 when it begins to read the body, which is after the slot is taken
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	for _, method := range []string{"Head", "Events"} {
		if got := s.call(method, `{}`); got.status != 429 || got.problem(t)["code"] != "busy" || !strings.Contains(got.text, "ask again") {
			t.Errorf("%s: %d %s", method, got.status, got.text)
		}
	}
}
