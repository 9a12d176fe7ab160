package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/gateway/web"
)

// elsewhere is the status of the handler behind the dashboard.
const elsewhere = http.StatusTeapot

func serve(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	h, err := web.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(elsewhere) }))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestPagesAreServedAndTyposAreNot(t *testing.T) {
	const html = "text/html,application/xhtml+xml"
	for _, c := range []struct {
		method, path, accept string
		want                 int
	}{
		{"GET", "/", html, 200},
		{"HEAD", "/", html, 200},
		{"GET", "/donor/POL", html, 200},
		{"GET", "/donor/POL?asset=EUR/2@tracker", "", 200},
		{"GET", "/category/MIL.AIRDEF", html, 200},
		{"GET", "/pledge/6ba7b810-9dad-51d1-80b4-00c04fd430c8", html, 200},
		{"GET", "/pledge/EX%2F12", html, 200}, // an outside id with a slash
		{"GET", "/ledger", html, 200},
		{"GET", "/entries?stage=committed", html, 200},
		{"GET", "/app.js", "*/*", 200},
		{"GET", "/charts.js", "*/*", 200},
		{"GET", "/licences.txt", html, 200},
		{"GET", "/doner/POL", html, 404},
		{"GET", "/donor/", html, 404},
		{"GET", "/donor/POL/x", html, 404},
		{"GET", "/ledger/", html, 404},
		{"GET", "/index.html", html, 404}, // a page has one address
		{"HEAD", "/typo", html, 404},
		{"GET", "/typo", "application/json", elsewhere},
		{"GET", "/v1/typo", html, elsewhere},
		{"GET", "/api", html, elsewhere},
		{"POST", "/", html, elsewhere},
		{"POST", "/allied.api.v1.LedgerService/Balances", "", elsewhere},
	} {
		if got := serve(t, c.method, c.path, "Accept", c.accept).StatusCode; got != c.want {
			t.Errorf("%s %s answers %d, not %d", c.method, c.path, got, c.want)
		}
	}
}

func TestPagesMayLoadOnlyFromHere(t *testing.T) {
	for path, want := range map[string]int{"/": 200, "/typo": 404, "/app.js": 200} {
		r := serve(t, "GET", path, "Accept", "text/html")
		policy := r.Header.Get("Content-Security-Policy")
		if r.StatusCode != want || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s answers %d with policy %q", path, r.StatusCode, policy)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-DNS-Prefetch-Control": "off"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s has %s %q, not %q", path, name, got, want)
			}
		}
	}
	page := body(t, serve(t, "GET", "/").Body)
	if inline := regexp.MustCompile(`<style|<script[^>]*>[^<]|style=|\son[a-z]+=|https?://`).FindString(page); inline != "" {
		t.Errorf("the page holds %q, which its policy forbids", inline)
	}
}

func TestFilesAreKeptByTheirTag(t *testing.T) {
	for _, encoding := range []string{"", "gzip", "br, gzip;q=0.8"} {
		r := serve(t, "GET", "/app.js", "Accept-Encoding", encoding)
		tag := r.Header.Get("ETag")
		again := serve(t, "GET", "/app.js", "Accept-Encoding", encoding, "If-None-Match", tag)
		if tag == "" || again.StatusCode != http.StatusNotModified || body(t, again.Body) != "" {
			t.Errorf("encoding %q: tag %s answers %d", encoding, tag, again.StatusCode)
		}
	}
	if plain, zipped := serve(t, "GET", "/app.js"), serve(t, "GET", "/app.js", "Accept-Encoding", "gzip"); plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
		t.Error("two encodings have one tag")
	}
}

func TestWhatIsCompressedIsTheSame(t *testing.T) {
	zipped := serve(t, "GET", "/app.js", "Accept-Encoding", "gzip")
	if got := zipped.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("content encoding is %q", got)
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body(t, z) != body(t, serve(t, "GET", "/app.js", "Accept-Encoding", "gzip;q=0, identity").Body) {
		t.Error("the compressed file is another")
	}
}

func TestHeadHasNoBody(t *testing.T) {
	for _, path := range []string{"/", "/app.css", "/typo"} {
		if got := body(t, serve(t, "HEAD", path, "Accept", "text/html").Body); got != "" {
			t.Errorf("HEAD %s answers %d bytes", path, len(got))
		}
	}
}

// The bundle is loaded before anything is shown: at a megabit a second, 350 kB take three seconds.
func TestTheBundleIsSmall(t *testing.T) {
	const zippedBytesMax = 350_000
	zipped := 0
	for _, path := range []string{"/app.js", "/app.css"} {
		zipped += len(body(t, serve(t, "GET", path, "Accept-Encoding", "gzip").Body))
	}
	if zipped > zippedBytesMax {
		t.Errorf("script and styles take %d bytes, more than %d", zipped, zippedBytesMax)
	}
}

// The pages that the server knows are those that the script follows links to.
func TestServerAndScriptKnowTheSamePages(t *testing.T) {
	router, err := os.ReadFile("src/lib/router.ts")
	if err != nil {
		t.Fatal(err)
	}
	server, err := os.ReadFile("web.go")
	if err != nil {
		t.Fatal(err)
	}
	ways := regexp.MustCompile(`const pages = \[(.*)\]`).FindStringSubmatch(string(router))
	known := regexp.MustCompile("`\\^/\\((.*)\\)\\$`").FindStringSubmatch(string(server))
	if ways == nil || known == nil {
		t.Fatal("the lists of pages are not where this test looks")
	}
	var script []string
	for _, m := range regexp.MustCompile(`/\^\\/(.*?)\$/`).FindAllStringSubmatch(ways[1], -1) {
		script = append(script, strings.ReplaceAll(m[1], `\/`, `/`))
	}
	if got := strings.Join(script, "|"); got != known[1] {
		t.Errorf("the script knows %s, the server %s", got, known[1])
	}
}
