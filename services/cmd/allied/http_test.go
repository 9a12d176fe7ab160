package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// httpURL is where the server of a folder serves HTTP.
func httpURL(t *testing.T, dir string) string {
	t.Helper()
	owner, err := boot.ReadOwner(dir)
	if err != nil || owner.HTTPURL == "" {
		t.Fatalf("served by %+v, %v", owner, err)
	}
	return owner.HTTPURL
}

// awaitStatus asks until the answer has a status.
func awaitStatus(t *testing.T, url string, want int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == want {
			return string(body)
		}
	}
}

// scrape reads a server's metrics as Prometheus does.
func scrape(t *testing.T, url string) (text string, families map[string]*dto.MetricFamily) {
	t.Helper()
	text = awaitStatus(t, url+"/metrics", http.StatusOK)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return text, families
}

// measured is the value of one metric whose labels are these values, in the order of their names.
func measured(families map[string]*dto.MetricFamily, name string, labels ...string) (value float64, ok bool) {
	for _, m := range families[name].GetMetric() {
		var found []string
		for _, l := range m.GetLabel() {
			found = append(found, l.GetValue())
		}
		if strings.Join(found, " ") != strings.Join(labels, " ") {
			continue
		}
		switch {
		case m.Counter != nil:
			return m.Counter.GetValue(), true
		case m.Gauge != nil:
			return m.Gauge.GetValue(), true
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount()), true
		}
	}
	return 0, false
}

func TestMetricsTellOfTheBooks(t *testing.T) {
	dir := moved(t)
	served(t, "--data", dir)
	url := httpURL(t, dir)
	try(t, "", "submit", filepath.Join("testdata", "day.jsonl"), "--data", dir).refused(t, exitFailure, "4 recorded, 1 refused")
	var booked struct{ Total int }
	if err := json.Unmarshal([]byte(must(t, "payments", "--status", "booked", "--data", dir, "-o", "json")), &booked); err != nil || booked.Total == 0 {
		t.Fatalf("%d payments are booked: %v", booked.Total, err)
	}
	var listed struct {
		Summary []struct {
			Kind string
			Open int
		}
	}
	if err := json.Unmarshal([]byte(must(t, "exceptions", "--data", dir, "-o", "json")), &listed); err != nil || len(listed.Summary) == 0 {
		t.Fatalf("exceptions %+v: %v", listed, err)
	}
	about := must(t, "replay", "--data", dir, "-o", "json")
	var end struct{ Position, Events float64 }
	if err := json.Unmarshal([]byte(about), &end); err != nil {
		t.Fatal(err)
	}
	text, families := scrape(t, url)
	atEnd := func() bool {
		for _, spec := range boot.Specs() {
			if at, _ := measured(families, "allied_view_position", spec.Name); at != end.Position {
				return false
			}
		}
		at, _ := measured(families, "allied_trial_balance_position")
		return at == end.Position
	}
	for !atEnd() {
		text, families = scrape(t, url)
	}
	problems, err := promlint.New(bytes.NewReader([]byte(text))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"allied_log_head_position", nil, end.Position},
		{"allied_log_events", nil, end.Events},
		{"allied_log_writable", nil, 1},
		{"allied_appends_total", []string{"recorded"}, 4},
		{"allied_appends_total", []string{"conflict"}, 0},
		{"allied_commands_total", []string{"recorded", "pledges"}, 4},
		{"allied_commands_total", []string{"refused", "pledges"}, 1},
		{"allied_commands_total", []string{"unknown", "payments"}, 0},
		{"allied_view_position", []string{"balances"}, end.Position},
		{"allied_view_lag_events", []string{"payments"}, 0},
		{"allied_view_lag_seconds", []string{"payments"}, 0},
		{"allied_view_stopped", []string{"shipments"}, 0},
		{"allied_view_stopped", []string{"reservations"}, 0},
		{"allied_trial_balance_unbalanced_assets", nil, 0},
		{"allied_payments_unreconciled", nil, float64(booked.Total)},
	} {
		if got, ok := measured(families, want.name, want.labels...); !ok || got != want.value {
			t.Errorf("%s%v is %v (%t), want %v", want.name, want.labels, got, ok, want.value)
		}
	}
	for _, kind := range listed.Summary {
		if got, ok := measured(families, "allied_exceptions_open", kind.Kind); !ok || got != float64(kind.Open) {
			t.Errorf("%v open exceptions of kind %s, want %d", got, kind.Kind, kind.Open)
		}
	}
	for _, name := range []string{
		"allied_append_duration_seconds", "allied_log_commit_duration_seconds", "allied_log_commit_appends", "allied_trial_balance_assets",
		"go_goroutines", "go_build_info", "process_open_fds",
	} {
		if v, ok := measured(families, name); name != "go_build_info" && (!ok || v == 0) || families[name] == nil {
			t.Errorf("%s is %v", name, v)
		}
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "guides", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`allied_[a-z_]+`).FindAllString(string(guide), -1) {
		if families[strings.TrimSuffix(name, "_bucket")] == nil {
			t.Errorf("the guide for operators watches %s, which is not there", name)
		}
	}
	if v, ok := measured(families, "allied_http_request_duration_seconds", "200", "get"); !ok || v == 0 {
		t.Errorf("no HTTP request is measured: %s", text)
	}
	if t.Failed() {
		t.Logf("scraped\n%s", text)
	}
}

func TestServeSaysWhereHTTPIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	c := &cli{dataDir: dir}
	_, stop, _ := served(t, "--data", dir)
	url := httpURL(t, dir)
	awaitStatus(t, url+"/livez", http.StatusOK)
	if doc, code := diagnosed(t, "--data", dir); code != exitOK || !strings.Contains(doc.find("http").Found, url) {
		t.Errorf("the doctor ends with %d and finds %+v", code, doc)
	}
	stop()
	node, err := boot.Start(t.Context(), boot.Config{Profile: boot.ProfileDev, HTTPListen: "127.0.0.1:0", Logger: newLogger(t.Output(), 0, true)})
	if err != nil {
		t.Fatal(err)
	}
	welcome := c.welcome(node, serveOptions{profile: boot.ProfileDev})
	loud := c.welcome(node, serveOptions{profile: boot.ProfileDev, insecure: true})
	alone := c.welcome(node, serveOptions{roles: []string{boot.Views}})
	if err := node.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(welcome, "Open "+node.HTTPURL()+"/ ") {
		t.Errorf("the welcome does not begin with the dashboard:\n%s", welcome)
	}
	for _, want := range []string{node.HTTPURL() + "/api ", "HTTP is served at " + node.HTTPURL() + " ", "curl '" + node.HTTPURL() + "/v1/pledges?limit=2'"} {
		if !strings.Contains(welcome, want) {
			t.Errorf("the welcome lacks %q:\n%s", want, welcome)
		}
	}
	if strings.Contains(alone, "/api") || strings.Contains(alone, "/v1/") {
		t.Errorf("the welcome of views alone shows the API:\n%s", alone)
	}
	if strings.Contains(welcome, "WARNING") || !strings.Contains(loud, "WARNING: --insecure-listen") {
		t.Errorf("welcomes\n%s\nand\n%s", welcome, loud)
	}
}

func TestServeListensWhereItMay(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"--listen", "0.0.0.0:0"}, exitUsage, []string{"--listen", "unverified claims", "--insecure-listen"}},
		{[]string{"--listen", ":8080"}, exitUsage, []string{"only a loopback address"}},
		{[]string{"--listen", "example.org:80"}, exitUsage, []string{"only a loopback address"}},
		{[]string{"--listen", "8080"}, exitUsage, []string{"missing port"}},
		{[]string{"--listen", taken.Addr().String()}, exitUnavailable, []string{taken.Addr().String(), "address already in use", "--listen none", "127.0.0.1:0"}},
		{[]string{"--listen", "none", "--roles", "recorder,api"}, exitUsage, []string{"api", "--listen"}},
		{[]string{"--listen", "", "--roles", "recorder,api"}, exitUsage, []string{"api", "--listen"}},
	} {
		try(t, "", append([]string{"serve", "--profile", "dev"}, c.args...)...).refused(t, c.code, c.says...)
	}
	for _, args := range [][]string{{"--listen", "none"}, {"--listen", ""}, {"--roles", "recorder,views"}} {
		dir := filepath.Join(t.TempDir(), "ledger")
		cmd, out := allied(t, append([]string{"serve", "--data", dir}, args...)...), newWatchedWriter()
		cmd.Stdout = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.await(t.Context(), t, regexp.MustCompile(`Ctrl-C`))
		if owner, err := boot.ReadOwner(dir); err != nil || owner.HTTPURL != "" || strings.Contains(out.String(), "http") {
			t.Errorf("%v: served by %+v, %v, and says %s", args, owner, err, out)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: ended with %v", args, err)
		}
	}
	if err := (serveOptions{listen: "0.0.0.0:8080", insecure: true}).checkListen(); err != nil { // and no test listens there
		t.Errorf("refused all the same: %v", err)
	}
	_, stop, messages := served(t, "--profile", "dev", "--insecure-listen")
	if code := stop(); code != exitOK || !strings.Contains(messages.String(), "warn") || !strings.Contains(messages.String(), "nobody checks who acts") {
		t.Errorf("ended with %d: %s", code, messages)
	}
}
