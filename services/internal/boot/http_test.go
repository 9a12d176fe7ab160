package boot_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/proto/gen/allied/api/v1/apiv1connect"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/health"
	"go.uber.org/zap/zaptest"
	"google.golang.org/protobuf/encoding/protojson"
)

// get asks a node over HTTP.
func get(t *testing.T, n *boot.Node, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.HTTPURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// awaitReady asks until a node is ready, or is not, and returns its checks.
func awaitReady(t *testing.T, n *boot.Node, want int) []health.Check {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		status, body := get(t, n, "/readyz")
		var checks []health.Check
		if err := json.Unmarshal([]byte(body), &checks); err != nil {
			t.Fatalf("answered %s: %v", body, err)
		}
		failed := slices.ContainsFunc(checks, func(c health.Check) bool { return !c.OK && !c.Beside })
		if failed != (status == http.StatusServiceUnavailable) || !failed && status != http.StatusOK {
			t.Fatalf("status %d with %s", status, body)
		}
		if status == want {
			return checks
		}
		if ctx.Err() != nil {
			t.Fatalf("never answered %d, but %d: %s", want, status, body)
		}
	}
}

// failing is the first check that fails.
func failing(checks []health.Check) health.Check {
	for _, c := range checks {
		if !c.OK {
			return c
		}
	}
	return health.Check{}
}

const freePort = "127.0.0.1:0"

func TestAllRolesAreReady(t *testing.T) {
	n, _ := start(t, boot.Config{DataDir: t.TempDir(), HTTPListen: freePort, ReleaseDrawsAfter: 24 * time.Hour})
	checks := awaitReady(t, n, http.StatusOK)
	var names []string
	for _, c := range checks {
		names = append(names, c.Check)
	}
	want := []string{"nats", "recorder"}
	for _, s := range boot.Specs() {
		want = append(want, "view "+s.Name)
	}
	want = append(want, "view reservations", "relay ALLIED_EVENTS")
	if !slices.Equal(names, want) {
		t.Errorf("checked %v, want %v", names, want)
	}
	if status, body := get(t, n, "/livez"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/livez answers %d %s", status, body)
	}
	if status, _ := get(t, n, "/nothing"); status != http.StatusNotFound {
		t.Errorf("an unknown path answers %d", status)
	}
}

// A process without the recorder and without views of its own asks those that have them.
func TestAStoppedViewIsNotReady(t *testing.T) {
	dir := t.TempDir()
	c, disconnect := connect(t, boot.Target{DataDir: dir})
	for range 5 {
		submit(t, c, commit("5.00"), "recorded")
	}
	disconnect()
	home, stopHome := start(t, boot.Config{DataDir: dir, Roles: []string{boot.Recorder}, HTTPListen: freePort})
	segment := filepath.Join(dir, "log", "00000001.seg")
	flip(t, segment, 1000)
	views, stopViews := start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Views}, DataDir: t.TempDir(), HTTPListen: freePort})
	api, _ := start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.API}, HTTPListen: freePort})
	policies, _ := start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Policies}, ReleaseDrawsAfter: time.Hour, HTTPListen: freePort})
	for name, n := range map[string]*boot.Node{"views": views, "api": api, "policies": policies} {
		f := failing(awaitReady(t, n, http.StatusServiceUnavailable))
		if !strings.HasPrefix(f.Check, "view ") || !strings.Contains(f.Found, "stopped at position") || !strings.Contains(f.Found, "00000001.seg") || f.Remedy == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	awaitReady(t, home, http.StatusOK) // it has no views
	if status, _ := get(t, views, "/livez"); status != http.StatusOK {
		t.Errorf("a process whose view has stopped is told to be dead: %d", status)
	}

	stopViews()
	if f := failing(awaitReady(t, api, http.StatusServiceUnavailable)); f.Check == "" {
		t.Errorf("without views: %+v", f)
	}
	flip(t, segment, 1000) // mended
	_, stopViews = start(t, boot.Config{NATSURL: home.URL(), Roles: []string{boot.Views}, DataDir: t.TempDir()})
	awaitReady(t, api, http.StatusOK)
	stopViews()

	stopHome()
	f := failing(awaitReady(t, api, http.StatusServiceUnavailable))
	for f.Check == "recorder" { // until the connection is known to be gone
		f = failing(awaitReady(t, api, http.StatusServiceUnavailable))
	}
	if f.Check != "nats" || f.Remedy == "" {
		t.Errorf("without NATS: %+v", f)
	}
}

// A view that cannot write keeps all but its time: not the one event, but the minutes that it is missing say so.
func TestAViewThatIsLongBehindIsNotReady(t *testing.T) {
	dir := t.TempDir()
	var minutes atomic.Int64
	clock := func() time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(minutes.Load()) * time.Minute) }
	n, _ := start(t, boot.Config{DataDir: dir, HTTPListen: freePort}.WithClock(clock))
	c, _ := connect(t, boot.Target{DataDir: dir})
	first := submit(t, c, commit("1.00"), "recorded")
	if err := boot.AwaitViews(t.Context(), c, es.Position(first.Position)); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, n, http.StatusOK)

	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "views.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	submit(t, c, commit("2.00"), "recorded")
	var f health.Check
	for f.Check == "" { // the event may not have come yet, and then the view is at the head all the time
		minutes.Add(2)
		_, body := get(t, n, "/readyz")
		var checks []health.Check
		if err := json.Unmarshal([]byte(body), &checks); err != nil {
			t.Fatal(err)
		}
		f = failing(checks)
	}
	if !strings.HasPrefix(f.Check, "view ") || !strings.Contains(f.Found, "1 events and ") || !strings.Contains(f.Found, "of at most 10000 and 60") {
		t.Errorf("found %+v", f)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, n, http.StatusOK)
}

func TestHTTPIsNotServedWhereItMustNot(t *testing.T) {
	taken, err := net.Listen("tcp", freePort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, cfg := range map[string]boot.Config{
		"only a loopback":        {HTTPListen: "0.0.0.0:0"},
		"unverified claims":      {HTTPListen: ":0"},
		"is not a port":          {HTTPListen: "127.0.0.1:http"},
		"missing port":           {HTTPListen: "8080"},
		"address already in use": {HTTPListen: taken.Addr().String()},
		"api serves HTTP":        {Roles: []string{boot.Recorder, boot.API}},
	} {
		cfg.Profile, cfg.Logger = boot.ProfileDev, zaptest.NewLogger(t)
		n, err := boot.Start(t.Context(), cfg)
		if err == nil {
			t.Errorf("%+v started", cfg)
			_ = n.Close(t.Context())
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("refused with %q, want %q", err, want)
		}
		if want == "address already in use" && (!errors.As(err, new(*boot.HTTPListenError)) || !errors.Is(err, syscall.EADDRINUSE)) {
			t.Errorf("not told by its kind: %v", err)
		}
	}
}

// A node that is closed lets the command come in whole that has begun to, records it, answers, and takes no other.
func TestCloseAnswersTheRequestUnderWay(t *testing.T) {
	n, stop := start(t, boot.Config{DataDir: t.TempDir(), HTTPListen: freePort})
	address := strings.TrimPrefix(n.HTTPURL(), "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(commit("1.00"))
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		apiv1connect.LedgerServiceSubmitProcedure, address, len(body))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the handler has begun
		t.Fatalf("answered %q, %v", line, err)
	}
	if _, err := answer.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	for { // until nothing new is taken
		other, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		_ = other.Close()
	}
	select {
	case <-stopped:
		t.Error("closed with a request under way")
	default:
	}
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), `"recorded"`) {
		t.Errorf("answered %d %s, %v", res.StatusCode, text, err)
	}
	<-stopped
}

// Who sends a request's head a byte now and then is cut off.
func TestASlowSenderIsCutOff(t *testing.T) {
	n, _ := start(t, boot.Config{Profile: boot.ProfileDev, Roles: []string{boot.Recorder}, HTTPListen: freePort})
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.HTTPURL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: "); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString(0); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Error("kept for a minute")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
