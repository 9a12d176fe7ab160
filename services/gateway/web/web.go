// Package web serves the dashboard: pages that ask the gateway's own API, bundled into this binary.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"time"
)

//go:embed dist
var dist embed.FS

// policy lets the pages use what this server serves and nothing else; no script or style stands in a page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page matches the addresses of pages, which are all one file: its script shows what the address asks for. They are those of src/lib/router.ts.
var page = regexp.MustCompile(`^/(|donor/[^/]+|category/[^/]+|pledge/[^/]+|ledger|entries)$`)

// others are the beginnings of paths that are not the dashboard's, not even to say that they do not exist.
var others = []string{"/v1/", "/api", "/openapi", "/allied."}

var contentTypes = map[string]string{
	"index.html": "text/html; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "charts.js": "text/javascript; charset=utf-8",
	"app.css": "text/css; charset=utf-8", "licences.txt": "text/plain; charset=utf-8",
}

// file is a file of the bundle, as it is and compressed.
type file struct {
	contentType   string
	plain, zipped []byte
	tag           string
}

// pages answers for the dashboard.
type pages struct {
	next  http.Handler
	files map[string]*file
}

// Before answers GET and HEAD of the dashboard's pages and files, and tells a browser that a page does not exist; all else is next's.
func Before(next http.Handler) (http.Handler, error) {
	p := &pages{next: next, files: make(map[string]*file, len(contentTypes))}
	for name, contentType := range contentTypes {
		f, err := load(name, contentType)
		if err != nil {
			return nil, fmt.Errorf("load %s of the dashboard: %w", name, err)
		}
		p.files[name] = f
	}
	return p, nil
}

func load(name, contentType string) (*file, error) {
	plain, err := fs.ReadFile(dist, "dist/"+name)
	if err != nil {
		return nil, err
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain)
	return &file{contentType, plain, zipped.Bytes(), hex.EncodeToString(sum[:12])}, nil
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if page.MatchString(r.URL.EscapedPath()) { // an outside id may hold a slash
		name = "index.html"
	}
	f, known := p.files[name]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		p.next.ServeHTTP(w, r)
	case known && r.URL.Path != "/index.html":
		f.serve(w, r)
	case browses(r):
		p.files["index.html"].missing(w, r)
	default:
		p.next.ServeHTTP(w, r)
	}
}

// browses tells whether a person's browser asks for a page that nobody else has.
func browses(r *http.Request) bool {
	for _, o := range others {
		if strings.HasPrefix(r.URL.Path, o) {
			return false
		}
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// serve sends the file. A browser keeps it, and asks each time whether it is still the same.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	f.describe(h)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	if !takesGzip(r) {
		h.Set("ETag", `"`+f.tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.plain))
		return
	}
	h.Set("ETag", `"`+f.tag+`-gzip"`)
	h.Set("Content-Encoding", "gzip")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.zipped))
}

// missing sends the page with the status of what does not exist; its script says so in words.
func (f *file) missing(w http.ResponseWriter, r *http.Request) {
	f.describe(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.plain) // who cannot be told has gone
	}
}

func (f *file) describe(h http.Header) {
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-DNS-Prefetch-Control", "off") // events name sources elsewhere, and to look at one must tell nobody
}

// takesGzip reads what a client accepts. A quality of zero, which no browser sends, is respected only as `gzip;q=0`.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		if coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";"); strings.EqualFold(coding, "gzip") {
			return strings.ReplaceAll(quality, " ", "") != "q=0"
		}
	}
	return false
}
