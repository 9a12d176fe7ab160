package gateway_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/gateway"
	"github.com/allied-ledger/allied/services/query"
	"github.com/nats-io/nats.go"
	"github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"
)

// sheet is what a file says: its names, and its rows.
type sheet struct {
	names []string
	rows  [][]string
}

func (s sheet) column(t *testing.T, name string) (out []string) {
	t.Helper()
	for i, n := range s.names {
		if n == name {
			for _, row := range s.rows {
				out = append(out, row[i])
			}
			return out
		}
	}
	t.Fatalf("there is no column %s among %q", name, s.names)
	return nil
}

func readCSV(t *testing.T, text string) sheet {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return sheet{all[0], all[1:]}
}

// readXLSX reads the rows without the numbers beside amounts, which must say the same as float64 can.
func readXLSX(t *testing.T, text string) (sheet, map[string]string) {
	t.Helper()
	f, err := excelize.OpenReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.GetRows("rows", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	var out sheet
	for r, row := range all {
		row = append(row, make([]string, len(all[0])-len(row))...) // trailing empty cells are not there
		var kept []string
		for i, name := range all[0] {
			of, twin := strings.CutSuffix(name, " (number)")
			if !twin {
				at, err := excelize.CoordinatesToCellName(i+1, r+1)
				if err != nil {
					t.Fatal(err)
				}
				if kind, err := f.GetCellType("rows", at); err != nil {
					t.Fatal(err)
				} else if kind == excelize.CellTypeBool {
					row[i] = strconv.FormatBool(row[i] == "1")
				}
				kept = append(kept, row[i])
				continue
			}
			if r == 0 && all[0][i-1] != of {
				t.Errorf("%s stands beside %s", name, all[0][i-1])
			}
			exact, err := strconv.ParseFloat(row[i-1], 64)
			number, errNumber := strconv.ParseFloat(row[i], 64)
			if r > 0 && (row[i-1] != "" || row[i] != "") && (err != nil || errNumber != nil || exact != number) {
				t.Errorf("row %d: %s is %q, and %s %q", r, of, row[i-1], name, row[i])
			}
		}
		if r == 0 {
			out.names = kept
		} else {
			out.rows = append(out.rows, kept)
		}
	}
	about := map[string]string{}
	told, err := f.GetRows("about")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range told {
		about[row[0]] = strings.Join(row[1:], "")
	}
	return out, about
}

func readParquet(t *testing.T, text string) (sheet, *parquet.File) {
	t.Helper()
	f, err := parquet.OpenFile(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	var out sheet
	for _, c := range f.Root().Columns() {
		out.names = append(out.names, c.Name())
	}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		for {
			buffer := make([]parquet.Row, 64)
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				var line []string
				for _, v := range row {
					if v.IsNull() {
						line = append(line, "")
					} else {
						line = append(line, v.String())
					}
				}
				out.rows = append(out.rows, line)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out, f
}

// narrows are the parameters of the examples that a file does not take, or that leave it few rows.
var narrows = regexp.MustCompile(`limit=\d+&?|donor=\w+&?|category=[\w.]+&?|kinds=\w+&?`)

// lists are the paths that have files, and what to ask each for.
func lists() map[string]string {
	out := map[string]string{}
	for _, r := range gateway.Routes() {
		if path, ask, _ := strings.Cut(r.Example, "?"); len(r.Lists) > 0 {
			out[path] = "?" + narrows.ReplaceAllString(ask, "")
		}
	}
	return out
}

// The three formats of every list say the same, to programs that nobody here wrote, and the same bytes each time.
func TestFilesSayTheSame(t *testing.T) {
	s := filled(t)
	for path, ask := range lists() {
		text := s.get(path + ".csv" + ask)
		inCSV := readCSV(t, text.text)
		inXLSX, about := readXLSX(t, s.get(path+".xlsx"+ask).text)
		inParquet, file := readParquet(t, s.get(path+".parquet"+ask).text)
		if len(inCSV.rows) == 0 {
			t.Errorf("%s has no rows", path)
		}
		for name, other := range map[string]sheet{"xlsx": inXLSX, "parquet": inParquet} {
			if got, want := fmt.Sprintf("%q", other), fmt.Sprintf("%q", inCSV); got != want {
				t.Errorf("%s.%s says something else than csv:\n%.600s\n%.600s", path, name, got, want)
			}
		}
		position, ordinal := text.header.Get("Allied-Position"), text.header.Get("Allied-Ordinal")
		inMeta, _ := file.Lookup("allied.position")
		if position == "" || about["position"] != position || inMeta != position || about["ordinal"] != ordinal || about["view"] != strings.TrimPrefix(path, "/v1/") {
			t.Errorf("%s is true at %q, %q, %q: %v", path, position, about["position"], inMeta, about)
		}
		if name := text.header.Get("Content-Disposition"); !strings.Contains(name, strings.TrimPrefix(path, "/v1/")) || !strings.HasSuffix(name, "-"+ordinal+`.csv"`) {
			t.Errorf("%s is called %s", path, name)
		}
		for _, ending := range gateway.Formats() {
			if first, again := s.get(path+"."+ending+ask), s.get(path+"."+ending+ask); first.header.Get("ETag") != again.header.Get("ETag") {
				t.Errorf("%s.%s has other bytes the second time", path, ending)
			}
		}
	}
}

// A file of balances says what was left out of them, and on which basis they are.
func TestAFileSaysWhatItIs(t *testing.T) {
	s := filled(t)
	const ask = "?basis=donor_stated&stages=committed&stages=verified&reached=true&by=donor&donor=CAN"
	got := s.get("/v1/balances.csv" + ask)
	var about map[string]string
	if err := json.Unmarshal([]byte(got.header.Get("Allied-About")), &about); err != nil {
		t.Fatal(err)
	}
	if about["basis"] != "donor_stated" || about["not_reported"] != "verified" || about["left_out"] != "[]" || !strings.Contains(got.header.Get("Content-Disposition"), `"balances-donor_stated-`) {
		t.Errorf("%v %v", about, got.header)
	}
	_, inXLSX := readXLSX(t, s.get("/v1/balances.xlsx"+ask).text)
	if inXLSX["asked_stages"] != "committed; verified" || inXLSX["asked_donor"] != "CAN" || inXLSX["asked_reached"] != "true" || inXLSX["basis"] != "donor_stated" {
		t.Errorf("%v", inXLSX)
	}
}

// Amounts are where the schema has them: text that looks like one, in a column that is none, would be read as a number without a twin.
func TestAmountsAreKnown(t *testing.T) {
	s := filled(t)
	decimal := regexp.MustCompile(`^-?\d+(\.\d+)?$`)
	for path, ask := range lists() {
		f, err := excelize.OpenReader(strings.NewReader(s.get(path + ".xlsx" + ask).text))
		if err != nil {
			t.Fatal(err)
		}
		all, err := f.GetRows("rows")
		if err != nil {
			t.Fatal(err)
		}
		for r, row := range all[1:] {
			for i, text := range row {
				at, err := excelize.CoordinatesToCellName(i+1, r+2)
				if err != nil {
					t.Fatal(err)
				}
				kind, err := f.GetCellType("rows", at)
				if err != nil {
					t.Fatal(err)
				}
				twin := i+1 < len(all[0]) && all[0][i+1] == all[0][i]+" (number)"
				if isText := kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString; decimal.MatchString(text) && isText != twin {
					t.Errorf("%s %s: %q of column %s is text: %t, with a number beside it: %t", path, at, text, all[0][i], isText, twin)
				}
			}
		}
	}
}

func TestPythonReadsAFile(t *testing.T) {
	s := filled(t)
	name := filepath.Join(t.TempDir(), "pledges.csv")
	writeFile(t, name, s.get("/v1/pledges.csv").text)
	const program = `
import csv, decimal, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8"), strict=True))
print(len({r["stream"] for r in rows}), sum(decimal.Decimal(r["reached"]) for r in rows if r["stage"] == "committed" and r["asset"] == "NOK/2@donor_stated"))
`
	out, err := exec.CommandContext(t.Context(), "python3", "-c", program, name).Output()
	if err != nil {
		t.Fatal(err)
	}
	sums := s.get("/v1/balances?basis=donor_stated&stages=committed&reached=true&instruments=all&asset=NOK/2@donor_stated")
	rows, _ := sums.json["rows"].([]any)
	total := s.get("/v1/pledges?limit=1").json["total"]
	if len(rows) != 1 || string(out) != fmt.Sprintf("%s %s\n", total, rows[0].(map[string]any)["amount"]) {
		t.Errorf("python sums %s, and the ledger %s", out, sums.text)
	}
}

// paged serves a view of pledges in pages, each with as many pledges and at the position that at tells.
func paged(t *testing.T, pages, perPage int, title string, at func(question int) int) *served {
	t.Helper()
	s, questions := silent(t, time.Minute), 0
	nc := s.nc
	_, err := nc.Subscribe(query.Subject("shipments"), func(m *nats.Msg) {
		var q struct {
			Cursor string
			Limit  int
		}
		if err := json.Unmarshal(m.Data, &q); err != nil || q.Limit != 1000 {
			t.Errorf("%s: %v", m.Data, err)
		}
		page, _ := strconv.Atoi(q.Cursor)
		var list []map[string]any
		for i := range perPage {
			list = append(list, map[string]any{"stream": fmt.Sprintf("shipment-%d-%d", page, i), "title": title, "rungs": []map[string]any{
				{"stage": "reserved", "asset": "EUR/2@donor_stated", "reached": "-12.50", "standing": "0.00"}, {"stage": "dispatched", "asset": "EUR/2@donor_stated"},
			}})
		}
		position := at(questions)
		questions++
		answer := map[string]any{"position": position, "ordinal": position, "shipments": list}
		if page+1 < pages {
			answer["next"] = strconv.Itoa(page + 1)
		}
		data, err := json.Marshal(answer)
		if err == nil {
			err = sendChunks(m, data)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sendChunks(m *nats.Msg, data []byte) error {
	const size = 256 << 10
	for i := 0; ; i++ {
		h := nats.Header{"Allied-Chunk": {strconv.Itoa(i)}}
		part := data[:min(size, len(data))]
		if data = data[len(part):]; len(data) == 0 {
			h["Allied-End"] = []string{strconv.Itoa(i + 1)}
		}
		if err := m.RespondMsg(&nats.Msg{Header: h, Data: part}); err != nil || len(data) == 0 {
			return err
		}
	}
}

func TestAFileHoldsAllPages(t *testing.T) {
	s := paged(t, 3, 2, "", func(int) int { return 7 })
	got := readCSV(t, s.get("/v1/shipments.csv").text)
	var want []string
	for page := range 3 {
		for i := range 2 {
			stream := fmt.Sprintf("shipment-%d-%d", page, i)
			want = append(want, stream, stream) // one for each rung
		}
	}
	if streams := got.column(t, "stream"); fmt.Sprint(streams) != fmt.Sprint(want) {
		t.Errorf("%v", streams)
	}
	if counts := got.column(t, "events"); fmt.Sprint(counts) != "[0  0  0  0  0  0 ]" {
		t.Errorf("counts stand on the first row of each: %q", counts)
	}
}

// A file is true at one position: where the ledger moves between two pages, it is begun again, and given up in the end.
func TestAFileIsTrueAtOnePosition(t *testing.T) {
	once := paged(t, 3, 2, "", func(question int) int { return min(question, 2) + 7 })
	if got := once.get("/v1/shipments.csv"); got.status != 200 || got.header.Get("Allied-Position") != "9" || len(readCSV(t, got.text).rows) != 12 {
		t.Errorf("%d %v %s", got.status, got.header, got.text)
	}
	var asked atomic.Int64
	always := paged(t, 3, 2, "", func(question int) int { asked.Add(1); return question })
	always.isProblem(always.get("/v1/shipments.csv"), 503, "moved", "", "ask again")
	if n := asked.Load(); n != 10 {
		t.Errorf("asked %d times", n)
	}
}

func TestAFileTooLargeIsRefused(t *testing.T) {
	const rowsMax = 20
	for pages, status := range map[int]int{5: 200, 6: 400} {
		s := paged(t, pages, 2, "", func(int) int { return 7 }) // of two rows each
		h, err := gateway.NewNarrow(s.ledger, rowsMax)
		if err != nil {
			t.Fatal(err)
		}
		s.url = listen(t, gateway.NewServer(h))
		got := s.get("/v1/shipments.csv")
		if status == 200 && (got.status != 200 || len(readCSV(t, got.text).rows) != rowsMax) {
			t.Errorf("%d %s", got.status, got.text)
		}
		if status == 400 && (got.status != 400 || got.json["code"] != "file_too_large" || !strings.Contains(got.text, "more than 20 rows")) {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	long := paged(t, 1, 1, strings.Repeat("x", excelize.TotalCellChars+1), func(int) int { return 7 })
	long.isProblem(long.get("/v1/shipments.xlsx"), 400, "text_too_long", "title", "csv")
	if got := long.get("/v1/shipments.csv"); got.status != 200 {
		t.Errorf("%d", got.status)
	}
}

// No text of the ledger is a formula in a spreadsheet, and no amount is taken for one.
func TestNoTextIsAFormula(t *testing.T) {
	const formula = `=HYPERLINK("http://ledger.example","due")`
	s := paged(t, 1, 1, formula, func(int) int { return 7 })
	got := readCSV(t, s.get("/v1/shipments.csv").text)
	if title, reached := got.column(t, "title")[0], got.column(t, "reached")[0]; title != "'"+formula || reached != "-12.50" {
		t.Errorf("title %q, reached %q", title, reached)
	}
	text := s.get("/v1/shipments.xlsx").text
	inXLSX, _ := readXLSX(t, text)
	if title := inXLSX.column(t, "title")[0]; title != formula {
		t.Errorf("title %q", title)
	}
	z, err := zip.NewReader(bytes.NewReader([]byte(text)), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	sheets := 0
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "xl/worksheets/") {
			continue
		}
		sheets++
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		xml, err := io.ReadAll(r)
		if err != nil || bytes.Contains(xml, []byte("<f>")) || bytes.Contains(xml, []byte("<f ")) {
			t.Errorf("%s holds a formula: %s, %v", f.Name, xml, err)
		}
	}
	if sheets != 2 {
		t.Errorf("%d sheets", sheets)
	}
}
