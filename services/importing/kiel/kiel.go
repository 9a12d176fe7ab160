// Package kiel turns the main sheet of the Kiel Institute's Ukraine Support Tracker into pledge commands.
//
// Reading a file is one stage and yields rows as raw text, the same from a spreadsheet and from its CSV; turning rows into commands is
// another, which does no I/O: same rows, same commands. A row is (ID, Allocation ID, row number in file order), never its content, since
// rows that look the same are distinct facts.
package kiel

const (
	// Dataset names the tracker's main sheet in the identities of what is imported.
	Dataset = "kiel-ust-main"
	// Publisher stands in the source references of everything that is imported.
	Publisher = "Kiel Institute for the World Economy, Ukraine Support Tracker"
	// Beneficiary is the one country that the tracker follows aid to.
	Beneficiary = "UKR"
	// actor is who says so; a claim, as every actor is.
	actor = "importer kiel"
	// noDonor stands where a fact has no donor.
	noDonor = "_"
)

// The valuation bases of the tracker's columns.
const (
	basisTracker       = "tracker"
	basisRedistributed = "tracker_redistributed"
	basisDonorStated   = "donor_stated"
	basisPriceList     = "price_list"
)

// The bounds of one file.
const (
	fileBytesMax     = 256 << 20
	unzippedBytesMax = 1 << 30
	rowsMax          = 50_000
	rowFieldsMax     = 1000
	cellBytesMax     = 256 << 10
)
