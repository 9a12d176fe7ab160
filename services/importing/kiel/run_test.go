package kiel_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/wire"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/importing/kiel"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/boot/boottest"
)

const quirks = "testdata/quirks.csv"

// ledger starts a ledger in memory.
func ledger(t *testing.T) *client.Client {
	t.Helper()
	c, _ := boottest.Start(t, boot.Recorder, boot.Pledges, boot.Imports)
	return c
}

func run(t *testing.T, c kiel.Ledger, path, release string) *kiel.Report {
	t.Helper()
	r, err := kiel.Run(t.Context(), c, path, kiel.Options{Release: release})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rehearse(t *testing.T, c *client.Client, path, release string) *kiel.Report {
	t.Helper()
	before := events(t, c)
	r, err := kiel.Rehearse(t.Context(), c, path, kiel.Options{Release: release})
	if err != nil {
		t.Fatal(err)
	}
	if after := events(t, c); after != before {
		t.Errorf("a dry run recorded %d events", after-before)
	}
	return r
}

func events(t *testing.T, c *client.Client) uint64 {
	t.Helper()
	head, _, err := c.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head.Events
}

// edited writes the quirk file with some cells changed.
func edited(t *testing.T, edit func(records [][]string) [][]string) string {
	t.Helper()
	in, err := os.ReadFile(quirks)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(in), "\ufeff")))
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.WriteAll(edit(records)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "edited.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func expect(t *testing.T, r *kiel.Report, recorded, repeated, refused int) {
	t.Helper()
	if r.Recorded != recorded || r.Repeated != repeated || len(r.Refused) != refused || len(r.Unanswered) != 0 {
		t.Errorf("recorded %d, repeated %d, refused %v, unanswered %v; want %d, %d, %d and none", r.Recorded, r.Repeated, r.Refused, r.Unanswered,
			recorded, repeated, refused)
	}
}

func TestImportAgainRecordsNothing(t *testing.T) {
	c := ledger(t)
	expected := rehearse(t, c, quirks, "2024-06")
	first := run(t, c, quirks, "2024-06")
	expect(t, first, first.Commands, 0, 0)
	expect(t, expected, first.Commands, 0, 0)
	if !first.Complete || first.Rows != 21 || first.Kinds["complete"] != 1 || first.Kinds["deliver"] != 7 || !maps.Equal(first.Kinds, expected.Kinds) || first.Position == 0 {
		t.Errorf("%+v", first)
	}
	before := events(t, c)
	second := run(t, c, quirks, "2024-06")
	expect(t, second, 0, first.Commands, 0)
	expect(t, rehearse(t, c, quirks, "2024-06"), 0, first.Commands, 0)
	if !second.Complete || events(t, c) != before || second.Position != first.Position {
		t.Errorf("%+v", second)
	}
}

func TestChangedRowUnderTheSameReleaseIsRefused(t *testing.T) {
	c := ledger(t)
	first := run(t, c, quirks, "2024-06")
	before := events(t, c)
	for name, edit := range map[string]struct {
		change  func(records [][]string) [][]string
		refused []string // of the report, in order
	}{
		"value":                        {func(r [][]string) [][]string { r[8][22] = "701"; return r }, []string{"row_changed 6", "row_changed 7", "row_changed 8", "row_changed 9", "import_completed 22"}},
		"delivered value":              {func(r [][]string) [][]string { r[8][20] = "751"; return r }, []string{"row_changed 6", "row_changed 7", "row_changed 8", "row_changed 9", "import_completed 22"}},
		"no longer delivered":          {func(r [][]string) [][]string { r[5][20] = ""; return r }, []string{"row_changed 6", "row_changed 7", "row_changed 8", "row_changed 9", "import_completed 22"}},
		"explanation of the first row": {func(r [][]string) [][]string { r[13][5] = "Another explanation."; return r }, []string{"identity_changed 14", "import_completed 22"}},
		"row left out":                 {func(r [][]string) [][]string { return r[:len(r)-1] }, []string{"row_changed 21", "import_completed 21"}},
		"row put before all":           {func(r [][]string) [][]string { return append([][]string{r[0], r[13]}, r[1:]...) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := edited(t, edit.change)
			expected := rehearse(t, c, path, "2024-06")
			r := run(t, c, path, "2024-06")
			expect(t, r, expected.Recorded, expected.Repeated, len(expected.Refused))
			if r.Recorded != 0 || len(r.Refused) == 0 || r.Complete {
				t.Errorf("recorded %d, refused %v, complete %v", r.Recorded, r.Refused, r.Complete)
			}
			for i, want := range edit.refused {
				if i >= len(r.Refused) || fmt.Sprint(r.Refused[i].Code, " ", r.Refused[i].Row) != want || r.Refused[i].Remedy == "" {
					t.Errorf("refused %+v, not %v", r.Refused, edit.refused)
				}
			}
		})
	}
	if events(t, c) != before {
		t.Error("a changed file was recorded")
	}
	expect(t, run(t, c, quirks, "2024-06"), 0, first.Commands, 0)
}

// While a release is open, what is recorded of it still holds: a row that moved, vanished or changed its kind must not enter the books again.
func TestChangedFileOfAnOpenReleaseIsRefused(t *testing.T) {
	broken := func(r [][]string) [][]string { r[19][0] = " "; return r } // keeps the release open
	for name, edit := range map[string]struct {
		change   func(records [][]string) [][]string
		refused  []string
		recorded int // of QGF1, whose row is whole again
	}{
		"row moved":                    {func(r [][]string) [][]string { r[15], r[16] = r[16], r[15]; return r }, []string{"row_changed 15", "row_changed 16", "row_changed 17"}, 2},
		"row moved to the end":         {func(r [][]string) [][]string { return append(append(r[:20:20], r[21]), r[20]) }, []string{"identity_changed 21", "identity_changed 22"}, 2},
		"later row of a package moved": {func(r [][]string) [][]string { r[18], r[19] = r[19], r[18]; return r }, []string{"row_changed 18", "other_row_refused 20"}, 2},
		"row vanished":                 {func(r [][]string) [][]string { return r[:len(r)-1] }, []string{"row_changed 21"}, 2},
		"ID vanished":                  {func(r [][]string) [][]string { return r[:len(r)-2] }, []string{"row_missing 0"}, 2},
		"commitment for an allocation": {func(r [][]string) [][]string { r[8][7], r[8][24] = "Commitment", "0"; return r }, []string{"row_changed 6", "row_changed 7", "row_changed 8", "row_changed 9"}, 2},
		"allocation for a commitment":  {func(r [][]string) [][]string { r[5][7], r[5][24] = "Allocation", "QCM1_3"; return r }, []string{"row_changed 6", "row_changed 7", "row_changed 8", "row_changed 9"}, 2},
		"value":                        {func(r [][]string) [][]string { r[8][22] = "701"; return r }, []string{"row_changed 6", "row_changed 7", "row_changed 8", "row_changed 9"}, 2},
		"allocation come":              {func(r [][]string) [][]string { return append(r, another(r[21], "QDM1_3")) }, nil, 5},
	} {
		t.Run(name, func(t *testing.T) {
			c := ledger(t)
			first := run(t, c, edited(t, broken), "2024-06")
			if len(first.Refused) != 1 || first.Complete {
				t.Fatalf("%+v", first)
			}
			path := edited(t, edit.change)
			expected := rehearse(t, c, path, "2024-06")
			r := run(t, c, path, "2024-06")
			for _, got := range []*kiel.Report{expected, r} {
				if !slices.Equal(refused(got), edit.refused) || got.Recorded != edit.recorded || got.Complete != (len(edit.refused) == 0) {
					t.Errorf("recorded %d, complete %v, refused %+v", got.Recorded, got.Complete, got.Refused)
				}
			}
		})
	}
}

// A person who cites the tracker's row has not changed it.
func TestWhatPersonsRecordIsNoChange(t *testing.T) {
	c := ledger(t)
	first := run(t, c, edited(t, func(r [][]string) [][]string { r[19][0] = " "; return r }), "2024-06") // the release stays open
	lapse := &apiv1.Command{
		CommandId: "6f1b3a52-6d5c-4d0e-9d6a-0d5f8b1c7e21", Stream: streamOf(t, c, "QAM1"), Effective: "2024-07-01", Actor: "an auditor",
		Sources: []*eventv1.Source{{Publisher: kiel.Publisher, Release: "2024-06", ExternalId: "QAM1", Locator: "row 2"}},
		Body:    &apiv1.Command_LapsePledge{LapsePledge: &apiv1.LapsePledge{}},
	}
	err := c.SubmitAll(t.Context(), slices.Values([]*apiv1.Command{lapse}), func(_ int, _ *apiv1.Command, a *apiv1.Answer) error {
		if a.Outcome != "recorded" {
			t.Errorf("%v", a)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := run(t, c, quirks, "2024-06"); r.Repeated != first.Recorded || !r.Complete {
		t.Errorf("repeated %d of %d, refused %v", r.Repeated, first.Recorded, r.Refused)
	}
	if r := run(t, c, quirks, "2024-08"); r.Matched != r.Pledges || !r.Complete {
		t.Errorf("matched %d of %d, refused %v", r.Matched, r.Pledges, r.Refused)
	}
}

// streamOf is the pledge that an import recorded under an ID.
func streamOf(t *testing.T, c *client.Client, id string) string {
	t.Helper()
	for entry, err := range c.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := wire.Decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		if s := f.Envelope.GetSources(); len(s) > 0 && s[0].GetExternalId() == id {
			return f.Stream
		}
	}
	t.Fatalf("no pledge under %s", id)
	return ""
}

func another(record []string, allocation string) []string {
	out := slices.Clone(record)
	out[24] = allocation
	return out
}

// A later release: what it repeats, wherever its rows stand now, is matched and not recorded twice; what cannot be matched with certainty
// opens a pledge and an exception.
func TestLaterRelease(t *testing.T) {
	c := ledger(t)
	first := run(t, c, quirks, "2024-06")
	later := edited(t, func(r [][]string) [][]string {
		r[13][5] = "Another explanation."
		come := another(r[19], "QGF2_1")
		come[0] = "QGF2"
		return append([][]string{r[0], come}, r[1:]...)
	})
	expected := rehearse(t, c, later, "2024-08")
	r := run(t, c, later, "2024-08")
	for _, got := range []*kiel.Report{expected, r} {
		if got.Recorded != 4 || got.Matched != first.Pledges-1 || got.Pledges != first.Pledges+1 || len(got.Exceptions) != 1 || !got.Complete {
			t.Fatalf("recorded %d, matched %d, refused %v, exceptions %v, complete %v", got.Recorded, got.Matched, got.Refused, got.Exceptions, got.Complete)
		}
	}
	if x := r.Exceptions[0]; x.ID != "QUM1" || x.OtherRelease != "2024-06" || x.Stream == x.OtherStream {
		t.Errorf("%+v", x)
	}
	again := run(t, c, later, "2024-08")
	if expect(t, again, 0, 4, 0); again.Matched != r.Matched || !again.Complete {
		t.Errorf("%+v", again)
	}
	if last := run(t, c, quirks, "2024-10"); last.Matched != first.Pledges || last.Recorded != 1 || !last.Complete {
		t.Errorf("recorded %d, matched %d, refused %v", last.Recorded, last.Matched, last.Refused)
	}
	expect(t, run(t, c, quirks, "2024-06"), 0, first.Commands, 0)
}

func TestRestatementsAreRefused(t *testing.T) {
	c := ledger(t)
	twins := func(r [][]string) [][]string { return append(r, r[5], r[5]) } // three commitments of QCM1 that look the same
	first := run(t, c, edited(t, twins), "2024-06")
	if !first.Complete {
		t.Fatalf("%+v", first)
	}
	for name, edit := range map[string]struct {
		change  func(records [][]string) [][]string
		refused []string
	}{
		"nothing":             {func(r [][]string) [][]string { return r }, nil},
		"value":               {func(r [][]string) [][]string { r[21][22] = "6"; return r }, []string{"restated 21", "restated 22"}},
		"delivery come":       {func(r [][]string) [][]string { r[21][20] = "5"; return r }, []string{"restated 21", "restated 22"}},
		"what nobody reads":   {func(r [][]string) [][]string { r[21][70] = "A remark."; return r }, []string{"restated 21", "restated 22"}},
		"allocation come":     {func(r [][]string) [][]string { return append(r, another(r[21], "QDM1_3")) }, []string{"restated 21", "restated 22", "restated 25"}},
		"allocation gone":     {func(r [][]string) [][]string { return append(r[:21:21], r[22:]...) }, []string{"restated 21"}},
		"one of the twins":    {func(r [][]string) [][]string { return r[:23] }, []string{"restated 6", "restated 7", "restated 8", "restated 9", "restated 23"}},
		"another of the kind": {func(r [][]string) [][]string { return append(r, r[5]) }, []string{"restated 6", "restated 7", "restated 8", "restated 9", "restated 23", "restated 24", "restated 25"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := events(t, c)
			path := edited(t, func(r [][]string) [][]string { return edit.change(twins(r)) })
			release := strings.ReplaceAll(name, " ", "-")
			expected := rehearse(t, c, path, release)
			r := run(t, c, path, release)
			for _, got := range []*kiel.Report{expected, r} {
				if !slices.Equal(refused(got), edit.refused) || got.Complete != (len(edit.refused) == 0) {
					t.Errorf("complete %v, refused %+v", got.Complete, got.Refused)
				}
				for _, x := range got.Refused {
					if !strings.Contains(x.Reason, "release 2024-06") || !strings.Contains(x.Remedy, "nothing was changed") {
						t.Errorf("%+v", x)
					}
				}
			}
			if n := events(t, c) - before; n != uint64(r.Recorded) || r.Recorded > 1 {
				t.Errorf("%d events, %d recorded", n, r.Recorded)
			}
		})
	}
}

func TestBadRowsAreRefusedAndTheRestGoesOn(t *testing.T) {
	c := ledger(t)
	r := run(t, c, edited(t, func(r [][]string) [][]string {
		r[2][1] = "Atlantis"  // of two rows of QAM2
		r[5][7] = "Promise"   // of four rows of QCM1
		r[13][3] = "Cultural" // alone
		r[19][0] = " "        // alone
		r[20][24] = "0"       // of two rows of QDM1
		return r
	}), "2024-06")
	got := map[string]int{}
	for _, x := range r.Refused {
		got[x.Code]++
		if x.Reason == "" || x.Remedy == "" || x.Row == 0 {
			t.Errorf("%+v", x)
		}
	}
	want := map[string]int{"several_donors": 2, "unknown_donation": 1, "unknown_type": 1, "id_missing": 1, "allocation_id_missing": 1, "other_row_refused": 4}
	for code, n := range want {
		if got[code] != n {
			t.Errorf("%d rows %s, not %d: %v", got[code], code, n, got)
		}
	}
	if r.Complete || r.Recorded == 0 || r.Recorded != r.Commands-1 {
		t.Errorf("recorded %d of %d commands, complete %v", r.Recorded, r.Commands, r.Complete)
	}
}

// A pledge without one of its allocations would say something else: what a decider refuses keeps the whole ID out, on a dry run too.
func TestNothingIsHalfRecorded(t *testing.T) {
	path := edited(t, func(r [][]string) [][]string { r[8][13] = "-3"; return r }) // units of the second allocation of QCM1
	c := ledger(t)
	want := []string{"other_row_refused 6", "other_row_refused 7", "other_row_refused 8", "bad_amount 9"}
	expected := rehearse(t, c, path, "2024-06")
	r := run(t, c, path, "2024-06")
	for _, got := range []*kiel.Report{expected, r} {
		if !slices.Equal(refused(got), want) || got.Complete || got.Recorded != got.Commands-1 {
			t.Errorf("recorded %d of %d, complete %v, refused %v", got.Recorded, got.Commands, got.Complete, got.Refused)
		}
	}
	whole := run(t, c, quirks, "2024-06")
	if expect(t, whole, whole.Commands-r.Recorded, r.Recorded, 0); !whole.Complete {
		t.Error("the corrected file does not complete the release")
	}
}

func TestNegativeValuesAreRefused(t *testing.T) {
	for at, letters := range map[int]string{8: "I", 19: "T", 20: "U", 22: "W", 23: "X"} {
		c := ledger(t)
		r := run(t, c, edited(t, func(r [][]string) [][]string { r[8][at] = "-0.02"; return r }), "2024-06")
		want := []string{"other_row_refused 6", "other_row_refused 7", "other_row_refused 8", "negative_value 9"}
		if !slices.Equal(refused(r), want) || !strings.Contains(r.Refused[3].Reason, "column "+letters+` holds "-0.02"`) || r.Refused[3].Remedy != "correct column "+letters {
			t.Errorf("column %s: %+v", letters, r.Refused)
		}
	}
}

func refused(r *kiel.Report) []string {
	var out []string
	for _, x := range r.Refused {
		out = append(out, fmt.Sprint(x.Code, " ", x.Row))
	}
	return out
}

// silent is a ledger that answers nothing for certain.
type silent struct{ *client.Client }

func (silent) SubmitAll(_ context.Context, cmds iter.Seq[*apiv1.Command], answer func(int, *apiv1.Command, *apiv1.Answer) error) error {
	i := 0
	for c := range cmds {
		if err := answer(i, c, &apiv1.Answer{Outcome: "unknown", Code: "no_answer", Remedy: "send it again"}); err != nil {
			return err
		}
		i++
	}
	return nil
}

// taken is a ledger in which another importer came first, after the log was read.
type taken struct {
	*client.Client
	code string
}

func (l taken) SubmitAll(_ context.Context, cmds iter.Seq[*apiv1.Command], answer func(int, *apiv1.Command, *apiv1.Answer) error) error {
	i := 0
	for c := range cmds {
		if err := answer(i, c, &apiv1.Answer{Outcome: "refused", Code: l.code, Field: "allocate_pledge.line.line", Reason: "taken", Remedy: "use another id"}); err != nil {
			return err
		}
		i++
	}
	return nil
}

func TestTakenIDsAreReportedAsChangedRows(t *testing.T) {
	for _, code := range []string{"line_exists", "command_id_reused"} {
		r := run(t, taken{ledger(t), code}, quirks, "2024-06")
		if len(r.Refused) != r.Commands-1 {
			t.Fatalf("%s: %+v", code, r)
		}
		for _, x := range r.Refused {
			if x.Code != "row_changed" || x.Field != "" || !strings.Contains(x.Reason, "holds this row already") || !strings.Contains(x.Remedy, "another release") {
				t.Errorf("%s: %+v", code, x)
			}
		}
	}
}

func TestUnansweredCommandsAreListed(t *testing.T) {
	c := ledger(t)
	r, err := kiel.Run(t.Context(), silent{c}, quirks, kiel.Options{Release: "2024-06"})
	if !errors.Is(err, kiel.ErrUnanswered) || r == nil || len(r.Unanswered) != r.Commands-1 || r.Complete {
		t.Fatalf("%v, %+v", err, r)
	}
	if again := run(t, c, quirks, "2024-06"); !again.Complete {
		t.Errorf("%+v", again)
	}
}
