package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/query"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// rest sends a request to a path of REST.
func (s *served) rest(method, path, body string, headers ...string) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	out := reply{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if strings.HasSuffix(resp.Header.Get("Content-Type"), "json") && len(text) > 0 {
		if err := json.Unmarshal(text, &out.json); err != nil {
			s.t.Errorf("%s %s: %d %q: %v", method, path, resp.StatusCode, text, err)
		}
	}
	return out
}

func (s *served) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.rest(http.MethodGet, path, "", headers...)
}

// isProblem checks that a reply is a problem in the form of RFC 9457 whose code the reference describes.
func (s *served) isProblem(got reply, status int, code, field, says string) {
	s.t.Helper()
	p := got.json
	switch {
	case got.status != status, got.header.Get("Content-Type") != "application/problem+json":
		s.t.Errorf("%d %s %s, want %d %s", got.status, got.header.Get("Content-Type"), got.text, status, code)
	case p["status"] != float64(status), p["code"] != code, p["field"] != field, p["title"] == "", p["detail"] == "", p["remedy"] == "":
		s.t.Errorf("problem %s, want code %s and field %q", got.text, code, field)
	case !strings.Contains(fmt.Sprint(p["detail"], p["remedy"]), says):
		s.t.Errorf("problem %s does not say %q", got.text, says)
	case p["type"] != "/api#"+code, !strings.Contains(s.get("/api").text, fmt.Sprintf(`id="%s"`, code)):
		s.t.Errorf("problem type %v is no place on /api", p["type"])
	}
}

// What is answered is what openapi.json says, to a program that nobody here wrote.
func TestEveryRouteAnswersItsExample(t *testing.T) {
	s := filled(t)
	d, err := openapi3.NewLoader().LoadFromData([]byte(s.get("/openapi.json").text))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range gateway.Routes() {
		var got reply
		if r.Post {
			got = s.rest(http.MethodPost, r.Path, r.Example)
		} else {
			got = s.get(r.Example)
		}
		if want := map[bool]int{true: 404, false: 200}[strings.Contains(r.Example, "00000000-0000-0000")]; got.status != want {
			t.Errorf("%s: %d %s", r.Path, got.status, got.text)
		}
		operation := d.Paths.Find(r.Path).GetOperation(r.Method())
		said := d.Components.Responses["Problem"].Value.Content["application/problem+json"]
		if got.status == 200 {
			said = operation.Responses.Status(200).Value.Content["application/json"]
		}
		if err := said.Schema.Value.VisitJSON(map[string]any(got.json)); err != nil {
			t.Errorf("%s answers something else than openapi.json says: %v", r.Path, err)
		}
	}
}

func TestRESTAnswersAsConnectDoes(t *testing.T) {
	s := filled(t)
	for path, call := range map[string][2]string{
		"/v1/balances?basis=donor_stated&stages=committed&stages=allocated&reached=true&by=donor&category_depth=1": {
			"Balances", `{"basis":"donor_stated","stages":["committed","allocated"],"reached":true,"by":["donor"],"category_depth":1}`,
		},
		"/v1/pledges?limit=3&at_least=1&over=true": {"Pledges", `{"limit":3,"at_least":1,"over":true}`},
		"/v1/pledges/NOR%20closed%20skies":         {"Pledge", `{"id":"NOR closed skies"}`},
		"/v1/events?after=3&type=PledgeAllocated":  {"Events", `{"after":"3","type":"PledgeAllocated"}`},
		"/v1/head": {"Head", `{}`},
	} {
		if got, want := s.get(path), s.call(call[0], call[1]); got.status != 200 || got.text != want.text {
			t.Errorf("%s:\n%d %s\n%s", path, got.status, got.text, want.text)
		}
	}
}

func TestWhatRESTRefusesIsAProblem(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, field, says        string
	}{
		{"a misspelt path", "GET", "/v1/balnces", "", nil, 404, "unknown_path", "", "did you mean /v1/balances?"},
		{"a misspelt file", "GET", "/v1/pledges.cvs", "", nil, 404, "unknown_path", "", "did you mean /v1/pledges.csv?"},
		{"the root", "GET", "/v1", "", nil, 404, "unknown_path", "", "see /api"},
		{"no id", "GET", "/v1/pledges/", "", nil, 404, "unknown_path", "", "did you mean /v1/pledges?"},
		{"no file", "GET", "/v1/events.csv", "", nil, 404, "unknown_path", "", "/v1/events has no files"},
		{"several words in one", "GET", "/v1/balances?stages=committed,allocated", "", nil, 400, "bad_value", "stages", "stages=committed&stages="},
		{"a deeper path", "GET", "/v1/pledges/a/b", "", nil, 404, "unknown_path", "", ""},
		{"a POST to a view", "POST", "/v1/balances", "{}", nil, 405, "wrong_method", "", "use GET"},
		{"a POST to the stream", "POST", "/v1/stream", "{}", nil, 405, "wrong_method", "", "use GET"},
		{"OPTIONS", "OPTIONS", "/v1/balances", "", nil, 405, "wrong_method", "", "use GET"},
		{"a GET of commands", "GET", "/v1/commands", "", nil, 405, "wrong_method", "", "use POST"},
		{"a body to a view", "GET", "/v1/head", "{}", nil, 400, "unexpected_body", "", "name=value"},
		{"a misspelt parameter", "GET", "/v1/balances?stage=committed", "", nil, 400, "unknown_field", "stage", `did you mean "stages"?`},
		{"a name of JavaScript", "GET", "/v1/balances?atLeast=1", "", nil, 400, "unknown_field", "atLeast", `did you mean "at_least"?`},
		{"a parameter of the path", "GET", "/v1/pledges/x?id=y", "", nil, 400, "unknown_field", "id", "use at_least"},
		{"a parameter of Connect", "GET", "/v1/head?connect=v1", "", nil, 400, "unknown_field", "connect", "use at_least"},
		{"a page of a file", "GET", "/v1/pledges.csv?limit=1", "", nil, 400, "unknown_field", "limit", "a file holds all pages"},
		{"a parameter twice", "GET", "/v1/pledges?donor=NOR&donor=SWE", "", nil, 400, "repeated_parameter", "donor", "came 2 times"},
		{"an empty one", "GET", "/v1/pledges?donor=", "", nil, 400, "bad_value", "donor", "some text"},
		{"no UTF-8", "GET", "/v1/pledges?donor=%ff", "", nil, 400, "bad_value", "donor", "UTF-8"},
		{"no truth", "GET", "/v1/pledges?over=1", "", nil, 400, "bad_value", "over", "true or false"},
		{"no number", "GET", "/v1/pledges?limit=1e2", "", nil, 400, "bad_value", "limit", "whole number"},
		{"a number too large", "GET", "/v1/head?at_least=18446744073709551616", "", nil, 400, "bad_value", "at_least", "18446744073709551615"},
		{"no query", "GET", "/v1/head?%zz", "", nil, 400, "bad_query", "", "escape"},
		{"a misspelt word", "GET", "/v1/pledges?donor=Norway", "", nil, 400, "unknown_word", "donor", `did you mean "NOR"?`},
		{"no scope", "GET", "/v1/balances", "", nil, 400, "missing", "stages", "name at least one"},
		{"a position to come", "GET", "/v1/head?at_least=99", "", nil, 503, "behind", "at_least", "99"},
		{"nothing there", "GET", "/v1/pledges/pledge-00000000-0000-4000-8000-000000000000", "", nil, 404, "not_found", "id", "list"},
		{"a query of a command", "POST", "/v1/commands?donor=NOR", "{}", nil, 400, "unknown_query", "", "in the body"},
		{"a form", "POST", "/v1/commands", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "wrong_content_type", "", "allowed are application/json"},
		{"protobuf", "POST", "/v1/commands", "x", []string{"Content-Type", "application/proto"}, 415, "wrong_content_type", "", "send JSON"},
		{"compressed", "POST", "/v1/commands", "{}", []string{"Content-Encoding", "gzip"}, 415, "wrong_encoding", "", "as it is"},
		{"too large", "POST", "/v1/commands", "{}" + strings.Repeat(" ", gateway.BodyBytesMax), nil, 413, "body_too_large", "", "split"},
		{"no JSON", "POST", "/v1/commands", "{", nil, 400, "bad_json", "", "JSON"},
		{"an unknown field", "POST", "/v1/commands", `{"doner":"NOR"}`, nil, 400, "unknown_field", "doner", `did you mean "donor"?`},
		{"no commands", "POST", "/v1/commands:batch", `{}`, nil, 400, "out_of_range", "commands", "1 to 1000"},
		{"a key that is none", "POST", "/v1/commands", `{}`, []string{"Idempotency-Key", "seven"}, 400, "bad_idempotency_key", "command_id", "UUID"},
		{
			"a key for many", "POST", "/v1/commands:batch", `{"commands":[{}]}`,
			[]string{"Idempotency-Key", "0190d000-0000-7000-8000-000000000001"},
			400, "bad_idempotency_key", "command_id", "of its own",
		},
		{
			"two ids", "POST", "/v1/commands", `{"command_id":"0190d000-0000-7000-8000-000000000002"}`,
			[]string{"Idempotency-Key", "0190d000-0000-7000-8000-000000000001"},
			400, "bad_idempotency_key", "command_id", "leave one of them out",
		},
		{"a page of another origin", "GET", "/v1/head", "", []string{"Origin", "http://ledger.example", "Sec-Fetch-Site", "cross-site"}, 200, "", "", ""},
		{"a submitting page of another origin", "POST", "/v1/commands", "{}", []string{"Sec-Fetch-Site", "cross-site"}, 403, "foreign_origin", "", "a program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *s
			s.t = t
			got := s.rest(c.method, c.path, c.body, c.headers...)
			if c.status == 200 {
				if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%d %s", got.status, got.text)
				}
				return
			}
			s.isProblem(got, c.status, c.code, c.field, c.says)
			if allow := got.header.Get("Allow"); (c.status == 405) != (allow != "") {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/head", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "ledger.example"
	s.isProblem(s.do(r), 403, "foreign_host", "", "localhost")
}

// Each parameter of each path is read under its own name alone, once where it takes one value, and never when it is empty.
func TestEveryParameterIsHeldToItsName(t *testing.T) {
	s := start(t)
	for _, r := range gateway.Routes() {
		if r.Post {
			continue
		}
		at, err := url.Parse(r.Example)
		if err != nil {
			t.Fatal(err)
		}
		fields := r.RPC.Input().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			name, good := string(f.Name()), "1"
			if f.Kind() == protoreflect.BoolKind {
				good = "true"
			}
			if strings.Contains(r.Path, "{"+name+"}") {
				continue
			}
			misspelt := name[:1] + name[1:2] + name[1:]
			s.isProblem(s.get(at.Path+"?"+misspelt+"="+good), 400, "unknown_field", misspelt, fmt.Sprintf("did you mean %q?", name))
			s.isProblem(s.get(at.Path+"?"+name+"="), 400, "bad_value", name, "leave it out")
			if got := s.get(at.Path + "?" + name + "=" + good + "&" + name + "=" + good); !f.IsList() {
				s.isProblem(got, 400, "repeated_parameter", name, "once")
			} else if got.json["code"] == "repeated_parameter" {
				t.Errorf("%s takes %s once: %s", r.Path, name, got.text)
			}
			if got := s.get(at.Path + "?" + name + "=" + good); got.json["code"] == "bad_value" || strings.Contains(got.text, "has no parameter") {
				t.Errorf("%s does not take %s: %s", r.Path, name, got.text)
			}
			if f.Kind() != protoreflect.StringKind {
				s.isProblem(s.get(at.Path+"?"+name+"=x"), 400, "bad_value", name, "wanted")
			}
		}
	}
}

func TestAnAnswerIsSentOnce(t *testing.T) {
	s := sampled(t)
	for _, path := range []string{
		"/v1/head", "/v1/balances?basis=donor_stated&stages=committed", "/v1/pledges?limit=1", "/v1/pledges.csv", "/v1/pledges.xlsx", "/v1/pledges.parquet", "/api", "/openapi.json", "/api.css",
	} {
		first := s.get(path)
		tag := first.header.Get("ETag")
		if first.status != 200 || len(tag) < 10 || first.header.Get("Cache-Control") != "private, no-cache" || first.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s: %d %v", path, first.status, first.header)
		}
		for _, had := range []string{tag, `"other", W/` + tag, "*"} {
			if again := s.get(path, "If-None-Match", had); again.status != 304 || again.text != "" || again.header.Get("ETag") != tag {
				t.Errorf("%s with %s: %d %d bytes", path, had, again.status, len(again.text))
			}
		}
		if other := s.get(path, "If-None-Match", `"other"`); other.status != 200 || other.text != first.text {
			t.Errorf("%s: %d", path, other.status)
		}
		head := s.rest(http.MethodHead, path, "")
		if head.status != 200 || head.text != "" || head.header.Get("ETag") != tag || head.header.Get("Content-Length") != fmt.Sprint(len(first.text)) {
			t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
		}
	}
	if got := s.rest(http.MethodHead, "/v1/pledges?donr=x", ""); got.status != 400 || got.text != "" {
		t.Errorf("HEAD of a wrong request: %d %s", got.status, got.text)
	}
	before := s.get("/v1/head").header.Get("ETag")
	if got := s.rest(http.MethodPost, "/v1/commands", commitText("0190d000-0000-7000-8000-000000000011")); got.json["outcome"] != "recorded" {
		t.Fatal(got.text)
	}
	if got := s.get("/v1/head", "If-None-Match", before); got.status != 200 {
		t.Errorf("the ledger moved, and its head is said to be the same: %d", got.status)
	}
}

func commitText(id string) string {
	return `{"command_id":"` + id + `","donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{"title":"Air defence",` +
		`"commitments":[{"firmness":"firm","line":{"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"625.00"}]}}]}}`
}

func TestACommandIsTheOneThatItsKeySays(t *testing.T) {
	s := start(t)
	const id = "0190d000-0000-7000-8000-000000000021"
	unnamed := strings.Replace(commitText(""), `"command_id":"",`, "", 1)
	first := s.rest(http.MethodPost, "/v1/commands", unnamed, "Idempotency-Key", id)
	if first.status != 200 || first.json["outcome"] != "recorded" || first.json["command_id"] != id {
		t.Fatalf("%d %s", first.status, first.text)
	}
	for _, again := range []reply{
		s.rest(http.MethodPost, "/v1/commands", unnamed, "Idempotency-Key", `"`+strings.ToUpper(id)+`"`),
		s.rest(http.MethodPost, "/v1/commands", commitText(id), "Idempotency-Key", id),
		s.rest(http.MethodPost, "/v1/commands", commitText(id)),
	} {
		if again.json["outcome"] != "repeated" || again.json["position"] != first.json["position"] {
			t.Errorf("%d %s", again.status, again.text)
		}
	}
	refused := s.rest(http.MethodPost, "/v1/commands", `{"donor":"NOR","beneficiary":"UKR","effective":"soon","commit_pledge":{}}`)
	if refused.status != 200 || refused.json["outcome"] != "refused" || refused.json["code"] == "" || refused.json["remedy"] == "" {
		t.Errorf("a refused command is answered with an outcome: %d %s", refused.status, refused.text)
	}
	many := s.rest(http.MethodPost, "/v1/commands:batch", `{"commands":[`+commitText(id)+`,{}]}`)
	if answers, _ := many.json["answers"].([]any); many.status != 200 || len(answers) != 2 {
		t.Errorf("%d %s", many.status, many.text)
	}
}

// Whatever an id holds comes to the view as it was sent.
func TestIDsOfAnyText(t *testing.T) {
	s := silent(t, time.Minute)
	_, err := s.nc.Subscribe(query.Subject("payment"), func(m *nats.Msg) {
		var q struct{ ID string }
		if err := json.Unmarshal(m.Data, &q); err != nil {
			t.Error(err)
		}
		says, err := json.Marshal(map[string]string{"code": "not_found", "field": "id", "reason": q.ID, "remedy": "look"})
		if err == nil {
			err = m.RespondMsg(&nats.Msg{Header: nats.Header{"Allied-Error": {"not_found"}}, Data: says})
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a b", "a/b", "a:b", "100%", "%2F", "a.csv", "a+b", "Łódź", "?x=y&z", "a;b", ".."} {
		got := s.get("/v1/payments/" + strings.ReplaceAll(url.PathEscape(id), "..", "%2E%2E"))
		if got.status != 404 || got.json["detail"] != id {
			t.Errorf("%q came as %d %s", id, got.status, got.text)
		}
	}
}

// What a view refuses has the same status as on Connect.
func TestWhatAViewSaysIsAProblem(t *testing.T) {
	s := silent(t, time.Minute)
	says := make(chan string, 1)
	_, err := s.nc.Subscribe(query.Subject("payments"), func(m *nats.Msg) {
		code := <-says
		if err := m.RespondMsg(&nats.Msg{
			Header: nats.Header{"Allied-Error": {code}}, Data: []byte(`{"code":"` + code + `","field":"id","reason":"it is so","remedy":"do that"}`),
		}); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for code, status := range map[string]int{
		"not_found": 404, "ambiguous": 400, "behind": 503, "view_behind": 503, "view_stopped": 400, "view_failed": 500, "busy": 429, "answer_too_large": 429,
		"unknown_word": 400,
	} {
		for _, path := range []string{"/v1/payments", "/v1/payments.csv"} {
			says <- code
			got := s.get(path)
			if retry := got.header.Get("Retry-After"); got.status != status || got.json["code"] != code || got.json["detail"] != "it is so" || (retry != "") != (status == 429 || status == 503) {
				t.Errorf("%s %s: %d %s %v", path, code, got.status, got.text, got.header)
			}
		}
	}
}

func TestARequestOfRESTTooManyIsRefused(t *testing.T) {
	s := silent(t, time.Minute)
	came := make(chan *nats.Msg, 2*gateway.RequestsInFlightMax)
	if _, err := s.nc.ChanSubscribe(query.Subject("exceptions"), came); err != nil {
		t.Fatal(err)
	}
	ended := make(chan reply, 2*gateway.RequestsInFlightMax)
	for path, most := range map[string]int{"/v1/exceptions": gateway.RequestsInFlightMax, "/v1/exceptions.csv": gateway.FilesInFlightMax} {
		for range most {
			go func() { ended <- s.get(path) }()
		}
	}
	var waiting []*nats.Msg
	for range gateway.RequestsInFlightMax + gateway.FilesInFlightMax {
		select {
		case m := <-came:
			waiting = append(waiting, m)
		case got := <-ended:
			t.Fatalf("one of as many as are taken: %d %s", got.status, got.text)
		}
	}
	s.isProblem(s.get("/v1/exceptions"), 429, "busy", "", "ask again")
	s.isProblem(s.get("/v1/exceptions.csv"), 429, "busy", "", "ask again")
	for _, m := range waiting {
		if err := m.RespondMsg(&nats.Msg{Header: nats.Header{"Allied-Chunk": {"0"}, "Allied-End": {"1"}}, Data: []byte(`{}`)}); err != nil {
			t.Error(err)
		}
	}
	for range waiting {
		if got := <-ended; got.status != 200 {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
}

func TestThePageAsksForNothingElse(t *testing.T) {
	s := start(t)
	page := s.get("/api")
	csp := page.header.Get("Content-Security-Policy")
	if page.status != 200 || !strings.HasPrefix(csp, "default-src 'none'; style-src 'self';") || strings.Contains(page.text, "<script") || strings.Contains(page.text, "style=") {
		t.Errorf("%d %s", page.status, csp)
	}
	for _, part := range strings.SplitAfter(page.text, "href=\"")[1:] {
		at, _, _ := strings.Cut(part, `"`)
		if anchor, ok := strings.CutPrefix(at, "#"); ok {
			if !strings.Contains(page.text, fmt.Sprintf(`id="%s"`, anchor)) {
				t.Errorf("nothing is at #%s", anchor)
			}
		} else if got := s.get(at); got.status != 200 {
			t.Errorf("link to %s: %d", at, got.status)
		}
	}
	s.isNoPage(s.rest(http.MethodPost, "/api", "{}"))
	var d struct{ Paths map[string]any }
	if err := json.NewDecoder(bytes.NewReader([]byte(s.get("/openapi.json").text))).Decode(&d); err != nil {
		t.Fatal(err)
	}
	for _, r := range gateway.Routes() {
		if d.Paths[r.Path] == nil {
			t.Errorf("openapi.json lacks %s", r.Path)
		}
	}
}

func (s *served) isNoPage(got reply) {
	s.t.Helper()
	if got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		s.t.Errorf("%d %v", got.status, got.header)
	}
}

func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "donor=NOR", "stages=a&stages=b&reached=true", "limit=007", "limit=-0", "at_least=+1", "a%00b=%ff", "donor=;", "basis=x&basis=y", "=", "&", "limit=%201"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, r := range gateway.Routes() {
			if r.Post {
				continue
			}
			m, p := gateway.Read(r, query)
			if (p == nil) == (m == nil) {
				t.Fatalf("%s?%s: %v, %v", r.Path, query, m, p)
			}
			if p != nil {
				if p.Code == "" || p.Reason == "" || p.Remedy == "" {
					t.Errorf("%s?%q: %v", r.Path, query, p)
				}
				continue
			}
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
				if name := string(f.Name()); !strings.Contains(r.Path, "{"+name+"}") && !slices.Contains(values[name], fmt.Sprint(firstOf(f, v))) {
					t.Errorf("%s?%q: %s is %v", r.Path, query, name, v)
				}
				return true
			})
		}
	})
}

func firstOf(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	if f.IsList() {
		return v.List().Get(0).Interface()
	}
	return v.Interface()
}
