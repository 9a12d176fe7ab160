package donor

import "github.com/allied-ledger/allied/events/dates"

// alias is another name of a code. until is the first day, counted from 1970-01-01, on which it was no longer the name in use; 0 for a
// name that stands beside the title.
type alias struct {
	name, code string
	until      int32
}

// aliases hold the former names that sources since 2010 use, each until its successor was registered with the United Nations, and names
// that sources use beside the title.
var aliases = []alias{
	{name: "Cape Verde", code: "CPV", until: dates.DayNumber(2013, 10, 24)},
	{name: "Czech Republic", code: "CZE", until: dates.DayNumber(2016, 7, 5)},
	{name: "Swaziland", code: "SWZ", until: dates.DayNumber(2018, 4, 19)},
	{name: "The former Yugoslav Republic of Macedonia", code: "MKD", until: dates.DayNumber(2019, 2, 12)},
	{name: "Turkey", code: "TUR", until: dates.DayNumber(2022, 6, 1)},

	{name: "America", code: "USA"},
	{name: "Bosnia & Herzegovina", code: "BIH"},
	{name: "European Commission", code: "EU-INST"},
	{name: "EU (Commission and Council)", code: "EU-INST"},
	{name: "EU Institutions", code: "EU-INST"},
	{name: "European Union", code: "EU-INST"},
	{name: "Great Britain", code: "GBR"},
	{name: "Holland", code: "NLD"},
	{name: "Iran (Islamic Republic of)", code: "IRN"},
	{name: "Ivory Coast", code: "CIV"},
	{name: "Korea (Republic of)", code: "KOR"},
	{name: "Korea, Republic of", code: "KOR"},
	{name: "Macedonia", code: "MKD"},
	{name: "Moldova (Republic of)", code: "MDA"},
	{name: "Republic of Korea", code: "KOR"},
	{name: "Republic of Moldova", code: "MDA"},
	{name: "Russian Federation", code: "RUS"},
	{name: "Slovak Republic", code: "SVK"},
	{name: "The Netherlands", code: "NLD"},
	{name: "Turkiye", code: "TUR"},
	{name: "UK", code: "GBR"},
	{name: "United Kingdom of Great Britain and Northern Ireland", code: "GBR"},
	{name: "United States of America", code: "USA"},
	{name: "US", code: "USA"},
	{name: "Vatican", code: "VAT"},
	{name: "Vatican City", code: "VAT"},
	{name: "Vietnam", code: "VNM"},
}
