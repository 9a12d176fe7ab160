package dashboard_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

var update = flag.Bool("update", false, "take the pictures in docs/screens anew")

// screensBytesMax keeps the pictures of all pages small enough for a repository.
const screensBytesMax = 6 << 20

// screen is a page, in a state that a reader may meet.
type screen struct {
	name string
	open func(testing.TB) *browsertest.Page
	// Only what is in sight is kept as a picture: the rest is as on another.
	top bool
	// What somebody else has written is looked at, and no picture of it is kept.
	others bool
}

// looks are the ways in which each page is looked at: a desk's screen, a tablet and a phone.
var looks = []struct {
	name string
	view browsertest.View
}{
	{"1440", browsertest.View{Width: 1440, Height: 900}},
	{"768", browsertest.View{Width: 768, Height: 1024}},
	{"390", browsertest.View{Width: 390, Height: 844}},
}

func screens() []screen {
	at := func(of func(testing.TB) *world, path string) func(testing.TB) *browsertest.Page {
		return func(t testing.TB) *browsertest.Page { return of(t).open(t, path, browsertest.View{}) }
	}
	return []screen{
		{name: "overview", open: at(theSample, "/")},
		{name: "overview-top", open: at(theSample, "/"), top: true},
		{name: "donor", open: at(theSample, "/donor/FRA")},
		{name: "category", open: at(theSample, "/category/MIL")},
		{name: "pledge", open: func(t testing.TB) *browsertest.Page {
			w := theSample(t)
			var found struct{ Payments []struct{ Pledge string } }
			w.get(t, "/v1/payments?donor=NOR&limit=1", &found)
			return w.open(t, "/pledge/"+found.Payments[0].Pledge[len("pledge-"):], browsertest.View{})
		}},
		{name: "ledger", open: at(theSample, "/ledger")},
		{name: "entries", open: at(theSample, "/entries?stage=committed&donor=FRA")},
		{name: "empty", open: at(theEmpty, "/")},
		{name: "no-such-pledge", open: func(t testing.TB) *browsertest.Page {
			p := theSample(t).open(t, "/pledge/6ba7b810-9dad-51d1-80b4-00c04fd430c8", browsertest.View{})
			p.Excuse("404")
			return p
		}},
		{name: "disconnected", top: true, open: func(t testing.TB) *browsertest.Page {
			w, end, err := start(fillSample)
			if err != nil {
				t.Fatal(err)
			}
			p := w.open(t, "/", browsertest.View{})
			p.Excuse("ERR_")
			end()
			p.AwaitText(".live.disconnected", "Disconnected")
			return p
		}},
		{name: "tracker-overview", others: true, open: at(theTracker, "/")},
		{name: "tracker-donor", others: true, open: at(theTracker, "/donor/DEU")},
		{name: "tracker-category", others: true, open: at(theTracker, "/category/MIL.AIRDEF")},
		{name: "tracker-entries", others: true, open: at(theTracker, "/entries?stage=committed&donor=POL")},
	}
}

// TestScreens looks at every page at each width in both themes, and holds it to what any picture must be. With -update it keeps the pictures.
func TestScreens(t *testing.T) {
	for _, s := range screens() {
		t.Run(s.name, func(t *testing.T) {
			p := s.open(t)
			for _, look := range looks {
				if testing.Short() && look.name == "768" {
					continue
				}
				for _, dark := range []bool{false, true} {
					if s.others && dark {
						continue // laid out as the light one
					}
					view, name := look.view, s.name+"-"+look.name
					if view.Dark = dark; dark {
						name += "-dark"
					}
					p.Look(view)
					drawn(p)
					judge(t, p, name, view)
					if !s.others {
						keep(t, p, name, !s.top)
					}
				}
			}
		})
	}
	t.Run("print", func(t *testing.T) {
		p := theSample(t).open(t, "/", browsertest.View{})
		p.Look(browsertest.View{Width: 794, Height: 1123, Print: true}) // A4 at 96 pixels per inch
		drawn(p)
		judge(t, p, "print", browsertest.View{Width: 794})
		keep(t, p, "overview-print", true)
	})
	total := 0
	folder := screensFolder(t)
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += int(info.Size())
	}
	if total > screensBytesMax {
		t.Errorf("the pictures in %s take %d bytes, and may take %d", folder, total, screensBytesMax)
	}
}

// drawn returns once the pictures of a page fill their room, in the colours that are looked at, and have been painted.
func drawn(p *browsertest.Page) {
	p.Await(`!document.querySelector("main [aria-busy=true]") && [...document.querySelectorAll(".chart > div, .picture svg[role=group]")].every(e => {
		const svg = e.querySelector("svg") ?? e, room = svg === e ? e.parentElement : e;
		return Math.abs(svg.getBoundingClientRect().width - room.getBoundingClientRect().width) < 2;
	})`)
	browsertest.Eval[bool](p, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true)))))`)
}

// judge holds a page to what a reader may expect whatever it shows.
func judge(t *testing.T, p *browsertest.Page, name string, v browsertest.View) {
	t.Helper()
	for _, e := range p.Overflow() {
		t.Errorf("%s: beyond the page reaches %s", name, e)
	}
	type faults struct{ Cut, Overlapping, Headings, Small []string }
	got := browsertest.Eval[faults](p, layout)
	for what, of := range map[string][]string{"a text is cut": got.Cut, "texts overlap": got.Overlapping, "headings are out of order": got.Headings} {
		for _, e := range of {
			t.Errorf("%s: %s: %s", name, what, e)
		}
	}
	if v.Width < 500 {
		for _, e := range got.Small {
			t.Errorf("%s: too small to touch: %s", name, e)
		}
	}
}

// layout lists faults of a page: texts that are cut and have no title to read them whole, texts of a picture that overlap each other or reach
// out of it, levels of headings that are left out, and targets that break WCAG 2.5.8: smaller than 24 pixels, closer to another than that, and
// not within a sentence.
const layout = `(() => {
	const say = e => (e.tagName + "." + (e.getAttribute("class") ?? "") + " “" + e.textContent.trim().slice(0, 60) + "”");
	const seen = e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !e.closest(".hidden, .skip, [aria-hidden=true]");
	const box = e => e.getBoundingClientRect();
	const all = selector => [...document.querySelectorAll(selector)].filter(seen);
	const out = {Cut: [], Overlapping: [], Headings: [], Small: []};

	for (const e of all("body *:not(svg *, select, option)")) {
		const style = getComputedStyle(e), hides = axis => ["hidden", "clip"].includes(style["overflow" + axis]);
		const cut = hides("X") && e.scrollWidth > e.clientWidth + 1 || hides("Y") && e.scrollHeight > e.clientHeight + 1;
		if (cut && e.textContent.trim() && !e.closest("[title]")) out.Cut.push(say(e));
	}
	for (const svg of all("svg")) {
		const room = box(svg);
		const texts = [...svg.querySelectorAll("text")].filter(e => seen(e) && e.textContent.trim()).map(e => [e, box(e)]);
		texts.forEach(([e, a], i) => {
			if (a.left < room.left - 1 || a.right > room.right + 1 || a.top < room.top - 2 || a.bottom > room.bottom + 2) out.Cut.push(say(e));
			for (const [f, b] of texts.slice(i + 1))
				if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
					out.Overlapping.push(say(e) + " and " + say(f));
		});
	}
	let level = 0;
	for (const h of all("h1, h2, h3, h4, h5, h6")) {
		const next = Number(h.tagName[1]);
		if (next > level + 1 || next === 1 && level > 0) out.Headings.push(say(h) + " after level " + level);
		level = next;
	}
	if (document.querySelectorAll("h1").length !== 1) out.Headings.push(document.querySelectorAll("h1").length + " headings of the first level");

	const inSight = e => { // not scrolled away within an element
		const b = box(e), x = (b.left + b.right) / 2, y = (b.top + b.bottom) / 2;
		for (let a = e.parentElement; a && a !== document.body; a = a.parentElement) {
			const r = box(a);
			if (getComputedStyle(a).overflowX !== "visible" && (x < r.left || x > r.right || y < r.top || y > r.bottom)) return false;
		}
		return true;
	};
	const targets = all("a[href], button, select, input, summary").filter(e => e.tabIndex >= 0 && box(e).width > 0 && inSight(e));
	const circle = b => ({x: (b.left + b.right) / 2, y: (b.top + b.bottom) / 2});
	const small = e => Math.min(box(e).width, box(e).height) < 23.5;
	const within = e => { const around = e.parentElement?.closest("p, li, dd, td, th, dt, .measure, caption"); return around && around.textContent.trim().length > e.textContent.trim().length; };
	for (const e of targets.filter(e => small(e) && !within(e))) {
		const c = circle(box(e));
		const near = targets.find(f => {
			if (f === e || f.contains(e) || e.contains(f)) return false;
			const b = box(f), d = circle(b);
			const apart = small(f) ? Math.hypot(c.x - d.x, c.y - d.y) - 12 : Math.hypot(c.x - Math.max(b.left, Math.min(c.x, b.right)), c.y - Math.max(b.top, Math.min(c.y, b.bottom)));
			return apart < 11.5;
		});
		if (near) out.Small.push(say(e) + " beside " + say(near));
	}
	return out;
})()`

// keep keeps a picture where -update asks for it.
func keep(t *testing.T, p *browsertest.Page, name string, whole bool) {
	t.Helper()
	if !*update {
		return
	}
	if err := os.WriteFile(filepath.Join(screensFolder(t), name+".webp"), p.Shot(whole), 0o644); err != nil {
		t.Fatal(err)
	}
}

func screensFolder(t *testing.T) string {
	t.Helper()
	root, err := project()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "docs", "screens")
}
