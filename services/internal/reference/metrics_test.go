package reference

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/kurrentlog/kurrenttest"
	"github.com/allied-ledger/allied/services/internal/boot"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/zap"
)

const (
	freePort     = "127.0.0.1:0"
	everyProcess = "every process"
	// metricsWaitMax bounds how long the figures of the books may take to be computed.
	metricsWaitMax = time.Minute
)

// labelSays stands for the values of labels that are many, or not known beforehand.
var labelSays = map[string]string{
	"code": "such as 200", "method": "such as get", "kind": "[of exceptions](cli.md#allied-exceptions)",
}

// TestMetrics writes what /metrics tells, as each role tells it in a process of its own.
func TestMetrics(t *testing.T) {
	recorder := roleAlone(t, boot.Config{Roles: []string{boot.Recorder}, DataDir: t.TempDir()})
	nodes := map[string]*boot.Node{boot.Recorder: recorder}
	for _, role := range boot.AllRoles()[1:] {
		nodes[role] = roleAlone(t, boot.Config{
			NATSURL: recorder.URL(), Roles: []string{role}, DataDir: t.TempDir(), ReleaseDrawsAfter: time.Hour, RelayJSON: role == boot.Relay,
		})
	}
	// A log that is not in the folder has no commits of its own.
	store := kurrenttest.StartT(t, kurrenttest.NewStore(kurrenttest.StoreConfig{AppendBytesMax: 16_000_000}), kurrenttest.NodeConfig{})
	stored := roleAlone(t, boot.Config{Roles: []string{boot.Recorder}, Store: store.URL()})

	wanted := metricsOfSources(t)
	ctx, cancel := context.WithTimeout(t.Context(), metricsWaitMax)
	defer cancel()
	for _, n := range append(slices.Collect(maps.Values(nodes)), stored) {
		for status := 0; status != http.StatusOK; { // until it knows how far it is
			var checks []byte
			if status, checks = get(t, n, "/readyz"); ctx.Err() != nil {
				t.Fatalf("not ready: %s", checks)
			}
		}
	}
	for {
		m, missing := &metrics{roles: map[string][]string{}, families: map[string]*dto.MetricFamily{}}, slices.Clone(wanted)
		for _, role := range boot.AllRoles() {
			for name, f := range scrape(t, nodes[role]) {
				if !strings.HasPrefix(name, "allied_") {
					continue // of the library, which differ with the machine
				}
				m.add(role, name, f)
				missing = slices.DeleteFunc(missing, func(want string) bool { return want == name })
			}
		}
		if len(missing) == 0 {
			m.stored = scrape(t, stored)
			compare(t, "metrics.md", m.page(t))
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("no role has told %v, which the sources name", missing)
		}
	}
}

func roleAlone(t *testing.T, cfg boot.Config) *boot.Node {
	t.Helper()
	cfg.HTTPListen, cfg.Logger = freePort, zap.NewNop()
	n, err := boot.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

func get(t *testing.T, n *boot.Node, path string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.HTTPURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

// scrape reads the metrics of a process as Prometheus does.
func scrape(t *testing.T, n *boot.Node) map[string]*dto.MetricFamily {
	t.Helper()
	status, body := get(t, n, "/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("status %d: %v", status, err)
	}
	return families
}

// metricName is where the sources give a metric its name.
var metricName = regexp.MustCompile(`(?:NewDesc\(|Name: )"(allied_\w+)"`)

// metricsOfSources are the names of all metrics, so that none is left out that no role tells here.
func metricsOfSources(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, "services"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range metricName.FindAllStringSubmatch(string(text), -1) {
			names = append(names, found[1])
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("%d names of metrics: %v", len(names), err)
	}
	return names
}

// metrics are what all roles tell.
type metrics struct {
	roles    map[string][]string // that tell a metric, in the order of their start
	families map[string]*dto.MetricFamily
	stored   map[string]*dto.MetricFamily // of a recorder whose log is on a server
}

func (m *metrics) add(role, name string, f *dto.MetricFamily) {
	m.roles[name] = append(m.roles[name], role)
	if known := m.families[name]; known != nil {
		known.Metric = append(known.Metric, f.Metric...)
		return
	}
	m.families[name] = f
}

func (m *metrics) page(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`/metrics`" + ` tells Prometheus, by the role that tells it. A process tells those of all its roles; where roles run apart, scrape all processes. Which of
them to watch, and when to look, is [for operators](../guides/operations.md#watch).

A figure that is not known is absent, never 0. No metric is an amount of money: those are exact in the ledger, and rounded in a metric.
`)
	by := map[string][]string{}
	for name, roles := range m.roles {
		told := strings.Join(roles, ", ")
		if len(roles) == len(boot.AllRoles()) {
			told = everyProcess
		}
		by[told] = append(by[told], name)
	}
	order := func(told string) int {
		if told == everyProcess {
			return len(boot.AllRoles())
		}
		first, _, _ := strings.Cut(told, ", ")
		return slices.Index(boot.AllRoles(), first)
	}
	for _, told := range slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(len(b), len(a)))
	}) {
		fmt.Fprintf(&b, "\n## %s\n\n| Metric | Type | Labels | Unit | |\n|---|---|---|---|---|\n", told)
		for _, name := range slices.Sorted(slices.Values(by[told])) {
			m.row(t, &b, name)
		}
	}
	b.WriteString(`
Beside them stand ` + "`go_…` and `process_…`" + `, which the Prometheus client for Go tells of the process and the machine: memory, collections of garbage, threads, time of
the processor, open files. ` + "`go_build_info`" + ` has the version of the program.
`)
	return b.String()
}

func (m *metrics) row(t *testing.T, b *strings.Builder, name string) {
	f := m.families[name]
	help := strings.TrimSuffix(f.GetHelp(), ".")
	if help == "" {
		t.Errorf("%s does not say what it is", name)
	}
	if slices.Equal(m.roles[name], []string{boot.Recorder}) && m.stored[name] == nil {
		help += ". Only where the log is in the ledger's folder, not with `--store`"
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s. |\n", name, strings.ToLower(f.GetType().String()), labels(f), unit(name, help), strings.ReplaceAll(help, "|", `\|`))
}

// labels are the names of a metric's labels, with their values.
func labels(f *dto.MetricFamily) string {
	values := map[string][]string{}
	for _, one := range f.Metric {
		for _, l := range one.GetLabel() {
			values[l.GetName()] = append(values[l.GetName()], l.GetValue())
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		says, ok := labelSays[name]
		if !ok {
			says = strings.Join(slices.Compact(slices.Sorted(slices.Values(values[name]))), ", ")
		}
		out = append(out, "`"+name+"`: "+says)
	}
	return strings.Join(out, "; ")
}

// unit is what a metric is counted in. Prometheus puts it into the name, but for what is a number.
func unit(name, help string) string {
	base := strings.TrimSuffix(name, "_total")
	for _, u := range []string{"seconds", "bytes", "position"} {
		if strings.HasSuffix(base, "_"+u) {
			return u
		}
	}
	if strings.HasPrefix(help, "1 ") {
		return "0 or 1"
	}
	return "number"
}
