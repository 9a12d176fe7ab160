package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allied-ledger/allied/events/category"
	"github.com/allied-ledger/allied/events/dates"
	"github.com/allied-ledger/allied/events/donor"
	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/projections/balances"
	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
)

// Terms answers from the lists that commands and views are checked against. No view is asked: the lists are part of the program.
func (s *service) Terms(_ context.Context, r *apiv1.TermsRequest) (*apiv1.TermsResponse, error) {
	out := &apiv1.TermsResponse{
		Donors: donors(), Categories: categories(), Stages: balances.Stages(), Instruments: balances.Instruments(), Bases: balances.Bases(),
		On: cmp.Or(r.On, today()),
	}
	day, err := dates.ParseDay(out.On)
	if err != nil {
		return nil, &es.Refusal{Code: "bad_date", Field: "on", Reason: fmt.Sprintf("%q is not a day", out.On), Remedy: "give a day such as 2022-02-24"}
	}
	for _, g := range donor.Groups() {
		members, _ := donor.Members(g.Code, day)
		out.Groups = append(out.Groups, &apiv1.GroupTerm{Code: g.Code, Title: g.Title, Members: members, Source: g.Source})
	}
	return out, nil
}

// donors are states, then institutions, each by title.
func donors() (all []*apiv1.DonorTerm) {
	for _, code := range donor.Codes() {
		all = append(all, &apiv1.DonorTerm{Code: code, Title: donor.Title(code), Institution: donor.Institution(code), Alpha2: donor.Alpha2(code)})
	}
	slices.SortStableFunc(all, func(a, b *apiv1.DonorTerm) int {
		switch {
		case a.Institution == b.Institution:
			return strings.Compare(a.Title, b.Title)
		case a.Institution:
			return 1
		}
		return -1
	})
	return all
}

// categories are those below each group behind it, and at the end those that are below none.
func categories() (all []*apiv1.CategoryTerm) {
	var loose []*apiv1.CategoryTerm
	for _, c := range category.Codes() {
		term := &apiv1.CategoryTerm{Code: c.Code, Title: c.Title, Group: c.Group}
		if c.Group || strings.Contains(c.Code, ".") {
			all = append(all, term)
		} else {
			loose = append(loose, term)
		}
	}
	return append(all, loose...)
}

// today is the day in UTC, for requests that leave a day to the server.
func today() string { return time.Now().UTC().Format(time.DateOnly) }
