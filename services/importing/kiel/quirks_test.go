package kiel

import (
	"archive/zip"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

var update = flag.Bool("update", false, "write testdata/quirks.golden anew")

const quirks = "testdata/quirks.csv"

func quirkRows(t testing.TB) []Row {
	t.Helper()
	rows, err := ReadFile(quirks)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// spreadsheet writes a CSV as .xlsx with the very same cell values, as a spreadsheet program keeps them: numbers are numbers, days are
// formatted as days, other numbers with two decimals, none of which may show in what is read.
func spreadsheet(t testing.TB, from, sheet string) string {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	records[0][0] = strings.TrimPrefix(records[0][0], "\ufeff")
	number := regexp.MustCompile(`^\d+(\.\d+)?(E-?\d+)?$`)
	var b strings.Builder
	b.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`)
	for y, rec := range records {
		fmt.Fprintf(&b, `<row r="%d">`, y+1)
		for x, cell := range rec {
			at := fmt.Sprintf("%s%d", column(x).letters(), y+1)
			switch {
			case cell == "":
			case number.MatchString(cell):
				style := 2
				if column(x) == colAnnounced {
					style = 1
				}
				fmt.Fprintf(&b, `<c r="%s" s="%d"><v>%s</v></c>`, at, style, cell)
			default:
				fmt.Fprintf(&b, `<c r="%s" t="inlineStr"><is><t xml:space="preserve">`, at)
				if err := xml.EscapeText(&b, []byte(cell)); err != nil {
					t.Fatal(err)
				}
				b.WriteString(`</t></is></c>`)
			}
		}
		b.WriteString(`</row>`)
	}
	b.WriteString(`</sheetData></worksheet>`)
	return workbook(t, sheet, b.String())
}

// workbook packs one worksheet into an .xlsx file.
func workbook(t testing.TB, sheet, worksheet string) string {
	t.Helper()
	const (
		main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
		rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
		pack = "http://schemas.openxmlformats.org/package/2006"
		kind = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	)
	path := filepath.Join(t.TempDir(), "quirks.xlsx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, part := range []struct{ name, content string }{
		{"[Content_Types].xml", `<Types xmlns="` + pack + `/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + kind + `sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + kind + `worksheet+xml"/>` +
			`<Override PartName="/xl/styles.xml" ContentType="` + kind + `styles+xml"/></Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + pack + `/relationships"><Relationship Id="r1" Type="` + rels + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + main + `" xmlns:r="` + rels + `"><sheets><sheet name="` + sheet + `" sheetId="1" r:id="r1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + pack + `/relationships"><Relationship Id="r1" Type="` + rels + `/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="r2" Type="` + rels + `/styles" Target="styles.xml"/></Relationships>`},
		{"xl/styles.xml", `<styleSheet xmlns="` + main + `"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="2" applyNumberFormat="1"/></cellXfs></styleSheet>`},
		{"xl/worksheets/sheet1.xml", worksheet},
	} {
		w, err := z.Create(part.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(part.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// What every oddity leads to stands in testdata/quirks.golden, a line for each command and item; `go test -update` writes it.
func TestQuirks(t *testing.T) {
	p := planFor(t, quirkRows(t))
	var b strings.Builder
	for s := range p.Steps() {
		describe(&b, s)
	}
	for _, c := range p.Completion().GetCompleteImport().GetColumns() {
		fmt.Fprintf(&b, "total %s %s %s stated %d missing %d\n", c.Column, c.Asset, c.Sum, c.RowsStated, c.RowsMissing)
	}
	got, path := b.String(), "testdata/quirks.golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wanted, gotten := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(gotten)) {
		w, g := "", ""
		if i < len(wanted) {
			w = wanted[i]
		}
		if i < len(gotten) {
			g = gotten[i]
		}
		if w != g {
			t.Errorf("line %d:\nwant %s\ngot  %s", i+1, w, g)
		}
	}
	if len(p.Refused) != 0 {
		t.Errorf("refused: %v", p.Refused)
	}
	play(t, p) // the deciders take all of it, and the postings sum to zero
}

func describe(b *strings.Builder, s Step) {
	c := s.Command
	fmt.Fprintf(b, "%s row %d: %s %s %q %s; %s\n", s.ID, s.Row, s.kind, c.Effective, c.EffectiveAsStated, c.Donor, codes(c.Flags))
	for _, l := range c.GetCommitPledge().GetCommitments() {
		describeLine(b, l.Line)
	}
	if a := c.GetAllocatePledge(); a != nil {
		describeLine(b, a.Line)
		for _, it := range a.Items {
			fmt.Fprintf(b, "    item %q %s quantity %s %s %s price %s values %s; %s\n", it.Name, it.Category, it.QuantityStatus, it.QuantityAsset,
				it.Quantity, values(it.UnitPrices), values(it.Values), codes(it.Flags))
		}
	}
	if d := c.GetClaimDelivery(); d != nil {
		fmt.Fprintf(b, "  claims %s %s at %s, same units %v\n", d.Amount, d.Asset, d.Point, d.SameUnits)
		for _, u := range d.Stated {
			fmt.Fprintf(b, "    of %s %s\n", u.Amount, u.Asset)
		}
	}
	for _, s := range c.Sources[1:] {
		fmt.Fprintf(b, "  cites %s %s\n", s.Publisher, s.Url)
	}
}

func describeLine(b *strings.Builder, l *apiv1.Line) {
	fmt.Fprintf(b, "  %s %s %s by %q; %s\n", l.Category, l.Instrument, values(l.Values), l.ControlAsset, codes(l.Flags))
}

func values(in []*apiv1.Value) string {
	var out []string
	for _, v := range in {
		if v.Status == "stated" {
			out = append(out, v.Amount+" "+v.Asset+" "+v.Source)
		} else {
			out = append(out, v.Basis+" "+v.Status)
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func codes(flags []*eventv1.Flag) string {
	var out []string
	for _, f := range flags {
		out = append(out, f.Code)
	}
	return strings.Join(out, " ")
}

// factOf reads a row of the quirk file with some cells changed.
func factOf(t testing.TB, number int, cells map[column]string) *fact {
	t.Helper()
	m, err := loadMapping()
	if err != nil {
		t.Fatal(err)
	}
	f, problem := m.read(with(quirkRows(t), number, cells)[number-1])
	if problem != nil {
		t.Fatal(problem)
	}
	return f
}

// with returns the rows with some cells of one changed.
func with(rows []Row, number int, cells map[column]string) []Row {
	out := slices.Clone(rows)
	changed := slices.Clone(out[number-1].Cells)
	for c, s := range cells {
		changed[c] = s
	}
	out[number-1] = NewRow(number, changed)
	return out
}

// What its kind of aid says of a row stands before any item that it names.
func TestEnvelopesAndPlugsAreNoItems(t *testing.T) {
	tank := map[column]string{colItem: "T-72 tank", colItemType: "Heavy weapon", colItemSubType: "Main Battle Tank (MBT)"}
	for _, c := range []struct {
		general, specific, donation string
		code                        string
		flags                       []mark
	}{
		{"Military", "Budgetary appropriations", "Commitment", "MIL.ENVELOPE", []mark{flagEnvelope, flagItemOnCommitment}},
		{"Financial", "Budgetary appropriations ", "Commitment", "FIN.ENVELOPE", []mark{flagEnvelope, flagItemOnCommitment}},
		{"Military", "Budgetary appropriations", "Allocation", "MIL.ARMOUR.TANK", nil},
		{"Military", "Weapons and equipment", "Commitment", "MIL.ARMOUR.TANK", []mark{flagItemOnCommitment}},
		{"Military", "Consolidation", "Allocation", "MIL.PLUG", []mark{flagPlug}},
		{"Humanitarian ", "Consolidation entry", "Allocation", "HUM.PLUG", []mark{flagPlug}},
		{"Financial", "Consolidation of 2022", "Commitment", "FIN.PLUG", []mark{flagPlug, flagItemOnCommitment}},
	} {
		cells := maps.Clone(tank)
		cells[colGeneralType], cells[colSpecificType], cells[colDonation] = c.general, c.specific, c.donation
		f := factOf(t, 6, cells)
		if f.category != c.code {
			t.Errorf("%s %s is %s, not %s", c.donation, c.specific, f.category, c.code)
		}
		for _, code := range []mark{flagEnvelope, flagItemOnCommitment, flagPlug} {
			if _, ok := f.marks[code]; ok != slices.Contains(c.flags, code) {
				t.Errorf("%s %s: %s is %v", c.donation, c.specific, code, ok)
			}
		}
		if note, ok := f.marks[flagItemOnCommitment]; ok && note != "T-72 tank" {
			t.Errorf("the note is %q", note)
		}
	}
}

// The Facility's tranches are flagged, not emptied: only what the file leaves out is withheld.
func TestWhatTheFacilityStatesIsStated(t *testing.T) {
	for _, c := range []struct{ stated, converted, want, control string }{
		{"500000000", "", "[tracker withheld, 500000000.00 EUR/2@donor_stated given]", "EUR/2@donor_stated"},
		{"500000000", "499", "[499.00 EUR/2@tracker given, 500000000.00 EUR/2@donor_stated given]", "EUR/2@tracker"},
		{"Not given", ".", "[tracker withheld, donor_stated withheld]", ""},
	} {
		p := planFor(t, with(quirkRows(t), 13, map[column]string{colStated: c.stated, colConverted: c.converted}))
		for s := range p.Steps() {
			if s.ID != "QUM1" {
				continue
			}
			l := s.Command.GetCommitPledge().Commitments[0].Line
			if values(l.Values) != c.want || l.ControlAsset != c.control || codes(l.Flags) != "reimbursement_pool" {
				t.Errorf("%q and %q: %s by %q; %s", c.stated, c.converted, values(l.Values), l.ControlAsset, codes(l.Flags))
			}
		}
		play(t, p)
	}
}

func TestARepeatedValueIsCommittedOnce(t *testing.T) {
	const stated, included = "1000000 JPY/0@donor_stated given", "donor_stated included"
	for name, c := range map[string]struct {
		first, second map[column]string
		want          []string
	}{
		"as it stands":              {nil, nil, []string{stated, included}},
		"the second row carries it": {map[column]string{colAllocatedEUR: ""}, map[column]string{colAllocatedEUR: "7000"}, []string{included, stated}},
		"both rows carry it":        {nil, map[column]string{colAllocatedEUR: "7000"}, []string{stated, stated}},
		"no row carries it":         {map[column]string{colAllocatedEUR: ""}, nil, []string{stated, stated}},
		"another amount":            {nil, map[column]string{colStated: "5"}, []string{stated, "5 JPY/0@donor_stated given"}},
		"no amount":                 {nil, map[column]string{colStated: "Not given"}, []string{stated, "donor_stated undisclosed"}},
	} {
		p := planFor(t, with(with(quirkRows(t), 17, c.first), 18, c.second))
		for s := range p.Steps() {
			for i, l := range s.Command.GetCommitPledge().GetCommitments() {
				if s.ID != "QJH1" {
					continue
				}
				if got := values(l.Line.Values); got != "[7000.00 EUR/2@tracker given, "+c.want[i]+"]" {
					t.Errorf("%s: line %d states %s", name, i+1, got)
				}
				if got := strings.Contains(codes(l.Line.Flags), "repeated_value"); got != (c.want[i] == included) {
					t.Errorf("%s: line %d is flagged %s", name, i+1, codes(l.Line.Flags))
				}
			}
		}
		play(t, p)
	}
}

func TestAPackageIsCommittedAndAllocatedInOneCategory(t *testing.T) {
	committed := map[string]string{} // by allocation id
	lines := 0
	for s := range planFor(t, quirkRows(t)).Steps() {
		for _, c := range s.Command.GetCommitPledge().GetCommitments() {
			if s.allocation != "" {
				lines++
				committed[s.allocation] += c.Line.Category + " "
			}
		}
		if a := s.Command.GetAllocatePledge(); a != nil && committed[s.allocation] != "" {
			if c := strings.Fields(committed[s.allocation]); slices.ContainsFunc(c, func(code string) bool { return code != a.Line.Category }) {
				t.Errorf("%s is committed as %v and allocated as %s", s.allocation, c, a.Line.Category)
			}
		}
	}
	if lines < 10 {
		t.Errorf("only %d lines were compared", lines)
	}
}

func TestQuirksShowEveryFlag(t *testing.T) {
	p := planFor(t, quirkRows(t))
	for f := range meanings {
		if p.Flags[string(f)] == 0 {
			t.Errorf("no row of the quirk file shows %s", f)
		}
	}
	for code := range p.Flags {
		if meanings[mark(code)] == "" {
			t.Errorf("flag %s has no meaning", code)
		}
	}
}

func TestQuirkSpreadsheetGivesTheSameCommands(t *testing.T) {
	rows, err := ReadFile(spreadsheet(t, quirks, Sheet))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range quirkRows(t) {
		if !slices.Equal(r.Cells, rows[i].Cells) {
			t.Errorf("row %d:\n%q\n%q", i+1, r.Cells, rows[i].Cells)
		}
	}
	if a, b := encoded(t, planFor(t, quirkRows(t))), encoded(t, planFor(t, rows)); string(a) != string(b) {
		t.Error("the commands differ")
	}
}

func TestNoCommandNamesTheFile(t *testing.T) {
	if strings.Contains(string(encoded(t, planFor(t, quirkRows(t)))), "quirks") {
		t.Error("a command holds the name of the file")
	}
}

func TestDates(t *testing.T) {
	for raw, want := range map[string]when{
		"44733":                            {effective: "2022-06-21"},
		"44733.75":                         {effective: "2022-06-21"},
		"until 12/20/2022":                 {effective: "until 2022-12-20", text: true},
		"until 06.02.2024":                 {effective: "until 2024-02-06", text: true},
		"until 06/02/2024":                 {effective: "until 2024-06-02", text: true},
		"until 6/2022":                     {effective: "until 2022-06-30", text: true},
		"until 2/2024":                     {effective: "until 2024-02-29", text: true},
		"until 06/31/2022":                 {effective: "until 2022-06-30", text: true, doubtful: true},
		"unclear, 03/22":                   {effective: "2022-03", text: true},
		"unclear 3/2023":                   {effective: "2023-03", text: true},
		"not specified, 8/2022":            {effective: "2022-08", text: true},
		"16/02/2023":                       {effective: "2023-02-16", text: true},
		"02/03/2023":                       {effective: "2023-02-03", text: true},
		"from 01/01/2023 until 12/31/2023": {effective: "2023", text: true},
		"from 01/01/2024 until 05/01/2024": {effective: "until 2024-05-01", text: true},
		"between 3/20/2022 and 7/1/2022":   {effective: "until 2022-07-01", text: true},
		"unclear ":                         {effective: "unknown", text: true, unknown: true},
		"Undisclosed":                      {effective: "unknown", text: true, unknown: true},
		"":                                 {effective: "unknown", text: true, unknown: true, doubtful: true},
		"0":                                {effective: "unknown", text: true, unknown: true, doubtful: true},
		"9999999":                          {effective: "unknown", text: true, unknown: true, doubtful: true},
		"99/99/2022":                       {effective: "unknown", text: true, unknown: true, doubtful: true},
		"soon":                             {effective: "unknown", text: true, unknown: true, doubtful: true},
	} {
		got := readDate(raw)
		if got.effective != want.effective || got.text != want.text || got.unknown != want.unknown || got.doubtful != want.doubtful {
			t.Errorf("%q: %+v, not %+v", raw, got, want)
		}
		if got.text && got.asStated != tidy(raw) {
			t.Errorf("%q is stated as %q", raw, got.asStated)
		}
	}
}

func TestNumbers(t *testing.T) {
	for raw, want := range map[string]string{
		"4.4999999999999998E-2": "0.04", "395,88": "395.88", "13.333333333333334": "13.33", "0.005": "0.00", "0.015": "0.02", " 7 ": "7.00",
		"+3": "3.00", "-1": "-1.00", "1e2": "100.00",
	} {
		a, ok := readNumber(raw).rounded(centScale)
		if !ok || a.Text(centScale) != want {
			t.Errorf("%q: %s %v, not %s", raw, a.Text(centScale), ok, want)
		}
	}
	for raw, want := range map[string]absence{
		"": blank, "\u00a0": blank, ".": dot, " . ": dot, "..": dot, "Not given": notGiven, "Not Given": notGiven, "undisclosed": undisclosed,
		"No price": noPrice, "No value available": noValue, "1,000": unreadable, "1.000,5": unreadable, "NaN": unreadable, "0x10": unreadable,
		"1e": unreadable, "12 EUR": unreadable,
	} {
		if got := readNumber(raw); got.absence != want {
			t.Errorf("%q: %v, not %v", raw, got.absence, want)
		}
	}
	if _, ok := readNumber("1e60").rounded(centScale); ok {
		t.Error("1e60 is within bounds")
	}
	if a, ok := readNumber("1e-300").rounded(centScale); !ok || a != (money.Amount{}) {
		t.Error("1e-300 is not zero cents")
	}
}
