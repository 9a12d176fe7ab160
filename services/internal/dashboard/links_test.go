package dashboard_test

import (
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// said is all that a page's figures say.
func said(p *browsertest.Page) string {
	return browsertest.Eval[string](p, `[...document.querySelectorAll("figure")].map(f => f.innerText + " " + [...f.querySelectorAll("svg")].map(s => s.textContent).join(" ")).join("\n")`)
}

// difference is the first line that two texts do not share.
func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(a)-1 && i < len(b)-1 && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("says %q and not %q", a[i], b[i])
}

// What a reader chooses stands in the address, and the address opened by somebody else shows the same.
func TestFiltersAreInTheAddress(t *testing.T) {
	w := theSample(t)
	p := w.open(t, "/", browsertest.View{})
	all := said(p)
	chosen := map[string]string{"category": "FIN", "stage": "allocated", "mode": "standing", "instrument": "all", "group": "EU"}
	for name, value := range chosen {
		p.Choose(fmt.Sprintf(".filters label.%s select", name), value)
		p.Await(fmt.Sprintf("new URL(location).searchParams.get(%q) === %q", name, value))
	}
	w.shown(p)
	narrowed := said(p)
	if narrowed == all {
		t.Error("the filters change nothing")
	}
	other := w.open(t, strings.TrimPrefix(p.URL(), w.url), browsertest.View{})
	if again := said(other); again != narrowed {
		t.Error("the address opened afresh " + difference(again, narrowed))
	}
	for name, value := range chosen {
		if shown := browsertest.Eval[string](other, fmt.Sprintf(`document.querySelector(".filters label.%s select").value`, name)); shown != value {
			t.Errorf("the filter of %s shows %q, want %q", name, shown, value)
		}
	}
	other.Click(".filters button")
	other.Await(`location.search === ""`)
	w.shown(other)
	other.Await(`!document.querySelector("figure .pending")`)
	if again := said(other); again != all {
		t.Error("cleared it " + difference(again, all))
	}
}

func TestBackAndForward(t *testing.T) {
	w := theSample(t)
	p := w.open(t, "/?stage=allocated&instrument=all", browsertest.View{})
	first := said(p)
	p.Click(`#donors a[href^="/donor/POL"]`)
	p.AwaitText("h1", "Poland")
	w.shown(p)
	if query := parsed(t, p.URL()).Query(); query.Get("stage") != "" || query.Get("instrument") != "all" {
		t.Errorf("the link keeps %v", query)
	}
	p.Back()
	p.AwaitText("h1", "Support to Ukraine")
	w.shown(p)
	if again := said(p); again != first {
		t.Error("after Back it " + difference(again, first))
	}
	p.Forward()
	p.AwaitText("h1", "Poland")
}

func parsed(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestPermalinkTellsWhatCameSince(t *testing.T) {
	w := theSample(t)
	p := w.open(t, "/?stage=allocated", browsertest.View{})
	last := int64(w.head.Events) - 1
	// The clipboard is the desktop's, which a browser without a window has not.
	browsertest.Eval[bool](p, `navigator.clipboard.writeText = async text => { window.copied = text }, true`)
	p.Click("button.permalink")
	p.Await("window.copied")
	link := parsed(t, browsertest.Eval[string](p, "window.copied"))
	if q := link.Query(); q.Get("seen") != fmt.Sprint(last) || q.Get("stage") != "allocated" {
		t.Fatalf("the permalink is %s, at fact %d", link, last)
	}
	for back, want := range map[int64]string{
		0:  "Nothing was recorded since",
		1:  "1 fact was recorded since",
		3:  "3 facts were recorded since",
		-1: "which this ledger does not hold yet",
	} {
		q := link.Query()
		q.Set("seen", fmt.Sprint(last-back))
		p.Go(w.url + "/?" + q.Encode())
		p.AwaitText(".seen", want)
		if back == 3 {
			p.Click(".seen a")
			p.Await(`location.pathname === "/ledger"`)
			w.shown(p)
			fresh := 0
			for _, row := range p.Table("main table") {
				if strings.Contains(strings.Join(row, " "), "new") {
					fresh++
				}
			}
			if fresh != 3 {
				t.Errorf("%d facts are marked as new, want 3", fresh)
			}
		}
	}
}

// From a figure to the entries behind it, and on to the fact: two clicks.
func TestFigureLeadsToItsFactsInTwoClicks(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	p := w.open(t, "/?instrument=all&donor=POL", browsertest.View{})
	p.Click(`#ladder svg a[href*="stage=committed"] text`)
	p.Await(`location.pathname === "/entries"`)
	w.shown(p)
	if got, want := p.Text(".sums strong"), printedIn("en-GB", sum(rows, committed, by("POL"))); !strings.HasPrefix(got, want) {
		t.Errorf("the entries add up to %s, want %s", got, want)
	}
	entries := tableAt(t, p, ".tall table")
	amount := entries.at(entries.rows[0], "Amount, EUR").Text
	p.Click(".tall tbody tr:first-child a")
	p.Await(`location.pathname.startsWith("/pledge/") && location.hash.startsWith("#event-")`)
	p.Await(`(() => {
		const fact = document.getElementById(location.hash.slice(1));
		const box = fact?.getBoundingClientRect();
		return box && box.top < innerHeight && box.bottom > 0;
	})()`)
	fact := browsertest.Eval[string](p, `document.getElementById(location.hash.slice(1)).innerText`)
	if !strings.Contains(fact, amount) {
		t.Errorf("the fact does not tell of %s:\n%s", amount, fact)
	}
}

// Every picture's figures lead to entries that add up to them.
func TestEntriesBehindEachPictureAddUp(t *testing.T) {
	w := theTracker(t)
	p := w.open(t, "/?stage=allocated", browsertest.View{})
	type figure struct{ what, amount, href string }
	var figures []figure
	for _, id := range []string{"ladder", "donors", "over-time", "flow"} {
		found := 0
		for _, row := range behind(t, p, id).rows {
			last := row[0]
			for _, c := range row {
				if strings.HasPrefix(c.Href, "/entries") {
					last = c
				}
			}
			if last.Value != "" && found < 2 {
				figures = append(figures, figure{id + " " + row[0].Text, last.Value, last.Href})
				found++
			}
		}
	}
	skies := tableAt(t, p, "#closed-skies table")
	units := skies.at(skies.rows[0], "Allocated")
	figures = append(figures, figure{"closed-skies", units.Value, units.Href})
	if len(figures) != 9 {
		t.Errorf("%d figures lead to entries", len(figures))
	}
	for _, f := range figures {
		p.Go(w.url + f.href)
		w.shown(p)
		want, _ := new(big.Rat).SetString(f.amount)
		got, ok := new(big.Rat).SetString(strings.ReplaceAll(strings.Fields(p.Text(".sums strong"))[0], ",", ""))
		if !ok || got.Cmp(want) != 0 {
			t.Errorf("%s: the entries add up to %q, want %s: %s", f.what, p.Text(".sums"), f.amount, f.href)
		}
	}
}
