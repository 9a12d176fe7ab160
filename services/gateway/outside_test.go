package gateway_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Python's standard library, which nobody here wrote, is a client.
func TestPython(t *testing.T) {
	s, impatient := filled(t), silent(t, 200*time.Millisecond)
	out, err := outside(t, "python3", filepath.Join("testdata", "client.py"), s.url, impatient.url).CombinedOutput()
	if err != nil || string(out) != "all so\n" {
		t.Fatalf("%v: %s", err, out)
	}
}

// outside is a program that speaks to this machine without a proxy.
func outside(t *testing.T, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "no_proxy=*", "NO_PROXY=*")
	return cmd
}

// curl sends a request, and returns what it printed.
func (s *served) curl(method string, args ...string) reply {
	s.t.Helper()
	args = append([]string{"-sS", "-w", "\n%{http_code}", s.url + path(method)}, args...)
	out, err := outside(s.t, "curl", args...).Output()
	if err != nil {
		s.t.Fatalf("curl %q: %v: %s", args, err, out)
	}
	at := bytes.LastIndexByte(out, '\n')
	r := reply{text: string(out[:at])}
	r.status, _ = strconv.Atoi(string(out[at+1:]))
	if err := json.Unmarshal([]byte(r.text), &r.json); err != nil {
		s.t.Fatalf("curl %q: %s: %v", args, out, err)
	}
	return r
}

const asJSON = "Content-Type: application/json"

func TestCurl(t *testing.T) {
	s := filled(t)
	command := `{"command_id":"0190a000-0000-7000-8000-0000000000aa","donor":"NOR","beneficiary":"UKR","effective":"2024-03-01","commit_pledge":{"title":"Air defence",` +
		`"commitments":[{"firmness":"firm","line":{"category":"MIL.AIRDEF","instrument":"grant","values":[{"basis":"donor_stated","asset":"EUR/2@donor_stated","amount":"625.00"}]}}]}}`
	recorded := s.curl("Submit", "-H", asJSON, "-d", command)
	if recorded.status != 200 || recorded.json["outcome"] != "recorded" {
		t.Fatalf("%d %s", recorded.status, recorded.text)
	}
	if again := s.curl("Submit", "-H", asJSON, "-d", command); again.json["outcome"] != "repeated" || again.json["position"] != recorded.json["position"] {
		t.Errorf("%d %s", again.status, again.text)
	}
	balances := s.curl("Balances", "-H", asJSON, "-d", `{"basis":"donor_stated","stages":["committed"],"reached":true,"donor":"NOR","asset":"EUR/2@donor_stated","at_least":`+
		recorded.json["position"].(string)+`}`)
	if rows, _ := balances.json["rows"].([]any); balances.status != 200 || len(rows) != 1 || rows[0].(map[string]any)["amount"] != "625.00" {
		t.Errorf("%d %s", balances.status, balances.text)
	}
	big := filepath.Join(t.TempDir(), "big.json")
	writeFile(t, big, strings.Repeat(" ", 10_000_000))
	for _, c := range []struct {
		name, method string
		args         []string
		status       int
		says         string
	}{
		{"many", "SubmitMany", []string{"-H", asJSON, "-d", `{"commands":[` + command + `,{}]}`}, 200, `"outcome":"refused"`},
		{"a page", "Pledges", []string{"-H", asJSON, "-d", `{"limit":1}`}, 200, `"next":"`},
		{"events", "Events", []string{"-H", asJSON, "-d", `{"limit":1,"type":"PledgeAllocated"}`}, 200, `"end":false`},
		{"unknown field", "Submit", []string{"-H", asJSON, "-d", `{"doner":"NOR"}`}, 400, `did you mean \"donor\"?`},
		{"misspelt filter", "Pledges", []string{"-H", asJSON, "-d", `{"categry":"MIL"}`}, 400, `did you mean \"category\"?`},
		{"misspelt word", "Pledges", []string{"-H", asJSON, "-d", `{"donor":"Norway"}`}, 400, `did you mean \"NOR\"?`},
		{"empty scope", "Balances", []string{"-H", asJSON, "-d", `{}`}, 400, `name at least one, such as committed`},
		{"10 MB", "Submit", []string{"-H", asJSON, "--data-binary", "@" + big}, 413, "split it into several requests"},
		{"10 MB without asking", "Submit", []string{"-H", asJSON, "-H", "Expect:", "--data-binary", "@" + big}, 413, "split it into several requests"},
		{"10 MB in chunks", "Submit", []string{"-H", asJSON, "-H", "Expect:", "-H", "Transfer-Encoding: chunked", "--data-binary", "@" + big}, 413, "split it into several requests"},
		{"10 MB on HTTP/2", "Submit", []string{"--http2-prior-knowledge", "-H", asJSON, "--data-binary", "@" + big}, 413, "split it into several requests"},
		{"a form", "Submit", []string{"-d", command}, 415, "send JSON with the header Content-Type: application/json"},
		{"HTTP/2", "Head", []string{"--http2-prior-knowledge", "-H", asJSON, "-d", `{}`}, 200, `"log_id"`},
		{"compressed", "Head", []string{"-H", asJSON, "-H", "Content-Encoding: gzip", "-d", `{}`}, 415, `send the body as it is`},
	} {
		if got := s.curl(c.method, c.args...); got.status != c.status || !strings.Contains(got.text, c.says) {
			t.Errorf("%s: %d %s", c.name, got.status, got.text)
		}
	}
	slow := silent(t, 200*time.Millisecond).curl("Submit", "-H", asJSON, "-H", "Expect:", "--limit-rate", "1k", "--data-binary", "@"+filepath.Join("testdata", "client.py"))
	if slow.status != 408 || !strings.Contains(slow.text, "send it again") {
		t.Errorf("slow: %d %s", slow.status, slow.text)
	}
}
