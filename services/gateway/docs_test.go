package gateway_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the guide's answers")

// shown is a block of shell commands and, where one follows, the block of what they print.
var shown = regexp.MustCompile("(?ms)^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```\n)?")

// TestTheGuideShowsWhatIsAnswered runs the commands of the guide for developers on a ledger with the sample.
func TestTheGuideShowsWhatIsAnswered(t *testing.T) {
	guide := filepath.Join("..", "..", "docs", "guides", "developer.md")
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	s := sampled(t)
	replace := []string{"http://127.0.0.1:8080", s.url} // what stands in the guide, and what it is here
	defined, now := "", string(text)
	for _, block := range shown.FindAllStringSubmatch(string(text), -1) {
		command, printed := block[1], block[2]
		if !strings.Contains(block[0], "```json") {
			defined += command
			continue
		}
		out, err := outside(t, "bash", "-c", strings.NewReplacer(replace...).Replace(defined+command)).Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		places, here := varying.FindAllString(printed, -1), varying.FindAllString(string(out), -1)
		if varying.ReplaceAllString(printed, "#") != varying.ReplaceAllString(string(out), "#") {
			t.Logf("%s\n%s", command, out)
			now = strings.Replace(now, block[0], "```sh\n"+command+"```\n\n```json\n"+string(out)+"```\n", 1)
			continue
		}
		for i, place := range places {
			replace = append(replace, quotedValue(place), quotedValue(here[i]))
		}
	}
	switch {
	case now == string(text):
	case !*update:
		t.Errorf("%s shows something else than what is answered now: run go test ./services/gateway -update, and look at the difference", guide)
	default:
		writeFile(t, guide, now)
	}
}

// varying are members whose values differ from run to run. Ordinals do not: they tell that the sample has changed.
var varying = regexp.MustCompile(`"(position|log_id|recorded_at)": "[^"]*"`)

func quotedValue(member string) string {
	_, value, _ := strings.Cut(member, ": ")
	return value
}
