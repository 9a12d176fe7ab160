package kiel

import (
	"fmt"
	"strings"
)

// column is a place in a row, from 0. Columns are found by position, since rows have more fields than the header and a name stands twice;
// the header is checked so that another layout is refused instead of misread.
type column int

const (
	colID             column = 0
	colCountry        column = 1
	colAnnounced      column = 2
	colGeneralType    column = 3
	colSpecificType   column = 4
	colExplanation    column = 5
	colCurrency       column = 6
	colDonation       column = 7
	colStated         column = 8
	colItem           column = 9
	colItemType       column = 10
	colItemSubType    column = 11
	colUnits          column = 13
	colUnitsDelivered column = 14
	colUnitPrice      column = 15
	colEstimate       column = 16
	colEstimateDeliv  column = 17
	colTotal          column = 18
	colConverted      column = 19
	colDelivered      column = 20
	colAllocated      column = 21
	colAllocatedEUR   column = 22
	colRedistributed  column = 23
	colAllocation     column = 24
	colReallocation   column = 26
	colOfficial       column = 27
	colSource1        column = 28
	colSource4        column = 31
	colDeliverySource column = 38
	colValueSource    column = 41
	colYear           column = 47
	colReconstruction column = 71

	donationCommitment    = "Commitment"
	donationAllocation    = "Allocation"
	specificFacility      = "European Peace Facility"
	specificAppropriation = "Budgetary appropriations"
	specificConsolidation = "Consolidation" // or begins so
)

// header names the columns that are read.
var header = []struct {
	at   column
	name string
}{
	{colID, "ID"},
	{colCountry, "Countries"},
	{colAnnounced, "Announcement Date"},
	{colGeneralType, "Type of Aid General"},
	{colSpecificType, "Type of Aid Specific"},
	{colExplanation, "Explanation"},
	{colCurrency, "Original Currency"},
	{colDonation, "Type of donation"},
	{colStated, "Monetary Value as Given by Source"},
	{colItem, "Items"},
	{colItemType, "Type of Item"},
	{colItemSubType, "Sub-type of item"},
	{colUnits, "No. of Units"},
	{colUnitsDelivered, "No. of Units Delivered (in-kind military aid)"},
	{colUnitPrice, "Unit Price in USD"},
	{colEstimate, "Value Committed (own estimate, in USD)"},
	{colEstimateDeliv, "Value Delivered (own estimate, in USD)"},
	{colTotal, "Total"},
	{colConverted, "Converted Value in EUR"},
	{colDelivered, "Total monetary value delivered in EUR"},
	{colAllocated, "Allocated Total"},
	{colAllocatedEUR, "Allocated Total in EUR"},
	{colRedistributed, "Allocated Total in EUR (redistributed)"},
	{colAllocation, "Allocation ID"},
	{colReallocation, "Reallocation_package_ID"},
	{colOfficial, "Official Source"},
	{colSource1, "Source of Aid 1"},
	{colSource1 + 1, "Source of Aid 2"},
	{colSource1 + 2, "Source of Aid 3"},
	{colSource4, "Source of Aid 4"},
	{colDeliverySource, "Source for Delivery"},
	{colValueSource, "value_source_commitments"},
	{colYear, "Earmarked year"},
	{colReconstruction, "Reconstruction/Modernization"},
}

// letters writes a column as spreadsheets do, such as AV.
func (c column) letters() string {
	n, out := int(c)+1, ""
	for n > 0 {
		n--
		out = string(rune('A'+n%26)) + out
		n /= 26
	}
	return out
}

// name is the column's header.
func (c column) name() string {
	for _, h := range header {
		if h.at == c {
			return h.name
		}
	}
	return c.letters()
}

// checkHeader compares a header row with the columns that are read; its error names every difference.
func checkHeader(cells []string) error {
	var wrong []string
	for _, h := range header {
		found := "nothing"
		if int(h.at) < len(cells) {
			if tidy(cells[h.at]) == h.name {
				continue
			}
			found = fmt.Sprintf("%q", clip(tidy(cells[h.at]), 60))
		}
		wrong = append(wrong, fmt.Sprintf("column %s (%d) is %s, not %q", h.at.letters(), int(h.at)+1, found, h.name))
	}
	if len(wrong) == 0 {
		return nil
	}
	const shownMax = 4
	more := ""
	if len(wrong) > shownMax {
		more = fmt.Sprintf("; and %d more", len(wrong)-shownMax)
		wrong = wrong[:shownMax]
	}
	return fmt.Errorf("the header is not that of the tracker's main sheet: %s%s", strings.Join(wrong, "; "), more)
}
