package browsertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// serve serves one page.
func serve(t *testing.T, html string) (address string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprint(w, `<!doctype html><html lang=en><meta name=viewport content="width=device-width"><link rel=icon href="data:,"><title>Test</title>`+html)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func TestPageIsSeenAsByItsReader(t *testing.T) {
	address := serve(t, `<main><h1>Ladder</h1><p id=who></p><div style="width: 900px">wide</div></main><table><tr><th>a<td>1</table>
<script>setTimeout(() => who.innerText = matchMedia("(prefers-color-scheme: dark)").matches + " " + navigator.language + " " + (1.5).toLocaleString(), 50)</script>`)
	p := browsertest.Start(t).Open(t, address, browsertest.View{Width: 390, Height: 800, Dark: true, Language: "de-DE"})
	p.AwaitText("#who", "true de-DE 1,5")
	if cells := p.Table("table"); len(cells) != 1 || !slices.Equal(cells[0], []string{"a", "1"}) {
		t.Errorf("the table is %q", cells)
	}
	if len(p.Shot(true)) == 0 {
		t.Error("there is no picture")
	}
	if beyond := p.Overflow(); len(beyond) != 1 || !strings.HasSuffix(beyond[0], "wide") {
		t.Errorf("beyond the page reach %q, want the one that is too wide", beyond)
	}
}

// listener hears what a test would fail with.
type listener struct {
	testing.TB
	ends []func()
	said []string
}

func (l *listener) Helper()          {}
func (l *listener) Cleanup(f func()) { l.ends = append(l.ends, f) }
func (l *listener) Errorf(format string, args ...any) {
	l.said = append(l.said, fmt.Sprintf(format, args...))
}

func TestFaultsOfAPageFailItsTest(t *testing.T) {
	address := serve(t, `<p id=p></p><img src="/missing.png"><script>
fetch("http://outside.example/").catch(() => { console.error("heard"); p.innerText = "done"; setTimeout(() => { throw new Error("thrown") }) })</script>`)
	l := &listener{TB: t}
	p := browsertest.Start(t).Open(l, address, browsertest.View{})
	p.AwaitText("#p", "done")
	p.Await(`performance.getEntriesByType("resource").length > 0`)
	p.Reload()
	p.AwaitText("#p", "done")
	for _, end := range l.ends {
		end()
	}
	for _, want := range []string{"http://outside.example/", "heard", "thrown", "/missing.png"} {
		if !slices.ContainsFunc(l.said, func(said string) bool { return strings.Contains(said, want) }) {
			t.Errorf("nothing is said of %s in %q", want, l.said)
		}
	}
}
