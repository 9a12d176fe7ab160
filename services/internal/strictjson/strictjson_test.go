package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/strictjson"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	for _, c := range []struct {
		name, text, path, detail string
		fault                    strictjson.Fault
		line, column             int
	}{
		{"misspelt", "{\n \"donor\": \"NOR\",\n \"stage\": []}", "stage", `BalancesRequest has no field "stage"; did you mean "stages"?`, strictjson.Unknown, 3, 2},
		{"not a word of a list", `{"by": ["donor", 7]}`, "by[1]", `by is text: write it in quotes, such as "7"`, strictjson.Field, 1, 18},
		{"no number", `{"category_depth":"Å"}`, "category_depth", `category_depth is a whole number from -2147483648 to 2147483647, not "Å"`, strictjson.Field, 1, 19},
		{"below", `{"at_least":-1}`, "at_least", `at_least is a whole number from 0 to 18446744073709551615, not -1`, strictjson.Field, 1, 13},
		{"beyond", `{"at_least":"18446744073709551616"}`, "at_least", `at_least is a whole number from 0 to 18446744073709551615, not "18446744073709551616"`, strictjson.Field, 1, 13},
		{"half", `{"category_depth":1.5}`, "category_depth", `category_depth is a whole number from -2147483648 to 2147483647, not 1.5`, strictjson.Field, 1, 19},
		{"no float either", `{"at_least":1e400}`, "at_least", `at_least is a whole number from 0 to 18446744073709551615, not 1e400`, strictjson.Field, 1, 13},
		{"twice", "{\"asset\":\"Å\",\n\"asset\":\"b\"}", "", `duplicate field "asset"`, strictjson.Field, 2, 1},
		{"a list", `[]`, "", "a JSON object, { … }, is wanted, not [", strictjson.NoObject, 1, 1},
		{"cut", `{"donor":`, "", "the text ends inside the JSON object", strictjson.Truncated, 1, 10},
		{"nothing", ``, "", "the text ends inside the JSON object", strictjson.Truncated, 1, 1},
		{"two", `{} {}`, "", "something follows the JSON object", strictjson.Followed, 1, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bad *strictjson.Error
			if err := strictjson.Unmarshal([]byte(c.text), &apiv1.BalancesRequest{}); !errors.As(err, &bad) {
				t.Fatalf("read with %v", err)
			}
			line, column := strictjson.Place([]byte(c.text), bad.Offset)
			if bad.Fault != c.fault || bad.Path != c.path || bad.Error() != c.detail || line != c.line || column != c.column {
				t.Errorf("%+v at %d:%d", bad, line, column)
			}
		})
	}
}

func TestAPathNamesTheElement(t *testing.T) {
	text := `{"commit_pledge":{"commitments":[{},{"line":{"categry":"MIL"}}]}}`
	var bad *strictjson.Error
	err := strictjson.Unmarshal([]byte(text), &apiv1.Command{})
	if !errors.As(err, &bad) || bad.Path != "commit_pledge.commitments[1].line.categry" {
		t.Errorf("%+v", bad)
	}
}

// What is wrong may be as long as the text, and is not sent back: its place says where it is.
func TestAnErrorRepeatsLittleOfTheText(t *testing.T) {
	long := strings.Repeat("Å", 100_000)
	for _, text := range []string{
		`{"` + long + `":1}`, `{"at_least":"` + long + `"}`, `{"stages":"` + long + `"}`, `{"stages":["` + long + `"}`, `"` + long + `"`, `{"donor":` + strings.Repeat("7", 100_000) + `}`,
	} {
		var bad *strictjson.Error
		err := strictjson.Unmarshal([]byte(text), &apiv1.BalancesRequest{})
		if !errors.As(err, &bad) || len(bad.Error())+len(bad.Path) > 1000 {
			t.Errorf("%.40s: %d bytes, with a path of %d", text, len(err.Error()), len(bad.Path))
		}
	}
}

// A message is far larger than an empty object of JSON.
func TestObjectsAreCounted(t *testing.T) {
	objects := func(n int) string { return `{"commands":[{}` + strings.Repeat(",{}", n-2) + `]}` } // with the outer one
	if err := strictjson.Unmarshal([]byte(objects(100_000)), &apiv1.SubmitManyRequest{}); err != nil {
		t.Error(err)
	}
	var bad *strictjson.Error
	if err := strictjson.Unmarshal([]byte(objects(100_001)), &apiv1.SubmitManyRequest{}); !errors.As(err, &bad) || bad.Detail != "more than 100000 objects" || bad.Path != "commands[99999]" {
		t.Errorf("%v", err)
	}
}

func TestWholeNumbersAreReadWithAndWithoutQuotes(t *testing.T) {
	for _, text := range []string{`{"at_least":18446744073709551615}`, `{"at_least":"18446744073709551615"}`} {
		got := &apiv1.BalancesRequest{}
		if err := strictjson.Unmarshal([]byte(text), got); err != nil || got.AtLeast != 1<<64-1 {
			t.Errorf("%s is read as %d, %v", text, got.AtLeast, err)
		}
	}
}

// Null where a program had no value is no filter, and would answer a total of everything.
func TestNullIsNoValue(t *testing.T) {
	for text, path := range map[string]string{`{"donor":null}`: "donor", `{"stages":["committed",null]}`: "stages[1]", `{"stages":null}`: "stages"} {
		var bad *strictjson.Error
		if err := strictjson.Unmarshal([]byte(text), &apiv1.BalancesRequest{}); !errors.As(err, &bad) || bad.Path != path || !strings.Contains(bad.Detail, "is null") {
			t.Errorf("%s is read with %v", text, err)
		}
	}
}

// FuzzUnmarshal: any text is a message that protojson reads the same, or an error with a place within it.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"stages":["committed"],"at_least":"12"}`, "{\n\"by\":7}", `{`, `[]`, `{"a":`, "\xff", `{"donor":null}`, "{\n\n\"limit\":1e99}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, again := &apiv1.BalancesRequest{}, &apiv1.BalancesRequest{}
		err := strictjson.Unmarshal(text, got)
		var bad *strictjson.Error
		switch {
		case err == nil:
			if err := protojson.Unmarshal(text, again); err != nil || !proto.Equal(got, again) {
				t.Fatalf("accepted as %v what protojson reads as %v, %v", got, again, err)
			}
		case !errors.As(err, &bad) || bad.Offset > len(text) || bad.Detail == "":
			t.Fatalf("no place in %v", err)
		}
	})
}
