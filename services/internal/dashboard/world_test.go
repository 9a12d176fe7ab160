package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/es"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/importing/kiel"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/browsertest"
	"github.com/allied-ledger/allied/services/sample"
	"go.uber.org/zap"
)

const (
	// fillWaitMax bounds how long a ledger takes to be filled and folded.
	fillWaitMax = 2 * time.Minute
	trackerCSV  = "kiel/UST_main_data_to_2024-06.csv"
	release     = "2024-06"
)

// world is a ledger that is served over HTTP.
type world struct {
	url    string // such as http://127.0.0.1:1234
	ledger *client.Client
	head   es.Head // the last fact it was filled with
}

// The ledgers that tests only read, each started by the first test that asks, and the one browser. TestMain ends them.
var (
	sampled  = sync.OnceValues(func() (*world, error) { return shared(fillSample) })
	imported = sync.OnceValues(func() (*world, error) { return shared(fillTracker) })
	empty    = sync.OnceValues(func() (*world, error) { return shared(nil) })
	chromium = sync.OnceValues(func() (*browsertest.Browser, error) {
		b, end, err := browsertest.Launch()
		if err == nil {
			ends = append(ends, end)
		}
		return b, err
	})
	ends []func() // tests run one by one
)

func TestMain(m *testing.M) {
	defer func() { // also where tests panic
		for i := range ends {
			ends[len(ends)-1-i]()
		}
	}()
	m.Run()
}

func theSample(t testing.TB) *world { return must(t)(sampled()) }

func theEmpty(t testing.TB) *world { return must(t)(empty()) }

// theTracker is a ledger with the tracker's file alone; without the file the test is skipped.
func theTracker(t testing.TB) *world {
	t.Helper()
	trackerFile(t)
	return must(t)(imported())
}

func must(t testing.TB) func(*world, error) *world {
	t.Helper()
	return func(w *world, err error) *world {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
}

// own starts a ledger for one test that records more; fill is nil, fillSample or fillTracker.
func own(t testing.TB, fill func(context.Context, *client.Client) error) *world {
	t.Helper()
	w, end, err := start(fill)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return w
}

func shared(fill func(context.Context, *client.Client) error) (*world, error) {
	w, end, err := start(fill)
	if err == nil {
		ends = append(ends, end)
	}
	return w, err
}

// start serves a ledger in memory as `allied serve` does, and fills it; all its views and its stream hold what it was filled with.
func start(fill func(context.Context, *client.Client) error) (_ *world, end func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), fillWaitMax)
	defer cancel()
	n, err := boot.Start(ctx, boot.Config{Profile: boot.ProfileDev, HTTPListen: "127.0.0.1:0", Logger: zap.NewNop()})
	if err != nil {
		return nil, nil, err
	}
	end = func() { _ = n.Close(context.Background()) }
	defer func() {
		if err != nil {
			end()
		}
	}()
	nc, err := n.Dial()
	if err != nil {
		return nil, nil, err
	}
	node := end
	end = func() { nc.Close(); node() }
	w := &world{url: n.HTTPURL(), ledger: client.New(nc, client.Config{})}
	if fill == nil {
		return w, end, nil
	}
	if err := fill(ctx, w.ledger); err != nil {
		return nil, nil, err
	}
	return w, end, w.settle(ctx)
}

// settle waits until all views hold what is recorded, and the stream tells of it.
func (w *world) settle(ctx context.Context) (err error) {
	if w.head, _, err = w.ledger.Head(ctx); err != nil {
		return err
	}
	if err := boot.AwaitViews(ctx, w.ledger, w.head.Position); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/v1/stream?view=marks", nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if at, err := strconv.ParseUint(id, 10, 64); err != nil || at >= uint64(w.head.Position) {
				return err
			}
		}
	}
	return fmt.Errorf("the stream ended before position %d: %w", w.head.Position, lines.Err())
}

// record has commands recorded, and waits until the views hold them.
func (w *world) record(t testing.TB, cmds ...*apiv1.Command) {
	t.Helper()
	for _, c := range cmds {
		a, err := w.ledger.Submit(t.Context(), c)
		if err != nil || a.Outcome != "recorded" {
			t.Fatalf("%v: %v", a, err)
		}
	}
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// get asks the REST API, for what a test cannot know otherwise, such as an id. Figures are never compared with it.
func (w *world) get(t testing.TB, path string, into any) {
	t.Helper()
	reply, err := http.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, reply.Status)
	}
	if err := json.NewDecoder(reply.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// open opens a page in a new tab, and returns once it shows all that is recorded.
func (w *world) open(t testing.TB, path string, v browsertest.View) *browsertest.Page {
	t.Helper()
	b, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	p := b.Open(t, w.url+path, v)
	w.shown(p)
	return p
}

// shown returns once the page has all answers, and they hold all that is recorded.
func (w *world) shown(p *browsertest.Page) {
	live := "true"
	if w.head.Position > 0 {
		live = fmt.Sprintf(`document.querySelector(".foot")?.innerText.includes("position %d")`, w.head.Position)
	}
	p.Await(`document.querySelector("main h1, main h2") && !document.querySelector("main [aria-busy=true], main .skeleton, main .pending") &&
		[...document.querySelectorAll(".chart")].every(c => c.querySelector("svg text")) && ` + live)
}

func fillSample(ctx context.Context, ledger *client.Client) error {
	var damaged error
	commands := func(yield func(*apiv1.Command) bool) {
		for cmd, err := range sample.Commands() {
			if damaged = err; err != nil || !yield(cmd) {
				return
			}
		}
	}
	err := ledger.SubmitAll(ctx, iter.Seq[*apiv1.Command](commands), func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != "recorded" {
			return fmt.Errorf("the sample is answered %v", a)
		}
		return nil
	})
	return errors.Join(damaged, err)
}

func fillTracker(ctx context.Context, ledger *client.Client) error {
	path, err := trackerPath()
	if err != nil {
		return err
	}
	report, err := kiel.Run(ctx, ledger, path, kiel.Options{Release: release})
	if err == nil && !report.Complete {
		err = fmt.Errorf("the import is not complete: %+v", report.Refused)
	}
	return err
}

// trackerFile finds the tracker's file in the shared data beside the project, or skips the test.
func trackerFile(t testing.TB) string {
	t.Helper()
	path, err := trackerPath()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("shared data absent: %s", filepath.Join("..", "shared", "data", trackerCSV))
	}
	return path
}

func trackerPath() (string, error) {
	root, err := project()
	return filepath.Join(root, "..", "shared", "data", trackerCSV), err
}

// project is the folder of the whole project.
func project() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no go.work above the package")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
