package dashboard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// paths are all pages that a ledger has, each with something on it.
func (w *world) paths(t testing.TB) []string {
	t.Helper()
	var list struct {
		Pledges []struct{ Stream, Donor string }
	}
	w.get(t, "/v1/pledges?limit=1&donor=POL", &list)
	pledge := strings.TrimPrefix(list.Pledges[0].Stream, "pledge-")
	return []string{
		"/", "/donor/POL", "/category/MIL", "/category/MIL.AIRDEF", "/pledge/" + pledge, "/ledger", "/ledger?stream=pledge-" + pledge,
		"/entries?donor=POL&stage=committed",
	}
}

// Every page says what it is about, shows figures, and no reader meets a fault: browsertest fails a test for errors on the console, for what nobody
// caught, and for what is asked of other servers.
func TestEveryPageIsWhole(t *testing.T) {
	for name, world := range map[string]func(testing.TB) *world{"sample": theSample, "tracker": theTracker} {
		t.Run(name, func(t *testing.T) {
			w := world(t)
			p := w.open(t, "/", browsertest.View{Language: "de-DE"})
			for _, path := range w.paths(t) {
				p.Go(w.url + path)
				w.shown(p)
				title := browsertest.Eval[string](p, "document.title")
				if heading := p.Text("h1"); heading == "" || !strings.HasSuffix(title, " · Allied Ledger") || title == " · Allied Ledger" {
					t.Errorf("%s has the heading %q and the title %q", path, heading, title)
				}
				if alerts := browsertest.Eval[[]string](p, `[...document.querySelectorAll("[role=alert]")].map(e => e.innerText)`); len(alerts) > 0 {
					t.Errorf("%s warns of %q", path, alerts)
				}
				if faults := browsertest.Eval[[]string](p, `[...document.querySelectorAll("main *")].filter(e => !e.children.length && /undefined|NaN|\[object|Infinity/.test(e.textContent)).map(e => e.outerHTML)`); len(faults) > 0 {
					t.Errorf("%s shows %q", path, faults)
				}
				if rows := browsertest.Eval[int](p, `document.querySelectorAll("main table tbody tr, main article").length`); rows == 0 {
					t.Errorf("%s shows nothing", path)
				}
			}
		})
	}
}

func TestEmptyLedgerSaysHowToBegin(t *testing.T) {
	w := theEmpty(t)
	p := w.open(t, "/", browsertest.View{})
	for _, path := range []string{"/", "/donor/POL", "/category/MIL"} {
		p.Go(w.url + path)
		p.AwaitText("main h2", "This ledger holds no facts yet")
		p.AwaitText("main code", "allied import kiel FILE")
		if said := p.Text(".live"); said != "Live" {
			t.Errorf("the state of an empty ledger is %q", said)
		}
	}
}

func TestUnknownPlacesSayWhatToDo(t *testing.T) {
	w := theSample(t)
	p := w.open(t, "/", browsertest.View{})
	p.Excuse("404")
	p.Excuse("400 (Bad Request)") // figures are asked for before it is known what categories there are
	for path, want := range map[string][]string{
		"/nowhere":                 {"There is no page /nowhere", "Go to the overview"},
		"/donor/ATLANTIS":          {"No donor has the code ATLANTIS", "Choose a donor on the overview"},
		"/category/MIL.DEATHSTAR":  {"No category has the code MIL.DEATHSTAR", "filter of the overview"},
		"/pledge/none-that-exists": {"No pledge is known as none-that-exists", "recorded facts that hold", "its donor"},
		"/?asset=gold":             {"which is none", "Show EUR as the donor states"},
		"/?basis=hearsay":          {"No donor has a figure on the basis", "Show EUR as the donor states"},
	} {
		p.Go(w.url + path)
		for _, text := range want {
			p.AwaitText("main", text)
		}
	}
}

// Every page forbids what is not its own server's, also one that does not exist; that one says so by its status.
func TestPolicyStandsOnEveryPage(t *testing.T) {
	w := theEmpty(t)
	for path, status := range map[string]int{"/": http.StatusOK, "/donor/POL": http.StatusOK, "/pledge/x": http.StatusOK, "/ledger": http.StatusOK, "/entries": http.StatusOK, "/nowhere": http.StatusNotFound} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		policy := reply.Header.Get("Content-Security-Policy")
		if reply.StatusCode != status || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s, with the policy %q", path, reply.Status, policy)
		}
	}
}
