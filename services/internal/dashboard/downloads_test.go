package dashboard_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/browsertest"
	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"
)

// fileRow is a row of a file by the names of its columns; what is not set is empty.
type fileRow map[string]string

// files are the rows that the links under a picture give, which must be the same in all three forms.
func files(t *testing.T, p *browsertest.Page, figure string) []fileRow {
	t.Helper()
	name, data := p.Download("#" + figure + ` .files a[download$=".csv"]`)
	if !strings.HasSuffix(name, ".csv") {
		t.Errorf("the CSV of %s is called %q", figure, name)
	}
	cells, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	asCSV := fileRows(cells)
	_, data = p.Download("#" + figure + ` .files a[download$=".xlsx"]`)
	asXLSX := sheet(t, data, "rows")
	for _, r := range asXLSX { // amounts stand there as numbers too, for who counts on with them
		exact, ok := new(big.Rat).SetString(r["amount"])
		if number, is := new(big.Rat).SetString(r["amount (number)"]); ok != is || ok && exact.Cmp(number) != 0 {
			t.Errorf("the XLSX of %s has the number %q beside %q", figure, r["amount (number)"], r["amount"])
		}
		delete(r, "amount (number)")
	}
	same(t, figure+" as XLSX", asXLSX, asCSV)
	_, data = p.Download("#" + figure + " .files a[target]")
	same(t, figure+" as JSON", answered(t, data), asCSV)
	return asCSV
}

func fileRows(cells [][]string) []fileRow {
	var out []fileRow
	for _, row := range cells[1:] {
		r := fileRow{}
		for i, v := range row {
			if v != "" {
				r[cells[0][i]] = v
			}
		}
		out = append(out, r)
	}
	return out
}

func sheet(t *testing.T, data []byte, name string) []fileRow {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cells, err := f.GetRows(name, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	return fileRows(cells)
}

// answered are the rows of an answer of balances or of the timeline, whose file names the list that a row is of.
func answered(t *testing.T, data []byte) []fileRow {
	t.Helper()
	var answer struct{ Rows, Undated []map[string]any }
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	timeline := strings.Contains(string(data), `"undated"`)
	var out []fileRow
	for list, rows := range map[string][]map[string]any{"rows": answer.Rows, "undated": answer.Undated} {
		for _, row := range rows {
			r := fileRow{}
			for k, v := range row {
				if v != "" {
					r[k] = fmt.Sprint(v)
				}
			}
			if timeline {
				r["list"] = list
			}
			out = append(out, r)
		}
	}
	return out
}

func same(t *testing.T, what string, got, want []fileRow) {
	t.Helper()
	key := func(r fileRow) string { return fmt.Sprint(map[string]string(r)) } // fmt sorts
	a, b := map[string]int{}, map[string]int{}
	for _, r := range got {
		a[key(r)]++
	}
	for _, r := range want {
		b[key(r)]++
	}
	if len(want) == 0 || !maps.Equal(a, b) {
		t.Errorf("%s has %d rows, not the %d of the CSV:\n%.300v\n%.300v", what, len(got), len(want), got, want)
	}
}

// cellsOf are the amounts that a page shows, by what they are of.
type cellsOf map[string]string

func compareCells(t *testing.T, figure string, shown, filed cellsOf) {
	t.Helper()
	if len(filed) == 0 {
		t.Errorf("the file of %s holds nothing", figure)
	}
	for _, k := range slices.Sorted(maps.Keys(filed)) {
		if shown[k] != filed[k] {
			t.Errorf("%s, %s: the page shows %q and the file %q", figure, k, shown[k], filed[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(shown)) {
		if _, ok := filed[k]; !ok {
			t.Errorf("%s, %s: the page shows %q, and the file nothing", figure, k, shown[k])
		}
	}
}

// termTitles are the titles that stand on pages for the codes of files. FIN is a donor, and a category.
type termTitles struct{ donors, categories map[string]string }

func (w *world) titles(t *testing.T) termTitles {
	t.Helper()
	var got struct {
		Donors, Categories []struct{ Code, Title string }
	}
	w.get(t, "/v1/terms", &got)
	titles := termTitles{map[string]string{}, map[string]string{}}
	for _, d := range got.Donors {
		titles.donors[d.Code] = d.Title
	}
	for _, c := range got.Categories {
		titles.categories[c.Code] = c.Title
	}
	return titles
}

var stageTitles = map[string]string{
	"announced": "Announced", "committed": "Committed", "allocated": "Allocated", "reserved": "Reserved", "dispatched": "Dispatched", "handed_over": "Handed over",
	"verified": "Verified", "instructed": "Instructed", "booked": "Booked", "reconciled": "Reconciled",
}

// What a picture's links give is what its table shows, cell by cell.
func TestFilesHoldWhatThePageShows(t *testing.T) {
	for name, w := range map[string]*world{"sample": theSample(t), "tracker": nil} {
		t.Run(name, func(t *testing.T) {
			if w == nil {
				w = theTracker(t)
			}
			titles := w.titles(t)
			p := w.open(t, "/?instrument=all", browsertest.View{})
			t.Run("ladder", func(t *testing.T) { ladderFiles(t, p) })
			t.Run("donors", func(t *testing.T) { donorFiles(t, p, titles) })
			t.Run("over-time", func(t *testing.T) { monthFiles(t, p, titles) })
			t.Run("flow", func(t *testing.T) { flowFiles(t, p, titles) })
			t.Run("closed-skies", func(t *testing.T) { skyFiles(t, p) })
		})
	}
}

func ladderFiles(t *testing.T, p *browsertest.Page) {
	shown, filed := cellsOf{}, cellsOf{}
	for _, r := range files(t, p, "ladder") {
		filed[stageTitles[r["stage"]]] = r["amount"] + " + " + r["unknown"]
	}
	page := behind(t, p, "ladder")
	for _, row := range page.rows {
		if amount := row[2]; amount.Text != "not reported" {
			shown[row[0].Text] = amount.Value + " + " + page.at(row, "undisclosed").Text
		}
	}
	compareCells(t, "ladder", shown, filed)
}

func donorFiles(t *testing.T, p *browsertest.Page, titles termTitles) {
	shown, filed := cellsOf{}, cellsOf{}
	unknown := map[string]int{}
	for _, r := range files(t, p, "donors") {
		n, err := strconv.Atoi(r["unknown"])
		if err != nil {
			t.Error(err)
		}
		unknown[titles.donors[r["donor"]]] += n
		if r["amount"] != "" {
			filed[titles.donors[r["donor"]]+", "+titles.categories[r["category"]]] = r["amount"]
		}
	}
	for donor, n := range unknown {
		filed[donor+", undisclosed"] = strconv.Itoa(n)
	}
	page := behind(t, p, "donors")
	for _, row := range page.rows {
		for column, i := range page.columns {
			switch {
			case column == "undisclosed":
				shown[row[0].Text+", "+column] = row[i].Text
			case i >= 2 && row[i].Value != "": // after the donor and the total
				shown[row[0].Text+", "+column] = row[i].Value
			}
		}
	}
	compareCells(t, "donors", shown, filed)
}

func monthFiles(t *testing.T, p *browsertest.Page, titles termTitles) {
	shown, filed := cellsOf{}, cellsOf{}
	for _, r := range files(t, p, "over-time") {
		if r["list"] == "rows" {
			filed[monthName(t, r["month"])+", "+titles.categories[r["category"]]] = r["amount"] + undisclosedToo(r["unknown"])
		}
	}
	page := behind(t, p, "over-time")
	for _, row := range page.rows {
		shown[row[0].Text+", "+row[1].Text] = row[2].Value + onlyUndisclosed(row[2])
	}
	compareCells(t, "over-time", shown, filed)
}

func flowFiles(t *testing.T, p *browsertest.Page, titles termTitles) {
	shown, filed := cellsOf{}, cellsOf{}
	for _, r := range files(t, p, "flow") {
		if r["amount"] != "" { // what is undisclosed alone has no width
			filed[titles.donors[r["donor"]]+", "+titles.categories[r["category"]]+", "+stageTitles[r["stage"]]] = r["amount"] + undisclosedToo(r["unknown"])
		}
	}
	for _, row := range behind(t, p, "flow").rows {
		shown[row[0].Text+", "+row[1].Text+", "+row[2].Text] = row[3].Value + onlyUndisclosed(row[3])
	}
	compareCells(t, "flow", shown, filed)
}

func undisclosedToo(n string) string {
	if n == "0" {
		return ""
	}
	return " + " + n
}

// onlyUndisclosed reads `1.00 + 2 undisclosed`, and `2 undisclosed`.
func onlyUndisclosed(c browsertest.Cell) string {
	n, ok := strings.CutSuffix(strings.TrimPrefix(c.Text, c.Printed), " undisclosed")
	if !ok {
		return ""
	}
	return " + " + strings.TrimLeft(n, " +\n")
}

func skyFiles(t *testing.T, p *browsertest.Page) {
	shown, filed := cellsOf{}, cellsOf{}
	headers := map[string]string{"committed": "Committed", "allocated": "Allocated", "handed_over": "Handed over"}
	for _, r := range files(t, p, "closed-skies") {
		if r["asset"] != "" {
			unit, item, _ := strings.Cut(r["asset"], ":")
			if code, _, _ := strings.Cut(unit, "/"); code != "each" {
				item += ", " + code
			}
			filed[item+", "+headers[r["stage"]]] = r["amount"]
		}
	}
	if browsertest.Eval[bool](p, `!!document.querySelector("#closed-skies button.more")`) {
		p.Click("#closed-skies button.more")
		p.Await(`document.querySelector("#closed-skies button.more").getAttribute("aria-expanded") === "true"`)
	}
	page := tableAt(t, p, "#closed-skies table")
	for _, row := range page.rows {
		for _, h := range headers {
			if c := page.at(row, h); c.Value != "" {
				shown[row[0].Text+", "+h] = c.Value
			}
		}
	}
	compareCells(t, "closed-skies", shown, filed)
}

// A title that a spreadsheet would take for a formula is text in every file, and words on the page.
func TestFormulaInATitleStaysText(t *testing.T) {
	const title = `=HYPERLINK("http://outside.example/","Click")`
	w := own(t, nil)
	line := uuid.NewString()
	w.record(t, &apiv1.Command{
		Stream: "pledge-" + uuid.NewString(), Donor: "POL", Beneficiary: "UKR", Effective: "2024-01-15", Actor: "test",
		Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: title, Commitments: []*apiv1.CommitLine{{Firmness: "firm", Line: &apiv1.Line{
			Line: line, Title: title, Category: "HUM.GOODS", Instrument: "in_kind", ControlAsset: "EUR/2@donor_stated",
			Values: []*apiv1.Value{{Basis: "donor_stated", Status: "stated", Asset: "EUR/2@donor_stated", Amount: "100.00", Source: "given"}},
		}}}}},
	})
	p := w.open(t, "/donor/POL", browsertest.View{})
	if cell := tableAt(t, p, ".list table").rows[0][0]; cell.Text != title {
		t.Errorf("the page shows %q", cell.Text)
	}
	_, data := p.Download(`.files a[download="pledges.csv"]`)
	cells, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := fileRows(cells)[0]["title"]; got != "'"+title {
		t.Errorf("the CSV has %q", got)
	}
	_, data = p.Download(`.files a[download="pledges.xlsx"]`)
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range f.GetSheetList() {
		rows, err := f.GetRows(name)
		if err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			for c := range rows[r] {
				at, err := excelize.CoordinatesToCellName(c+1, r+1)
				if err != nil {
					t.Fatal(err)
				}
				if formula, err := f.GetCellFormula(name, at); err != nil || formula != "" {
					t.Errorf("%s of %s has the formula %q (%v)", at, name, formula, err)
				}
			}
		}
	}
	if got := sheet(t, data, f.GetSheetList()[0]); !strings.HasSuffix(got[0]["title"], title) {
		t.Errorf("the XLSX has %q", got[0]["title"])
	}
}
