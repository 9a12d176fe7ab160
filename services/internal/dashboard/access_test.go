package dashboard_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
	"github.com/chromedp/chromedp/kb"
)

// axeSource is the judge of accessibility that the pages' package.json names. `make check` fetches it before tests run; where nobody did, it is
// fetched here.
var axeSource = sync.OnceValues(func() (string, error) {
	root, err := project()
	if err != nil {
		return "", err
	}
	web := filepath.Join(root, "services", "gateway", "web")
	path := filepath.Join(web, "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		fetch := exec.Command("npm", "ci", "--silent")
		fetch.Dir = web
		if out, err := fetch.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm ci: %w: %s", err, out)
		}
	}
	source, err := os.ReadFile(path)
	return string(source), err
})

func violations(t *testing.T, p *browsertest.Page) []browsertest.Violation {
	t.Helper()
	source, err := axeSource()
	if err != nil {
		t.Fatal(err)
	}
	return p.Axe(source)
}

func judged(t *testing.T, p *browsertest.Page, what string) {
	t.Helper()
	for _, v := range violations(t, p) {
		for _, n := range v.Nodes {
			t.Errorf("%s: %s (%s): %s\n%.300s\n%s", what, v.ID, v.Impact, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// No rule of accessibility is broken on any page, in light or dark, with its tables open.
func TestPagesAreAccessible(t *testing.T) {
	w := theSample(t)
	for _, dark := range []bool{false, true} {
		t.Run(fmt.Sprintf("dark %v", dark), func(t *testing.T) {
			p := w.open(t, "/", browsertest.View{Dark: dark})
			for _, path := range append(w.paths(t), "/nowhere", "/pledge/none-that-exists", "/?seen=3&mode=standing&from=2022-03") {
				p.Excuse("404")
				p.Go(w.url + path)
				w.shown(p)
				browsertest.Eval[bool](p, `document.querySelectorAll("figure button[aria-controls]").forEach(b => b.click()), true`)
				p.Await(`document.querySelectorAll("figure .data table").length === document.querySelectorAll("figure button[aria-controls]").length`)
				judged(t, p, path)
			}
		})
	}
}

// The judge is awake: it sees what is wrong in both looks of the page.
func TestWhatIsNotAccessibleIsFound(t *testing.T) {
	for _, dark := range []bool{false, true} {
		p := theEmpty(t).open(t, "/", browsertest.View{Dark: dark})
		browsertest.Eval[bool](p, `(() => {
			const grey = document.createElement("p"), picture = document.createElement("img");
			grey.textContent = "hardly to be read";
			grey.style.color = "#777";
			grey.style.background = "#888";
			picture.src = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
			document.querySelector("main").append(grey, picture);
			return true;
		})()`)
		var found []string
		for _, v := range violations(t, p) {
			found = append(found, v.ID)
		}
		slices.Sort(found)
		if !slices.Equal(found, []string{"color-contrast", "image-alt"}) {
			t.Errorf("found %q", found)
		}
	}
}

func TestEmptyLedgerIsAccessible(t *testing.T) {
	judged(t, theEmpty(t).open(t, "/", browsertest.View{}), "the empty ledger")
}

func TestEveryPictureHasATable(t *testing.T) {
	w := theSample(t)
	p := w.open(t, "/", browsertest.View{})
	for _, path := range w.paths(t) {
		p.Go(w.url + path)
		w.shown(p)
		browsertest.Eval[bool](p, `document.querySelectorAll("figure button[aria-controls]").forEach(b => b.click()), true`)
		p.Await(`[...document.querySelectorAll("figure")].every(f => f.querySelector(".nothing") ||
			f.querySelector("table caption") && f.querySelector("table th[scope=col]") && f.querySelector("table th[scope=row]"))`)
	}
}

// stop is where the focus is.
type stop struct {
	Name    string
	Outline bool
	New     bool
	Out     bool // the browser's own controls have it
}

func focused(p *browsertest.Page) stop {
	return browsertest.Eval[stop](p, `(() => {
		const e = document.activeElement, style = getComputedStyle(e);
		window.reached ??= new Set();
		const fresh = !reached.has(e);
		reached.add(e);
		return {Name: e.outerHTML.slice(0, 200), Outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0, New: fresh, Out: e === document.body};
	})()`)
}

// Tab goes to everything that a mouse can use, one after another, and it is seen where it is.
func TestTabReachesEverything(t *testing.T) {
	p := theSample(t).open(t, "/?stage=allocated", browsertest.View{})
	const stopsMax = 400
	n := 0
	for ; n < stopsMax; n++ {
		p.Press(kb.Tab)
		at := focused(p)
		if at.Out {
			break
		}
		if !at.Outline && at.New { // within a field, such as at the year of a month, the browser shows where it is
			t.Errorf("nobody sees that it has the focus: %s", at.Name)
		}
	}
	if n == stopsMax {
		t.Errorf("after %d stops Tab is not through", n)
	}
	missed := browsertest.Eval[[]string](p, `[...document.querySelectorAll("a[href], button, select, input, [tabindex='0']")]
		.filter(e => e.tabIndex >= 0 && !e.disabled && e.getClientRects().length > 0 && !reached.has(e)).map(e => e.outerHTML.slice(0, 200))`)
	if len(missed) > 0 {
		t.Errorf("Tab does not reach %q", missed)
	}
}

func TestKeysOpenWhatTheyAreOn(t *testing.T) {
	w := theSample(t)
	p := w.open(t, "/?stage=allocated", browsertest.View{})
	p.Press(kb.Tab)
	p.Await(`document.activeElement.className === "skip"`)
	if box := browsertest.Eval[float64](p, `document.activeElement.getBoundingClientRect().top`); box < 0 {
		t.Errorf("the skip link is at %v, out of sight", box)
	}
	p.Press(kb.Enter)
	p.Await(`document.activeElement.id === "main"`)
	browsertest.Eval[bool](p, `document.querySelector('#donors a[href^="/donor/POL"]').focus(), true`)
	p.Press(kb.Enter)
	p.AwaitText("h1", "Poland")
	p.Await(`document.activeElement.id === "main"`)
	p.Back()
	p.AwaitText("h1", "Support to Ukraine")
	w.shown(p)
	browsertest.Eval[bool](p, `document.querySelector("#ladder button[aria-controls]").focus(), true`)
	p.Press(kb.Enter)
	p.Await(`document.querySelector("#ladder .data table")`)
}
