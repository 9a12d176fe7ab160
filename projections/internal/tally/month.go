package tally

import (
	"fmt"
	"time"

	"github.com/allied-ledger/allied/events/dates"
	eventv1 "github.com/allied-ledger/allied/proto/gen/allied/event/v1"
)

// month is the month of the latest day on which a fact may have happened, such as 2023-04; empty where nobody knows the day. A day that no
// command may name is none that anybody knows. The months seen are remembered, so that a fold makes no text.
func (t *Tally) month(e *eventv1.Effective) string {
	switch e.GetPrecision() {
	case eventv1.Precision_PRECISION_UNKNOWN, eventv1.Precision_PRECISION_UNSPECIFIED:
		return ""
	}
	const daySeconds = 24 * 60 * 60
	year, month, _ := time.Unix(int64(e.GetLatestDay())*daySeconds, 0).UTC().Date()
	if year < dates.YearMin || year > dates.YearMax {
		return ""
	}
	number := 12*year + int(month) - 1
	text, ok := t.months[number]
	if !ok {
		text = fmt.Sprintf("%04d-%02d", year, month)
		t.months[number] = text
	}
	return text
}
