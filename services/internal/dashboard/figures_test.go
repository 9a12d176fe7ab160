package dashboard_test

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// The titles of stages in tables, and of the tops of the categories, with the tracker's general types. The importer splits reconstruction out of
// what the tracker calls humanitarian.
var (
	titles = map[string]string{"committed": "Committed", "allocated": "Allocated", "handed_over": "Handed over"}
	tops   = map[string][]string{"Military": {"Military support"}, "Financial": {"Financial support"}, "Humanitarian": {"Humanitarian support", "Reconstruction"}}
)

func TestLadderIsTheTrackersTotals(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	for _, language := range []string{"en-GB", "de-DE"} {
		t.Run(language, func(t *testing.T) {
			p := w.open(t, "/?instrument=all", browsertest.View{Language: language})
			ladder := behind(t, p, "ladder")
			for _, s := range stages {
				if total := sum(rows, s.column, everything); total != s.total {
					t.Fatalf("%s of the file is %s", s.name, total)
				}
				shows(t, s.name, ladder.of(titles[s.name], "EUR"), s.total, language)
			}
			count(t, "undisclosed commitments", ladder.of("Committed", "undisclosed"), undisclosed(rows, committed, true, everything))
			count(t, "undisclosed allocations", ladder.of("Allocated", "undisclosed"), undisclosed(rows, allocated, false, everything))
			count(t, "known packages", ladder.of("Committed", "undisclosed"), 117)
			count(t, "known packages", ladder.of("Allocated", "undisclosed"), 117)
			if claimed := ladder.of("Handed over", "of it claimed").Text; claimed != printedIn(language, stages[2].total) {
				t.Errorf("claimed: %s", claimed)
			}
			for _, s := range []string{"Announced", "Reserved", "Dispatched", "Verified", "Instructed", "Booked", "Reconciled"} {
				if c := ladder.of(s, "EUR"); c.Text != "not reported" {
					t.Errorf("%s: %q", s, c.Text)
				}
			}
			short := map[string]string{"en-GB": "31.2 bn EUR", "de-DE": "31,2 bn EUR"}[language]
			for _, want := range []string{"310 bn EUR + 117 undisclosed", "203 bn EUR + 117 undisclosed", short} {
				p.AwaitText("#ladder svg a", want)
			}
		})
	}
}

// Each donor's totals and general types at each stage, and how many of its values are undisclosed.
func TestDonorsAreAsInTheTracker(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	for _, s := range stages {
		p := w.open(t, "/?instrument=all&stage="+s.name, browsertest.View{})
		donors := behind(t, p, "donors")
		seen := map[string]bool{}
		for _, row := range donors.rows {
			code, _, _ := strings.Cut(strings.TrimPrefix(row[0].Href, "/donor/"), "?")
			seen[code] = true
			what := s.name + " of " + code
			shows(t, what, donors.at(row, "Total, EUR"), sum(rows, s.column, by(code)), "en-GB")
			for general, titles := range tops {
				want := sum(rows, s.column, func(r trackerRow) bool { return r.donor == code && r.general == general })
				if got := added(t, donors, row, titles); got != want {
					t.Errorf("%s, %s: %q, want %q", what, general, got, want)
				}
			}
			switch s.name {
			case "committed":
				count(t, what, donors.at(row, "undisclosed"), undisclosed(rows, committed, true, by(code)))
			case "allocated":
				count(t, what, donors.at(row, "undisclosed"), undisclosed(rows, allocated, false, by(code)))
			}
		}
		for _, code := range trackerDonors {
			if sum(rows, s.column, by(code)) != "" && !seen[code] {
				t.Errorf("%s is not among those who %s", code, s.name)
			}
		}
	}
}

// added adds cells of a row; empty where none has an amount.
func added(t testing.TB, of *table, row []browsertest.Cell, columns []string) string {
	t.Helper()
	total, any := new(big.Int), false
	for _, c := range columns {
		if _, ok := of.columns[c]; !ok {
			continue
		}
		if v := cents(of.at(row, c).Value); v != nil {
			total.Add(total, v)
			any = true
		}
	}
	if !any {
		return ""
	}
	return euros(total)
}

func TestMonthsAddUpToTheTracker(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	p := w.open(t, "/?instrument=all", browsertest.View{})
	months := behind(t, p, "over-time")
	ends := browsertest.Eval[string](p, `document.querySelector("#over-time .chart svg").textContent`)
	names := map[string]string{}
	for general, titles := range tops {
		for _, title := range titles {
			names[title] = general
		}
	}
	shown, lines := map[string]*big.Int{}, map[string]*big.Int{}
	for _, row := range months.rows {
		title := months.at(row, "Category").Text
		v := cents(months.at(row, "In the month, EUR").Value)
		if v == nil {
			continue // undisclosed alone
		}
		for into, k := range map[string]map[string]*big.Int{row[0].Text + " " + names[title]: shown, title: lines} {
			if k[into] == nil {
				k[into] = new(big.Int)
			}
			k[into].Add(k[into], v)
		}
	}
	dated := map[string]*big.Int{}
	undated := new(big.Int)
	for general := range tops {
		for month, v := range committedIn(t, rows, func(r trackerRow) bool { return r.general == general }) {
			if month == "" {
				undated.Add(undated, v)
				continue
			}
			dated[monthName(t, month)+" "+general] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(dated)) {
		if shown[k] == nil || shown[k].Cmp(dated[k]) != 0 {
			t.Errorf("%s: %v, want %s cents", k, shown[k], dated[k])
		}
	}
	for k := range shown {
		if dated[k] == nil && shown[k].Sign() != 0 {
			t.Errorf("%s is not in the file", k)
		}
	}
	if undated.Sign() == 0 {
		t.Fatal("every row of the file has a date")
	}
	note := browsertest.Eval[string](p, `document.querySelector('#over-time .meta a[href*="undated"] span')?.title ?? ""`)
	if want := printedIn("en-GB", euros(undated)); note != want {
		t.Errorf("on no known day: %q, want %s", note, want)
	}
	total, named := new(big.Int).Set(undated), 0
	for title, v := range lines {
		total.Add(total, v)
		if strings.Contains(ends, title) { // a line that ends close to another has its name in the legend alone
			named++
			if end := title + " " + shortly(v); !strings.Contains(ends, end) {
				t.Errorf("no line ends at %q: %q", end, ends)
			}
		}
	}
	if named < 2 {
		t.Errorf("%d lines have their last value at their end: %q", named, ends)
	}
	if euros(total) != stages[0].total {
		t.Errorf("all months add up to %s", euros(total))
	}
}

func monthName(t testing.TB, month string) string {
	t.Helper()
	names := []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"}
	var y, m int
	if _, err := fmt.Sscanf(month, "%d-%d", &y, &m); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %d", names[m-1], y)
}

// shortly writes cents in billions, as pictures do.
func shortly(cents *big.Int) string {
	billions := new(big.Rat).SetFrac(cents, big.NewInt(1e11))
	if billions.Cmp(big.NewRat(9995, 100)) >= 0 {
		return billions.FloatString(0) + " bn"
	}
	return billions.FloatString(1) + " bn"
}

func TestDonorsPageIsAsInTheTracker(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	for _, code := range []string{"DEU", "POL", "EU-INST"} {
		p := w.open(t, "/donor/"+code+"?instrument=all", browsertest.View{})
		ladder, steps := behind(t, p, "ladder"), tableAt(t, p, "#stages table")
		for _, s := range stages {
			want := sum(rows, s.column, by(code))
			shows(t, code+" "+s.name, ladder.of(titles[s.name], "EUR"), want, "en-GB")
			shows(t, code+" "+s.name+" of the stages", steps.of(titles[s.name], "Ever reached, EUR"), want, "en-GB")
		}
		pledges := map[string]bool{}
		for _, r := range rows {
			if r.donor == code {
				pledges[r.id] = true
			}
		}
		p.AwaitText("#pledges-title ~ .list .more", fmt.Sprintf("%d pledges", len(pledges)))
	}
}

func TestCategorysPageIsAsInTheTracker(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	for code, general := range map[string]string{"MIL": "Military", "FIN": "Financial"} {
		of := func(r trackerRow) bool { return r.general == general }
		p := w.open(t, "/category/"+code+"?instrument=all", browsertest.View{})
		ladder, parts, donors := behind(t, p, "ladder"), tableAt(t, p, "#categories table"), behind(t, p, "donors")
		for _, s := range stages {
			want := sum(rows, s.column, of)
			if want == "" {
				continue
			}
			shows(t, general+" "+s.name, ladder.of(titles[s.name], "EUR"), want, "en-GB")
			total := new(big.Int)
			for _, row := range parts.rows {
				if v := cents(parts.at(row, titles[s.name]).Value); v != nil {
					total.Add(total, v)
				}
			}
			if euros(total) != want {
				t.Errorf("the parts of %s %s add up to %s, want %s", general, s.name, euros(total), want)
			}
		}
		for _, row := range donors.rows {
			donor, _, _ := strings.Cut(strings.TrimPrefix(row[0].Href, "/donor/"), "?")
			want := sum(rows, committed, func(r trackerRow) bool { return of(r) && r.donor == donor })
			shows(t, donor+" "+general, donors.at(row, "Total, EUR"), want, "en-GB")
		}
	}
}

func TestPledgesPageIsAsInTheTracker(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	p := w.open(t, "/", browsertest.View{})
	for _, id := range []string{"DEM1", "CAM11", "UKM1", "PLF3"} {
		p.Go(w.url + "/pledge/" + id)
		w.shown(p)
		found := map[string]string{}
		for _, row := range p.Cells("#books table")[1:] {
			if row[1].Text == "EUR as the tracker values it" {
				found[row[0].Text] = row[2].Value
				shows(t, id+" "+row[0].Text, row[2], row[2].Value, "en-GB")
			}
		}
		for _, s := range stages {
			want := sum(rows, s.column, func(r trackerRow) bool { return r.id == id })
			title := titles[s.name]
			if s.name == "handed_over" {
				title = "Claimed" // nobody signed for what the tracker says was delivered
			}
			if found[title] != want {
				t.Errorf("%s %s: %q, want %q", id, title, found[title], want)
			}
		}
	}
}

func TestEntriesAddUpToTheTracker(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	for _, s := range stages {
		p := w.open(t, "/entries?instrument=all&donor=POL&stage="+s.name, browsertest.View{})
		want := sum(rows, s.column, by("POL"))
		if said := p.Text(".sums strong"); said != printedIn("en-GB", want)+" EUR as the tracker values it" {
			t.Errorf("%s of Poland: %q, want %s", s.name, said, want)
		}
		entries := tableAt(t, p, ".tall table")
		total := new(big.Int)
		for _, row := range entries.rows {
			if v := cents(strings.ReplaceAll(entries.at(row, "Amount, EUR").Text, ",", "")); v != nil {
				total.Add(total, v)
			}
		}
		if euros(total) != want {
			t.Errorf("the entries of what Poland %s add up to %s, want %s", s.name, euros(total), want)
		}
	}
}

func TestNewestFactIsTheImportsControlTotals(t *testing.T) {
	w := theTracker(t)
	p := w.open(t, "/ledger", browsertest.View{})
	journal := tableAt(t, p, "main table")
	newest := journal.rows[0]
	for column, want := range map[string]string{"What happened": "Import completed", "Who says so": "importer kiel", "Marks": "observed"} {
		if got := journal.at(newest, column).Text; !strings.Contains(got, want) {
			t.Errorf("%s of the newest fact: %q, want %q", column, got, want)
		}
	}
	p.Go(w.url + journal.at(newest, "What happened").Href)
	w.shown(p)
	for _, s := range stages {
		p.AwaitText("main article", printedIn("en-GB", s.total)+" EUR")
	}
}

func TestFiltersCountWhatTheySay(t *testing.T) {
	w, rows := theTracker(t), trackerRows(t)
	members := strings.Fields("AUT BEL BGR HRV CYP CZE DNK EST FIN FRA DEU GRC HUN IRL ITA LVA LTU LUX MLT NLD POL PRT ROU SVK SVN ESP SWE")
	year := new(big.Int)
	for month, v := range committedIn(t, rows, everything) {
		if month >= "2022-03" && month <= "2022-12" {
			year.Add(year, v)
		}
	}
	promised := func(r trackerRow) bool { return r.specific != "Guarantee" && r.specific != "Swap-line" }
	for _, c := range []struct{ query, said, want string }{
		{"group=EU&instrument=all", "members of European Union", sum(rows, committed, func(r trackerRow) bool { return slices.Contains(members, r.donor) })},
		{"from=2022-03&to=2022-12&instrument=all", "Mar 2022 to Dec 2022", euros(year)},
		{"", "Left out: guarantees", sum(rows, committed, promised)},
		{"instrument=guarantee", "Only: guarantees", sum(rows, committed, func(r trackerRow) bool { return r.specific == "Guarantee" })},
		{"donor=GBR&category=MIL", "United Kingdom; Military support", sum(rows, committed, func(r trackerRow) bool { return r.donor == "GBR" && r.general == "Military" && promised(r) })},
	} {
		p := w.open(t, "/?"+c.query, browsertest.View{})
		shows(t, "committed with "+c.query, behind(t, p, "ladder").of("Committed", "EUR"), c.want, "en-GB")
		p.AwaitText("#ladder .meta", c.said)
	}
}

// What is undisclosed is told as that, and neither as zero nor as if nobody had reported it.
func TestUndisclosedIsNotUnreported(t *testing.T) {
	p := theSample(t).open(t, "/category/MIL.AIRDEF", browsertest.View{})
	p.AwaitText(`#ladder svg a[href*="stage=allocated"]`, "3 undisclosed")
	ladder, steps := behind(t, p, "ladder"), tableAt(t, p, "#stages table")
	for what, c := range map[string]browsertest.Cell{"the ladder": ladder.of("Allocated", "EUR"), "the stages": steps.of("Allocated", "Ever reached, EUR")} {
		if c.Text != "3 undisclosed" {
			t.Errorf("%s say %q of three undisclosed allocations", what, c.Text)
		}
	}
	if c := ladder.of("Dispatched", "EUR"); c.Text != "not reported" {
		t.Errorf("of what nobody reported the ladder says %q", c.Text)
	}
}
