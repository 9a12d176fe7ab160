// Package browsertest drives Chromium for tests of what people see.
package browsertest

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// awaitMax bounds how long a page may take to show what a test waits for, on a machine that does other things too.
	awaitMax = 30 * time.Second
	// pollEvery is how often the page is looked at meanwhile.
	pollEvery = 20 * time.Millisecond
	// phoneWidthMax is below which width a page is looked at as on a phone.
	phoneWidthMax = 500
)

// Browser is one running Chromium.
type Browser struct{ ctx context.Context }

// Start starts Chromium, which ends with the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	b, end, err := Launch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return b
}

// Launch starts Chromium for several tests; its caller ends it. It reaches this machine alone: every other name is unknown to it.
func Launch() (_ *Browser, end func(), err error) {
	path, err := find()
	if err != nil {
		return nil, nil, err
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("font-render-hinting", "none"),
	)
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to sandbox root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, leave := chromedp.NewContext(ctx)
	end = func() { leave(); stop() }
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		end()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return &Browser{ctx}, end, nil
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium is found: run .ci/install, or on Debian: sudo apt-get install chromium")
}

// View is how a page is looked at.
type View struct {
	Width, Height int64 // in pixels; 1440 and 900 where zero
	Dark          bool
	Print         bool // as it is printed
	// Language of the reader, such as de-DE; en-GB where empty.
	Language string
}

// Page is a tab. What goes wrong in it that no test asked for fails the test at its end: errors on the console, exceptions nobody caught, and
// requests to anybody but the server that was opened.
type Page struct {
	t      testing.TB
	ctx    context.Context
	origin string

	mu       sync.Mutex
	requests []string
	faults   []string
	excused  []string
}

// Open opens an address as somebody would who was never there: with no cache, and no connection that other pages keep busy.
func (b *Browser) Open(t testing.TB, address string, v View) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &Page{t: t, ctx: ctx}
	t.Cleanup(func() {
		p.check()
		cancel()
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p.origin = u.Scheme + "://" + u.Host
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	v.Language = cmp.Or(v.Language, "en-GB")
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	call(p, runtime.Enable, cdp.Empty{})
	call(p, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: v.Language})
	call(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
		UserAgent: Eval[string](p, "navigator.userAgent"), AcceptLanguage: v.Language,
	})
	call(p, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Kyiv"})
	p.Look(v)
	p.Go(address)
	return p
}

// Look looks at the page in another way; in the same language.
func (p *Page) Look(v View) {
	p.t.Helper()
	scheme, media := "light", ""
	if v.Dark {
		scheme = "dark"
	}
	if v.Print {
		media = "print"
	}
	if v.Width == 0 {
		v.Width, v.Height = 1440, 900
	}
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: v.Width, Height: v.Height, DeviceScaleFactor: 1, Mobile: v.Width < phoneWidthMax,
	})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		said := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
		p.faults = append(p.faults, "exception: "+said)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var said []string
			for _, a := range e.Args {
				said = append(said, string(a.Value)+a.Description)
			}
			p.faults = append(p.faults, fmt.Sprintf("console %s: %s", e.Type, strings.Join(said, " ")))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.faults = append(p.faults, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// Excuse lets faults pass that hold a text: a test that kills the server sees failed requests.
func (p *Page) Excuse(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused = append(p.excused, text)
}

func (p *Page) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		inside := strings.HasPrefix(r, p.origin+"/") || strings.HasPrefix(r, "data:") || strings.HasPrefix(r, "blob:"+p.origin+"/")
		if !inside {
			p.t.Errorf("the page asks somebody else: %.200s", r)
		}
	}
	for _, f := range p.faults {
		if !slices.ContainsFunc(p.excused, func(text string) bool { return strings.Contains(f, text) }) {
			p.t.Errorf("the page has a fault: %.500s", f)
		}
	}
}

// do does what a test cannot go on without.
func (p *Page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, awaitMax)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.origin, err)
	}
}

func get[T any](p *Page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, awaitMax)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v", p.origin, err)
	}
	return v
}

func call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, awaitMax)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.origin, command.Method, err)
	}
	return r
}

// Go opens another address in the same tab.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.do(chromedp.Navigate(address))
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do(chromedp.Reload())
}

// Back goes back in the history of the tab, and Forward forward.
func (p *Page) Back() {
	p.t.Helper()
	p.do(chromedp.NavigateBack())
}

func (p *Page) Forward() {
	p.t.Helper()
	p.do(chromedp.NavigateForward())
}

// Before has a script run in every page that the tab loads from now on, before the page's own.
func (p *Page) Before(script string) {
	p.t.Helper()
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// URL is the address that the page shows.
func (p *Page) URL() string {
	p.t.Helper()
	return get(p, chromedp.Location())
}

// Eval is the value of an expression in the page, which may be a promise.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return get(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Await returns once an expression is true in the page.
func (p *Page) Await(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, awaitMax)
	defer cancel()
	look := time.NewTicker(pollEvery)
	defer look.Stop()
	var err error
	for ctx.Err() == nil {
		var ok bool
		// A page that is about to be another one has no value for a moment.
		if ok, err = chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && ok {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	p.t.Fatalf("not true within %s: %s (%v); the page says:\n%.3000s", awaitMax, expression, err, Eval[string](p, `document.querySelectorAll("select").forEach(s => s.remove()), document.body.innerText`))
}

// AwaitText returns once the text of an element holds a text.
func (p *Page) AwaitText(selector, text string) {
	p.t.Helper()
	p.Await(fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => (e.innerText ?? e.textContent).includes(%q))", selector, text))
}

// Text is what a reader sees of the first element that a selector finds.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return get(p, chromedp.Text(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Click clicks the first visible element that a selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Choose takes an option of a select, by its value, as a reader would.
func (p *Page) Choose(selector, value string) {
	p.t.Helper()
	taken := Eval[string](p, fmt.Sprintf(`(() => {
		const select = document.querySelector(%q);
		select.value = %q;
		select.dispatchEvent(new Event("change", {bubbles: true}));
		return select.value;
	})()`, selector, value))
	if taken != value {
		p.t.Fatalf("%s has no option %q", selector, value)
	}
}

// Fill types into a field, over what it holds.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.CSS(selector), ""), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Press sends keys to whatever has the focus, as chromedp's package kb names them.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// Table is a table of the page as a reader sees it: its rows of cells, the head first.
func (p *Page) Table(selector string) [][]string {
	p.t.Helper()
	return Eval[[][]string](p, fmt.Sprintf(`[...document.querySelector(%q).rows].map(r => [...r.cells].map(c => c.innerText.trim()))`, selector))
}

// Cell is a cell of a table: what a reader sees, and of a figure in it the exact amount, how it is printed, and where the cell leads.
type Cell struct{ Text, Value, Printed, Href string }

// Cells is a table of the page, its rows of cells, the head first.
func (p *Page) Cells(selector string) [][]Cell {
	p.t.Helper()
	return Eval[[][]Cell](p, fmt.Sprintf(`[...document.querySelector(%q).rows].map(r => [...r.cells].map(c => {
		const [data, link] = [c.querySelector("data"), c.querySelector("a[href]")];
		return {Text: c.innerText.trim(), Value: data?.value ?? "", Printed: data?.innerText.trim() ?? "", Href: link?.getAttribute("href") ?? ""};
	}))`, selector))
}

// Shot is a picture of the page as WebP, as good as it must be to be read: of the whole page, or of what is in sight.
func (p *Page) Shot(whole bool) []byte {
	p.t.Helper()
	quality := int64(25)
	params := page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality}
	if whole {
		size := call(p, page.GetLayoutMetrics, cdp.Empty{}).CSSContentSize
		params.CaptureBeyondViewport = &whole
		params.Clip = &page.Viewport{Width: size.Width, Height: size.Height, Scale: 1}
	}
	return call(p, page.CaptureScreenshot, params).Data
}

// Overflow lists the elements that reach beyond the width of the page, which nobody sees whole, but for those within an element that scrolls
// by itself.
func (p *Page) Overflow() []string {
	p.t.Helper()
	return Eval[[]string](p, `(() => {
		const wide = document.documentElement.clientWidth;
		const scrolls = e => {
			for (; e && e !== document.body; e = e.parentElement)
				if (getComputedStyle(e).overflowX !== "visible") return true;
			return false;
		};
		const beyond = b => b.width > 0 && b.height > 0 && (b.right > wide + 1 || b.left < -1);
		return [...document.body.querySelectorAll("*")].filter(e => beyond(e.getBoundingClientRect()) && e.checkVisibility() && !scrolls(e.parentElement))
			.map(e => e.tagName + " " + e.className + " " + (e.innerText || "").slice(0, 40));
	})()`)
}

// Violation is a rule of accessibility that a page breaks.
type Violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Axe runs axe-core, whose source is given, with all its rules.
func (p *Page) Axe(source string) []Violation {
	p.t.Helper()
	Eval[bool](p, source+";true")
	return Eval[[]Violation](p, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations)`)
}

// Download is what a link gives to be kept: its name and its bytes, fetched by the page as a click would.
func (p *Page) Download(selector string) (name string, data []byte) {
	p.t.Helper()
	type download struct{ Name, Data, Fault string }
	got := Eval[download](p, fmt.Sprintf(`(async () => {
		const a = document.querySelector(%q);
		if (!a) return {Fault: "there is no such link"};
		const r = await fetch(a.href);
		if (!r.ok) return {Fault: r.status + " " + await r.text()};
		const said = /filename="([^"]+)"/.exec(r.headers.get("Content-Disposition") || "");
		const bytes = new Uint8Array(await r.arrayBuffer());
		let text = "";
		for (const b of bytes) text += String.fromCharCode(b);
		return {Name: said ? said[1] : a.download, Data: btoa(text)};
	})()`, selector))
	if got.Fault != "" {
		p.t.Fatalf("download %s: %s", selector, got.Fault)
	}
	data, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return got.Name, data
}

// Requests are the addresses that the page has asked for so far.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Hide minimises the page's window, as a reader does who turns to something else.
func (p *Page) Hide() {
	p.t.Helper()
	p.window(browser.WindowStateMinimized)
	p.Await("document.hidden")
}

// Show brings back the window that Hide minimised.
func (p *Page) Show() {
	p.t.Helper()
	p.window(browser.WindowStateNormal)
	p.Await("!document.hidden")
}

func (p *Page) window(state browser.WindowState) {
	p.t.Helper()
	w := call(p, browser.GetWindowForTarget, browser.GetWindowForTargetParams{})
	call(p, browser.SetWindowBounds, browser.SetWindowBoundsParams{WindowID: w.WindowID, Bounds: &browser.Bounds{WindowState: state}})
}
