package tables_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/exporting/tables"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// written is what CSV makes of an answer.
func written(t *testing.T, answer proto.Message, lists ...protoreflect.Name) [][]string {
	t.Helper()
	table, err := tables.New(answer.ProtoReflect().Descriptor(), lists...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := tables.Formats[0].Create(&out, table)
	if err != nil {
		t.Fatal(err)
	}
	for row := range table.Rows(answer) {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(nil); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func same(t *testing.T, got [][]string, want ...string) {
	t.Helper()
	var lines []string
	for _, row := range got {
		lines = append(lines, strings.Join(row, "|"))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("rows are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// A pledge has a row for each figure: its texts stand on each, its counts on the first. References, which count nothing, stand in one cell.
func TestFiguresWithinAnElementAreRows(t *testing.T) {
	same(t, written(t, &apiv1.PledgesResponse{Pledges: []*apiv1.Pledge{
		{
			Stream: "p1", Donor: "NOR", First: proto.String("2022-09-13"), Events: 3, Unknown: 1, Flags: []string{"plug", "synthetic"},
			References: []*apiv1.PledgeReference{{Publisher: "a", ExternalId: "1"}, {Publisher: "b", ExternalId: "2"}},
			Ladder: []*apiv1.PledgeRung{
				{Stage: "committed", Asset: "EUR/2@x", Reached: "2.00", Standing: "1.00"}, {Stage: "allocated", Asset: "EUR/2@x", Reached: "1.00", Standing: "1.00"},
			},
			Beside:      []*apiv1.PledgeExcess{{Account: "difference", Asset: "EUR/2@x", Amount: "-0.50"}},
			Undisclosed: []*apiv1.PledgeUndisclosed{{Stage: "committed", Basis: "x", Count: 1}},
		},
		{Stream: "p2", Donor: "SWE"},
	}}, "pledges"),
		"stream|donor|beneficiary|title|status|first|last|events|unknown|flags|references_publisher|references_release|references_external_id|not_reported|part|"+
			"stage|asset|reached|standing|account|amount|basis|count",
		"p1|NOR||||2022-09-13||3|1|plug; synthetic|a; b|; |1; 2||ladder|committed|EUR/2@x|2.00|1.00||||",
		"p1|NOR||||2022-09-13||||plug; synthetic|a; b|; |1; 2||ladder|allocated|EUR/2@x|1.00|1.00||||",
		"p1|NOR||||2022-09-13||||plug; synthetic|a; b|; |1; 2||beside||EUR/2@x|||difference|-0.50||",
		"p1|NOR||||2022-09-13||||plug; synthetic|a; b|; |1; 2||undisclosed|committed||||||x|1",
		"p2|SWE||||||0|0||||||||||||||",
	)
}

// What is not there is empty; zero is zero.
func TestWhatIsNotThereIsNoZero(t *testing.T) {
	same(t, written(t, &apiv1.ExceptionsResponse{Exceptions: []*apiv1.Exception{
		{Id: "1", ResolvedOrdinal: proto.Uint64(0), Amount: proto.String("0.00")}, {Id: "2"},
	}}, "exceptions"),
		"id|kind|status|cause|stream|pledge|line|draw|donor|beneficiary|category|asset|amount|open_amount|event|ordinal|recorded|effective|resolved_ordinal|detail",
		"1||||||||||||0.00|||0|||0|", "2|||||||||||||||0||||",
	)
}

// Where an answer has two lists, each row says of which it is.
func TestTwoListsAreTold(t *testing.T) {
	same(t, written(t, &apiv1.TimelineResponse{
		Rows:    []*apiv1.TimelineRow{{Month: proto.String("2023-04"), Stage: "committed", Amount: proto.String("1.00")}},
		Undated: []*apiv1.TimelineRow{{Stage: "committed", Unknown: 2}},
	}, "rows", "undated"),
		"list|month|donor|beneficiary|category|instrument|evidence|stage|asset|amount|unknown",
		"rows|2023-04||||||committed||1.00|0", "undated|||||||committed|||2",
	)
}

func TestMessagesWithinAreColumns(t *testing.T) {
	got := written(t, &apiv1.PaymentsResponse{Payments: []*apiv1.Payment{
		{Stream: "p", BookedAs: &apiv1.AssetAmount{Asset: "UAH/2@x", Amount: "5.00"}, Creditor: &apiv1.PaymentParty{Name: "Treasury"}},
	}}, "payments")
	said := map[string]string{}
	for i, name := range got[0] {
		said[name] = got[1][i]
	}
	if said["booked_as_asset"] != "UAH/2@x" || said["booked_as_amount"] != "5.00" || said["creditor_name"] != "Treasury" || said["loan_principal"] != "" {
		t.Errorf("%v", said)
	}
}

func TestWhatNoTableHoldsIsRefused(t *testing.T) {
	for _, c := range []struct {
		of    proto.Message
		lists []protoreflect.Name
		says  string
	}{
		{&apiv1.PledgesResponse{}, nil, "no list is named"},
		{&apiv1.PledgesResponse{}, []protoreflect.Name{"total"}, "total is no list"},
		{&apiv1.BalancesResponse{}, []protoreflect.Name{"rows", "left_out"}, "left_out is no list of the others' messages"},
		{&apiv1.EventsResponse{}, []protoreflect.Name{"events"}, "which no column holds"},
	} {
		if _, err := tables.New(c.of.ProtoReflect().Descriptor(), c.lists...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.lists, err)
		}
	}
}

// A spreadsheet that opens CSV takes a cell for a formula by its first character. Numbers, which may begin with a sign, are none.
func TestTextThatIsNoFormulaInCSV(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1+1": "'+1+1", "-1+1": "'-1+1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", "-": "'-", "-12.5e3": "'-12.5e3",
		"-12.50": "-12.50", "+3": "+3", "12": "12", "a=1": "a=1", "": "", " =1": " =1", "'=1": "'=1", "Łódź, \"x\"\ny": "Łódź, \"x\"\ny",
	} {
		got := written(t, &apiv1.ExceptionsResponse{Exceptions: []*apiv1.Exception{{Detail: text}}}, "exceptions")
		if detail := got[1][len(got[1])-1]; detail != want {
			t.Errorf("%q is written as %q, want %q", text, detail, want)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{"=1", "-1", "a\"b", "\r\n", "'", "; "} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		got := written(t, &apiv1.PledgesResponse{Pledges: []*apiv1.Pledge{{Title: a, Flags: []string{b, a}}}}, "pledges")
		if len(got) != 2 || len(got[1]) != len(got[0]) {
			t.Fatalf("%q", got)
		}
		for _, cell := range got[1] {
			if strings.IndexAny(cell, "=@\t") == 0 {
				t.Errorf("%q and %q become %s", a, b, fmt.Sprintf("%q", cell))
			}
		}
	})
}
