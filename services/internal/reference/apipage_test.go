package reference

import (
	"html/template"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/gateway"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// page is the document as a page for people. It asks for nothing but itself.
func (d *restDocument) page(t *testing.T) string {
	t.Helper()
	type field struct{ Name, Type, Link, Says string }
	type path struct {
		Method, Path, Says, Anchor, Curl, Answer, Files string
		Parameters                                      []field
	}
	type message struct {
		Name, Says string
		Fields     []field
	}
	type problem struct{ Code, Anchor, Field, Detail, Remedy string }
	data := struct {
		Introduction string
		Paths        []path
		Messages     []message
		Problems     []problem
	}{Introduction: restIntroduction}

	fieldOf := func(f protoreflect.FieldDescriptor) field {
		out := field{Name: string(f.Name()), Type: d.kind("", f), Says: d.says(f)}
		if m := f.Message(); m != nil && slices.Contains(d.messages, m) {
			out.Link, out.Type = schemaName(m), schemaName(m)
			if f.IsList() {
				out.Type = "list of " + out.Type
			}
		}
		return out
	}
	for _, r := range d.routes {
		p := path{Method: r.Method(), Path: r.Path, Says: comment(r.method), Anchor: string(r.method.Name()), Answer: schemaName(r.method.Output())}
		if r.Post {
			p.Curl = "curl http://127.0.0.1:8080" + r.Path + " -H 'Content-Type: application/json' -d '" + r.Example + "'"
			p.Parameters = []field{{Name: "the body", Type: schemaName(r.method.Input()), Link: schemaName(r.method.Input()), Says: "JSON."}}
		} else {
			p.Curl = "curl 'http://127.0.0.1:8080" + r.Example + "'"
			for i := range r.method.Input().Fields().Len() {
				p.Parameters = append(p.Parameters, fieldOf(r.method.Input().Fields().Get(i)))
			}
		}
		if len(r.Lists) > 0 {
			p.Files = r.Path + "." + strings.Join(gateway.Formats(), ", "+r.Path+".")
		}
		data.Paths = append(data.Paths, p)
	}
	followed := path{
		Method: http.MethodGet, Path: gateway.StreamPath, Says: streamSays, Anchor: streamOperation, Curl: "curl -N 'http://127.0.0.1:8080" + streamExample + "'",
	}
	for _, p := range d.streamParameters() {
		followed.Parameters = append(followed.Parameters, field{Name: p.name, Type: p.kind(), Says: p.says})
	}
	data.Paths = append(data.Paths, followed)
	for _, m := range d.messages {
		out := message{Name: schemaName(m), Says: comment(m)}
		for i := range m.Fields().Len() {
			out.Fields = append(out.Fields, fieldOf(m.Fields().Get(i)))
		}
		data.Messages = append(data.Messages, out)
	}
	last := ""
	for _, p := range d.problems {
		out := problem{Code: p.code, Field: p.field, Detail: p.reason, Remedy: p.remedy}
		if !strings.Contains(p.code, ellipsis) && p.code != last && !slices.ContainsFunc(data.Problems, func(q problem) bool { return q.Anchor == p.code }) {
			out.Anchor = p.code
		}
		last = p.code
		data.Problems = append(data.Problems, out)
	}
	var b strings.Builder
	if err := apiPage.Execute(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var apiPage = template.Must(template.New("").Funcs(template.FuncMap{"marked": marked}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Allied Ledger: API</title>
<link rel="stylesheet" href="/api.css">
</head>
<body>
<header>
<h1>Allied Ledger: API</h1>
<p>{{.Introduction}}</p>
<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>
<nav aria-label="On this page"><ul>
{{range .Paths}}<li><a href="#{{.Anchor}}"><code>{{.Method}} {{.Path}}</code></a></li>
{{end}}<li><a href="#messages">Messages</a></li>
<li><a href="#problems">Problems</a></li>
</ul></nav>
</header>
<main>
<h2>Paths</h2>
{{range .Paths}}<section aria-labelledby="{{.Anchor}}">
<h3 id="{{.Anchor}}"><code>{{.Method}} {{.Path}}</code></h3>
<p>{{marked .Says}}</p>
{{if .Files}}<p>All pages in one file: <code>{{.Files}}</code>, without <code>limit</code> and <code>cursor</code>.</p>
{{end}}{{if .Parameters}}<table>
<thead><tr><th scope="col">Parameter</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
<tbody>
{{range .Parameters}}<tr><th scope="row"><code>{{.Name}}</code></th><td>{{if .Link}}<a href="#m-{{.Link}}">{{.Type}}</a>{{else}}{{.Type}}{{end}}</td><td>{{marked .Says}}</td></tr>
{{end}}</tbody>
</table>
{{end}}<pre tabindex="0"><code>{{.Curl}}</code></pre>
<p>Answers {{if .Answer}}<a href="#m-{{.Answer}}">{{.Answer}}</a>{{else}}<code>text/event-stream</code>{{end}}.</p>
</section>
{{end}}<h2 id="messages">Messages</h2>
{{range .Messages}}<section aria-labelledby="m-{{.Name}}">
<h3 id="m-{{.Name}}">{{.Name}}</h3>
{{if .Says}}<p>{{marked .Says}}</p>
{{end}}{{if .Fields}}<table>
<thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
<tbody>
{{range .Fields}}<tr><th scope="row"><code>{{.Name}}</code></th><td>{{if .Link}}<a href="#m-{{.Link}}">{{.Type}}</a>{{else}}{{.Type}}{{end}}</td><td>{{marked .Says}}</td></tr>
{{end}}</tbody>
</table>
{{else}}<p>It has no fields.</p>
{{end}}</section>
{{end}}<h2 id="problems">Problems</h2>
<p>Every error below <code>/v1/</code> is an <code>application/problem+json</code> of RFC 9457, with <code>type</code>, <code>title</code>, <code>status</code>,
<code>detail</code>, <code>code</code>, <code>field</code> and <code>remedy</code>. A code is stable; an ellipsis stands for what differs from case to case.</p>
<table>
<thead><tr><th scope="col">Code</th><th scope="col">Field</th><th scope="col">Detail</th><th scope="col">Remedy</th></tr></thead>
<tbody>
{{range .Problems}}<tr{{if .Anchor}} id="{{.Anchor}}"{{end}}><th scope="row"><code>{{.Code}}</code></th><td>{{.Field}}</td><td>{{.Detail}}</td><td>{{.Remedy}}</td></tr>
{{end}}</tbody>
</table>
</main>
</body>
</html>
`))

// marked sets what stands between backquotes as code.
func marked(text string) template.HTML {
	parts := strings.Split(text, "`")
	for i, p := range parts {
		parts[i] = template.HTMLEscapeString(p)
		if i%2 == 1 {
			parts[i] = "<code>" + parts[i] + "</code>"
		}
	}
	return template.HTML(strings.Join(parts, ""))
}
