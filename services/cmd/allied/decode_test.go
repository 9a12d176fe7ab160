package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func readAll(t *testing.T, text string) (lines []commandLine, faults []string) {
	t.Helper()
	for line, err := range commandLines("f.jsonl", strings.NewReader(text)) {
		var bad *lineError
		switch {
		case err == nil:
			lines = append(lines, line)
		case errors.As(err, &bad):
			faults = append(faults, err.Error())
		default:
			t.Fatalf("an error without a place: %v", err)
		}
	}
	return lines, faults
}

func TestCommandsAreReadLineByLine(t *testing.T) {
	lines, faults := readAll(t, "\xef\xbb\xbf{\"donor\":\"NOR\"}\r\n\n  \n{\"donor\":\"DNK\",\"commitPledge\":{}}")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(lines) != 2 || lines[0].line != 1 || lines[1].line != 4 || lines[1].command.GetDonor() != "DNK" {
		t.Fatalf("read %v", lines)
	}
}

func TestABadLineNamesItsPlaceAndWhatWasMeant(t *testing.T) {
	for _, test := range []struct{ name, line, want string }{
		{"unknown field", `{"doner":"NOR"}`, `f.jsonl:1:2: Command has no field "doner"; did you mean "donor"?`},
		{
			"unknown field deep inside", `{"donor":"Åland","commit_pledge":{"commitments":[{"line":{"categry":"MIL"}}]}}`,
			`f.jsonl:1:59: Line has no field "categry"; did you mean "category"?`,
		},
		{
			"a name like no other", `{"commit_pledge":{"zzzzzzzz":1}}`,
			`f.jsonl:1:19: CommitPledge has no field "zzzzzzzz"; it has title, commitments`,
		},
		{"a number for text", `{"donor":5}`, `f.jsonl:1:10: donor is text: write it in quotes, such as "5"`},
		{
			"an amount without quotes", `{"commit_pledge":{"commitments":[{"line":{"values":[{"amount":625.5}]}}]}}`,
			`f.jsonl:1:63: amount is text: write it in quotes, such as "625.5"`,
		},
		{"true for text", `{"donor":true}`, `f.jsonl:1:10: donor is text in quotes, not true`},
		{"an object for text", `{"donor":{"x":1}}`, `f.jsonl:1:10: donor is text in quotes, not {`},
		{"text for a list", `{"corrects":"x"}`, `f.jsonl:1:13: corrects is a list, [ … ], not "x"`},
		{"a number in a list of text", `{"corrects":["x", 7]}`, `f.jsonl:1:19: corrects is text: write it in quotes, such as "7"`},
		{"text for an object", `{"commit_pledge":"x"}`, `f.jsonl:1:18: commit_pledge is an object, { … }, not "x"`},
		{"an object for a list", `{"commit_pledge":{"commitments":{}}}`, `f.jsonl:1:33: commitments is a list, [ … ], not {`},
		{"text for true or false", `{"observed":"yes"}`, `f.jsonl:1:13: observed is true or false, without quotes, not "yes"`},
		{"twice", `{"donor":"NOR","donor":"DNK"}`, `f.jsonl:1:16: duplicate field "donor"`},
		{"two bodies", `{"fulfil_pledge":{},"lapse_pledge":{}}`, `f.jsonl:1:21: error parsing "lapse_pledge", oneof allied.api.v1.Command.body is already set`},
		{"no JSON", `donor,beneficiary`, `f.jsonl:1:1: not JSON: invalid character 'd' looking for beginning of value`},
		{"a list", `[{"donor":"NOR"}]`, `f.jsonl:1:1: a command is one JSON object, { … }, on a line of its own`},
		{"two on a line", `{"donor":"NOR"} {}`, `f.jsonl:1:17: something follows the command; each command has a line of its own`},
		{"spread out", "{\n\"donor\":\"NOR\"}", `f.jsonl:1:2: the line ends inside the command; a command stands on one line (jq -c . makes lines of spread-out JSON)`},
		{"too deep", `{"x":` + strings.Repeat("[", 100), `f.jsonl:1:2: Command has no field "x"; it has command_id`},
		{"deep", `{"observed":` + strings.Repeat("[", 100), `f.jsonl:1:45: nested deeper than 32 levels`},
		{"a list in a list", `{"corrects":[` + strings.Repeat("[", 100), `f.jsonl:1:14: corrects is text in quotes, not [`},
		{"too long", `{"reason":"` + strings.Repeat("x", lineBytesMax) + `"}`, `f.jsonl:1: the line is longer than 1048576 bytes; a command has one line of its own`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, faults := readAll(t, test.line)
			if len(faults) == 0 || !strings.HasPrefix(faults[0], test.want) {
				t.Fatalf("got  %q\nwant %q", faults, test.want)
			}
		})
	}
}

func TestWhatFollowsABadLineCanStillBeRead(t *testing.T) {
	long := `{"reason":"` + strings.Repeat("x", lineBytesMax) + `"}`
	lines, faults := readAll(t, "nonsense\n"+long+"\n{\"donor\":\"NOR\"}\n"+long)
	if len(lines) != 1 || lines[0].line != 3 || len(faults) != 3 {
		t.Fatalf("read %d commands and %d faults: %v", len(lines), len(faults), faults)
	}
}

type brokenReader struct{ text io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	if n, err := b.text.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("the disk went away")
}

func TestAFileThatBreaksOffSaysWhere(t *testing.T) {
	var last error
	for _, err := range commandLines("f.jsonl", brokenReader{strings.NewReader("{}\n{}\n")}) {
		last = err
	}
	if last == nil || last.Error() != "read f.jsonl after line 2: the disk went away" {
		t.Fatalf("ended with %v", last)
	}
}

// FuzzDecodeCommand: any line is a command that protojson reads too, or an error with a place within the line.
func FuzzDecodeCommand(f *testing.F) {
	for _, seed := range []string{
		`{"donor":"NOR","commit_pledge":{"commitments":[{"line":{"values":[{"amount":"1"}]}}]}}`, `{"doner":1}`, `{`, `[]`, `{"a":`, "\xff", `{"donor":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, err := decodeCommand(line, &lineError{file: "f", line: 1})
		var bad *lineError
		switch {
		case err == nil:
			if again := protojson.Unmarshal(line, &apiv1.Command{}); again != nil || cmd == nil {
				t.Fatalf("accepted what protojson refuses: %v", again)
			}
		case !errors.As(err, &bad) || bad.column > len(line)+1 || bad.detail == "":
			t.Fatalf("no place in %v", err)
		}
	})
}
