package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/donor"
)

type donorTerm struct {
	Code, Title, Alpha2 string
	Institution         bool
}

type terms struct {
	Donors []donorTerm
	Groups []struct {
		Code, Title, Source string
		Members             []string
	}
	Categories []struct {
		Code, Title string
		Group       bool
	}
	Stages, Instruments, Bases []string
	On                         string
}

func (s *served) terms(request string) (out terms) {
	s.t.Helper()
	got := s.call("Terms", request)
	if got.status != 200 {
		s.t.Fatalf("%d %s", got.status, got.text)
	}
	if err := json.Unmarshal([]byte(got.text), &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// The lists come without any view: nobody serves one here.
func TestTermsAreTheListsOfTheProgram(t *testing.T) {
	s := silent(t, time.Minute)
	got := s.terms(`{"on":"2022-02-24"}`)
	if len(got.Donors) != len(donor.Codes()) || len(got.Categories) != len(category.Codes()) || got.On != "2022-02-24" {
		t.Errorf("%d donors, %d categories, on %s", len(got.Donors), len(got.Categories), got.On)
	}
	at := func(code string) int {
		return slices.IndexFunc(got.Donors, func(d donorTerm) bool { return d.Code == code })
	}
	if d := got.Donors[at("NOR")]; d.Title != "Norway" || d.Alpha2 != "NO" || d.Institution {
		t.Errorf("%+v", d)
	}
	if d := got.Donors[at("EU-INST")]; !d.Institution || d.Alpha2 != "" || at("EU-INST") < at("ZWE") {
		t.Errorf("at %d of %d: %+v", at("EU-INST"), len(got.Donors), d)
	}
	if !slices.IsSortedFunc(got.Donors[:len(got.Donors)-5], func(a, b donorTerm) int { return strings.Compare(a.Title, b.Title) }) {
		t.Error("states are not by title")
	}
	var codes []string
	for _, c := range got.Categories {
		codes = append(codes, c.Code)
		if c.Title != category.Title(c.Code) || c.Group == category.Known(c.Code) {
			t.Errorf("%+v", c)
		}
		if group, _, below := strings.Cut(c.Code, "."); below && !slices.Contains(codes, group) {
			t.Errorf("%s stands before its group", c.Code)
		}
	}
	if end := codes[len(codes)-4:]; codes[0] != "FIN" || !slices.Equal(end, []string{"ENVELOPE", "MIXED", "PLUG", "UNMAPPED"}) {
		t.Errorf("categories begin with %s, and end with %v", codes[0], end)
	}
	const ladder = "announced contingent committed allocated reserved dispatched handed_over verified instructed booked reconciled"
	if stages := strings.Join(got.Stages, " "); !strings.HasPrefix(stages, ladder+" ") || !strings.Contains(stages, " over:allocated ") || strings.Contains(stages, "claimed") {
		t.Errorf("stages %s", stages)
	}
	if !slices.Contains(got.Instruments, "guarantee") || !slices.Contains(got.Bases, "tracker") || !slices.Contains(got.Bases, "quantity") {
		t.Errorf("instruments %v, bases %v", got.Instruments, got.Bases)
	}
}

func TestTermsTellTheMembersOfADay(t *testing.T) {
	s := silent(t, time.Minute)
	members := func(request string) (map[string]string, string) {
		got, out := s.terms(request), map[string]string{}
		for _, g := range got.Groups {
			if g.Title == "" || g.Source == "" {
				t.Errorf("%+v", g)
			}
			out[g.Code] = strings.Join(g.Members, " ")
		}
		return out, got.On
	}
	before, _ := members(`{"on":"2023-04-03"}`)
	after, _ := members(`{"on":"2023-04-04"}`)
	if strings.Contains(before["NATO"], "FIN") || !strings.Contains(after["NATO"], "FIN") || before["BALTIC"] != "EST LTU LVA" || len(before) != len(donor.Groups()) {
		t.Errorf("%v, and a day later %v", before, after)
	}
	if none, _ := members(`{"on":"1940-01-01"}`); none["NATO"] != "" {
		t.Errorf("%v", none)
	}
	earliest := today()
	now, on := members(`{}`)
	if on < earliest || on > today() || !strings.Contains(now["NATO"], "SWE") {
		t.Errorf("on %s, which is not today: %v", on, now)
	}
	for _, on := range []string{"2022-02", "today", "2022-02-30"} {
		got := s.call("Terms", `{"on":"`+on+`"}`)
		if p := got.problem(t); got.status != 400 || p["code"] != "bad_date" || p["field"] != "on" {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// A group without a day is that of today, of whichever view it is asked; one with a day is that of the day.
func TestAGroupIsThatOfTodayUnlessADayIsNamed(t *testing.T) {
	s := start(t)
	for _, method := range []string{"Balances", "Timeline"} {
		for _, c := range []struct{ group, named string }{
			{`"group":"NATO"`, ""},
			{`"group":"NATO","group_on":"2020-01-31"`, "2020-01-31"},
		} {
			earliest := today()
			got := s.call(method, `{"basis":"tracker","stages":["committed"],`+c.group+`}`)
			on, _ := got.json["group_on"].(string)
			if got.status != 200 || c.named == "" && (on < earliest || on > today()) || c.named != "" && on != c.named {
				t.Errorf("%s: %d %s", method, got.status, got.text)
			}
			members, _ := got.json["members"].([]any)
			if want := map[bool]int{true: 29, false: 32}[c.named != ""]; len(members) < want || c.named != "" && len(members) != want {
				t.Errorf("%s: %d members on %s", method, len(members), on)
			}
		}
	}
	if got := s.call("Pledges", `{"group":"NATO"}`); got.status != 200 {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := s.call("Balances", `{"basis":"tracker","stages":["committed"],"group_on":"2022-02-24"}`); got.status != 400 || got.problem(t)["field"] != "group" {
		t.Errorf("%d %s", got.status, got.text)
	}
}
