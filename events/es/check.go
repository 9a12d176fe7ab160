package es

import (
	"fmt"

	"github.com/google/uuid"
)

// Check returns an error that is ErrInvalid where the append breaks a bound of the contract, whatever the log holds.
func (a Append) Check() error {
	switch {
	case a.Stream == "":
		return fmt.Errorf("%w: the stream has no name", ErrInvalid)
	case len(a.Stream) > StreamBytesMax:
		return fmt.Errorf("%w: the stream's name has %d bytes; at most %d are allowed", ErrInvalid, len(a.Stream), StreamBytesMax)
	case a.Expected < NoStream:
		return fmt.Errorf("%w: stream %s: expected revision %d; it is %d for a new stream, else 0 or more", ErrInvalid, a.Stream, a.Expected, NoStream)
	case len(a.Records) == 0:
		return fmt.Errorf("%w: stream %s: no records to append", ErrInvalid, a.Stream)
	case len(a.Records) > AppendRecordsMax:
		return fmt.Errorf("%w: stream %s: %d records in one append; at most %d are allowed", ErrInvalid, a.Stream, len(a.Records), AppendRecordsMax)
	}
	total := 0
	for i, r := range a.Records {
		if r.ID == uuid.Nil { // each repeat would be another record
			return fmt.Errorf("%w: stream %s: record %d has no id", ErrInvalid, a.Stream, i)
		}
		if len(r.Bytes) > RecordBytesMax {
			return fmt.Errorf("%w: stream %s: record %d has %d bytes; at most %d are allowed", ErrInvalid, a.Stream, i, len(r.Bytes), RecordBytesMax)
		}
		total += len(r.Bytes)
	}
	if total > AppendBytesMax {
		return fmt.Errorf("%w: stream %s: the append's records have %d bytes; at most %d are allowed", ErrInvalid, a.Stream, total, AppendBytesMax)
	}
	return nil
}
