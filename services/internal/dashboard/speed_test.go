package dashboard_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// bundleBytesMax is what the pages' script and styles may take on the way to a browser, compressed.
const bundleBytesMax = 350 << 10

func TestBundleIsSmall(t *testing.T) {
	w, bytes := theEmpty(t), 0
	for _, name := range []string{"/", "/app.js", "/charts.js", "/app.css"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // else the client unpacks it
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		if reply.Body.Close(); err != nil || reply.StatusCode != http.StatusOK || reply.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %s, %v, %v", name, reply.Status, reply.Header, err)
		}
		if _, err := gzip.NewReader(strings.NewReader(string(text))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bytes += len(text)
	}
	if bytes > bundleBytesMax {
		t.Errorf("the bundle takes %d bytes, and may take %d", bytes, bundleBytesMax)
	}
}

// factsPerSecond is how fast facts pour in at the worst hour that is planned for.
const factsPerSecond = 60

// pour records facts for a while at factsPerSecond, and returns how many.
func pour(t testing.TB, w *world, basis string, during time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	each := time.NewTicker(time.Second / factsPerSecond)
	defer each.Stop()
	facts := 0
	commands := func(yield func(*apiv1.Command) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-each.C:
				if facts++; !yield(commitOn(basis, fmt.Sprint("Battery ", facts), "1000000.00")) {
					return
				}
			}
		}
	}
	record(t, w, commands)
	return facts
}

func record(t testing.TB, w *world, commands func(yield func(*apiv1.Command) bool)) {
	t.Helper()
	err := w.ledger.SubmitAll(t.Context(), commands, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != "recorded" {
			return fmt.Errorf("answered %v", a)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// queries counts how often a page has asked each of its questions, whatever it asked them to hold at least.
func queries(t testing.TB, asked []string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, address := range asked {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(u.Path, "/v1/") {
			q := u.Query()
			q.Del("at_least")
			counts[u.Path+"?"+q.Encode()]++
		}
	}
	return counts
}

func TestFactsThatPourInAreAskedForOnceASecond(t *testing.T) {
	w := own(t, nil)
	w.record(t, commit("The first", "1000000.00"))
	p := w.open(t, "/", browsertest.View{})
	before, since := len(p.Requests()), time.Now()
	facts := pour(t, w, "donor_stated", 3*time.Second)
	rung(p, "Committed", fmt.Sprintf("%d m EUR", facts+1))
	asked := queries(t, p.Requests()[before:])
	most := int(time.Since(since).Seconds()) + 1
	for query, n := range asked {
		if n > most {
			t.Errorf("%d times in %d seconds: %s", n, most, query)
		}
	}
	if len(asked) < 5 { // else the page asks in another way than is counted here
		t.Errorf("only %v was asked again", asked)
	}
}

// rowsLaidOutMax bounds the rows that a long table lays out, whatever it holds.
const rowsLaidOutMax = 150

func TestLongTableLaysOutWhatIsInSight(t *testing.T) {
	w := theTracker(t)
	p := w.open(t, "/ledger", browsertest.View{})
	rows := readOn(p, 2000)
	laidOut := `document.querySelectorAll("main tbody tr").length`
	if n := browsertest.Eval[int](p, laidOut); n > rowsLaidOutMax {
		t.Errorf("at its top %d rows are laid out", n)
	}
	browsertest.Eval[bool](p, `(() => { const box = document.querySelector(".table"); box.scrollTop = box.scrollHeight; return true })()`)
	p.Await(fmt.Sprintf(`document.querySelector("main tbody tr[aria-rowindex='%d']")`, rows+1))
	if n := browsertest.Eval[int](p, laidOut); n > rowsLaidOutMax {
		t.Errorf("at its end %d rows are laid out", n)
	}
}

// readOn has a list read on until it holds so many rows, and returns how many it holds.
func readOn(p *browsertest.Page, rows int) int {
	read := `Number(document.querySelector("p.more").innerText.match(/[\d,]+/)[0].replaceAll(",", ""))`
	for {
		n := browsertest.Eval[int](p, read)
		if n >= rows {
			return n
		}
		p.Click("p.more button:last-of-type")
		p.Await(fmt.Sprintf(`%s > %d && !document.querySelector(".list[aria-busy=true]")`, read, n))
	}
}

// watch notes when the figures of the overview stand, every task that keeps the page from answering, and how long what a reader does waits.
const watch = `(() => {
	const w = window.watched = {Drawn: 0, All: 0, Tasks: [], Delays: []};
	const first = ["#ladder svg .figure", "#donors svg a text"], all = [...first, "#over-time svg path", "#flow svg path", "#closed-skies table", ".ticker li"];
	const there = (selectors) => selectors.every(s => document.querySelector(s));
	new MutationObserver((_, observer) => {
		if (!w.Drawn && there(first)) w.Drawn = performance.now();
		if (there(all)) { w.All = performance.now(); observer.disconnect(); }
	}).observe(document, {subtree: true, childList: true});
	new PerformanceObserver(list => list.getEntries().forEach(e => w.Tasks.push({Start: e.startTime, Length: e.duration}))).observe({type: "longtask", buffered: true});
	new PerformanceObserver(list => list.getEntries().forEach(e => w.Delays.push(e.duration))).observe({type: "event", durationThreshold: 16});
})()`

type watched struct {
	Drawn, All float64 // milliseconds since the navigation began
	Tasks      []struct{ Start, Length float64 }
	Delays     []float64 // until the next frame after an event, in milliseconds
}

// idle is when all figures stand and no long task runs.
func (w watched) idle() float64 {
	end := w.All
	for _, task := range w.Tasks {
		end = max(end, task.Start+task.Length)
	}
	return end
}

func (w watched) longest() float64 {
	longest := 0.0
	for _, task := range w.Tasks {
		longest = max(longest, task.Length)
	}
	return longest
}

// report reports the middle and the slow end of some measurements.
func report(b *testing.B, of []float64, unit string) {
	slices.Sort(of)
	b.ReportMetric(of[len(of)/2], unit+"-p50")
	b.ReportMetric(of[(len(of)*95-1)/100], unit+"-p95")
}

// BenchmarkOverview loads the overview with the tracker: with a browser that has seen nothing, and again with what that keeps. Drawn are the
// ladder and the donors, idle is the page when all its figures stand and no long task runs.
func BenchmarkOverview(b *testing.B) {
	const loads = 10
	w := theTracker(b)
	drawn, idle, longest := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for range loads {
			browser, end, err := browsertest.Launch()
			if err != nil {
				b.Fatal(err)
			}
			p := browser.Open(b, w.url+"/v1/head", browsertest.View{})
			p.Excuse("favicon.ico")
			p.Before(watch)
			for _, kept := range []string{"cold", "warm"} {
				p.Go(w.url + "/")
				w.shown(p)
				p.Await("watched.All")
				seen := browsertest.Eval[watched](p, "watched")
				drawn[kept], idle[kept], longest[kept] = append(drawn[kept], seen.Drawn), append(idle[kept], seen.idle()), append(longest[kept], seen.longest())
			}
			end()
		}
	}
	b.ReportMetric(0, "ns/op")
	for kept := range drawn {
		report(b, drawn[kept], kept+"-drawn-ms")
		report(b, idle[kept], kept+"-idle-ms")
		report(b, longest[kept], kept+"-longest-task-ms")
	}
}

// BenchmarkPouring records 60 facts a second for ten seconds under the overview with the tracker, while a reader presses keys.
func BenchmarkPouring(b *testing.B) {
	w := own(b, fillTracker)
	chrome, err := chromium()
	if err != nil {
		b.Fatal(err)
	}
	p := chrome.Open(b, w.url+"/v1/head", browsertest.View{})
	p.Excuse("favicon.ico")
	p.Before(watch)
	p.Go(w.url + "/")
	w.shown(p)
	p.Await("watched.All")
	var tasks, delays, refetches []float64
	for b.Loop() {
		browsertest.Eval[bool](p, `(watched.Tasks = [], watched.Delays = [], true)`)
		before, since := len(p.Requests()), time.Now()
		poured := make(chan int, 1)
		go func() { poured <- pour(b, w, "tracker", 10*time.Second) }()
		for facts := 0; facts == 0; {
			select {
			case facts = <-poured:
			case <-time.After(200 * time.Millisecond):
				p.Press("\t")
			}
		}
		for _, n := range queries(b, p.Requests()[before:]) {
			refetches = append(refetches, float64(n)/time.Since(since).Seconds())
		}
		seen := browsertest.Eval[watched](p, "watched")
		delays = append(delays, append(seen.Delays, 0)...)
		tasks = append(tasks, seen.longest())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(slices.Max(tasks), "longest-task-ms")
	b.ReportMetric(slices.Max(delays), "longest-delay-ms")
	report(b, delays, "delay-ms")
	b.ReportMetric(slices.Max(refetches), "asked/s/query")
}

// BenchmarkScroll scrolls through lists of 10,000 rows, a screen in every fifth frame.
func BenchmarkScroll(b *testing.B) {
	const rows = 10_000
	w := own(b, func(ctx context.Context, ledger *client.Client) error {
		return ledger.SubmitAll(ctx, func(yield func(*apiv1.Command) bool) {
			for i := range rows {
				if !yield(commit(fmt.Sprint("Battery ", i), "1000000.00")) {
					return
				}
			}
		}, func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
			if a.Outcome != "recorded" {
				return fmt.Errorf("answered %v", a)
			}
			return nil
		})
	})
	for _, page := range []struct{ name, path, table string }{
		{"journal", "/ledger", ".table"},
		{"entries", "/entries?stage=committed", ".table"},
		{"pledges", "/donor/NOR", "[aria-labelledby=pledges-title] .table"},
	} {
		b.Run(page.name, func(b *testing.B) {
			p := w.open(b, page.path, browsertest.View{})
			if n := readOn(p, rows); n != rows {
				b.Fatalf("%d rows are read", n)
			}
			var frames []float64
			most := 0
			for b.Loop() {
				type scrolled struct {
					Frames []float64
					Most   int
				}
				got := browsertest.Eval[scrolled](p, fmt.Sprintf(`new Promise(done => {
					const box = document.querySelector(%q), frames = [];
					let last = performance.now(), most = 0;
					box.scrollTop = 0;
					const step = now => {
						frames.push(now - last);
						last = now;
						most = Math.max(most, box.querySelectorAll("tbody tr").length);
						box.scrollTop += box.clientHeight / 5;
						if (frames.length < 300) requestAnimationFrame(step); else done({Frames: frames, Most: most});
					};
					requestAnimationFrame(step);
				})`, page.table))
				frames, most = append(frames, got.Frames[1:]...), max(most, got.Most)
			}
			b.ReportMetric(0, "ns/op")
			report(b, frames, "frame-ms")
			b.ReportMetric(slices.Max(frames), "longest-frame-ms")
			b.ReportMetric(float64(most), "rows-laid-out")
		})
	}
}
