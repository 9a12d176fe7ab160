package filelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/google/uuid"

	"github.com/allied-ledger/allied/events/es"
)

// The fields of a frame, by their offsets; see the package's documentation.
const (
	frameLength    = 0
	frameCRC       = 4
	framePrev      = 8
	frameFollowing = 12
	frameStart     = 16
	frameOrdinal   = 24
	frameRevision  = 32
	frameID        = 40
	frameStream    = 56
	frameFixed     = 57

	frameBytesMax = frameFixed + es.StreamBytesMax + es.RecordBytesMax
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one entry as it stands in a segment. Its slices share the bytes it was decoded from.
type frame struct {
	length    int
	crc, prev uint32
	following uint32 // how many frames of the same append come after this one
	start     uint64 // the log's bytes of frames before this one
	entry     es.Entry
}

func (f *frame) end() uint64 { return f.start + uint64(f.length) }

func frameBytes(stream string, record []byte) int { return frameFixed + len(stream) + len(record) }

// appendFrame adds the frame of an entry that starts where dst's frames end, and returns the frame's checksum.
func appendFrame(dst []byte, prev, following uint32, e *es.Entry) ([]byte, uint32) {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(frameBytes(e.Stream, e.Bytes)))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, prev)
	dst = binary.LittleEndian.AppendUint32(dst, following)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Prev))
	dst = binary.LittleEndian.AppendUint64(dst, e.Ordinal)
	dst = binary.LittleEndian.AppendUint64(dst, e.Revision)
	dst = append(dst, e.ID[:]...)
	dst = append(dst, byte(len(e.Stream)))
	dst = append(dst, e.Stream...)
	dst = append(dst, e.Bytes...)
	crc := frameChecksum(dst[at:])
	binary.LittleEndian.PutUint32(dst[at+frameCRC:], crc)
	return dst, crc
}

// frameChecksum covers everything of a frame but the checksum's own field.
func frameChecksum(b []byte) uint32 {
	crc := crc32.Update(0, castagnoli, b[:frameCRC])
	return crc32.Update(crc, castagnoli, b[framePrev:])
}

// errShortFrame: the bytes end before the frame does.
var errShortFrame = errors.New("the frame is not whole")

// frameLengthAt says how long the frame at the beginning of b claims to be.
func frameLengthAt(b []byte) (int, error) {
	if len(b) < frameFixed {
		return 0, errShortFrame
	}
	n := binary.LittleEndian.Uint32(b[frameLength:])
	if n < frameFixed || n > frameBytesMax {
		return 0, fmt.Errorf("a frame claims %d bytes; %d to %d are possible", n, frameFixed, frameBytesMax)
	}
	return int(n), nil
}

// decodeFrame checks and decodes the frame at the beginning of b, which must start at the log's byte `start`.
func decodeFrame(b []byte, start uint64) (f frame, err error) {
	if f.length, err = frameLengthAt(b); err != nil {
		return f, err
	}
	if f.length > len(b) {
		return f, errShortFrame
	}
	b = b[:f.length:f.length]
	f.crc = binary.LittleEndian.Uint32(b[frameCRC:])
	if computed := frameChecksum(b); computed != f.crc {
		return f, fmt.Errorf("the frame's checksum is %08x, its bytes give %08x", f.crc, computed)
	}
	stream := int(b[frameStream])
	if stream > es.StreamBytesMax || frameFixed+stream > len(b) {
		return f, fmt.Errorf("the stream's name claims %d bytes in a frame of %d", stream, len(b))
	}
	f.prev = binary.LittleEndian.Uint32(b[framePrev:])
	f.following = binary.LittleEndian.Uint32(b[frameFollowing:])
	if f.start = binary.LittleEndian.Uint64(b[frameStart:]); f.start != start {
		return f, fmt.Errorf("the frame belongs to byte %d of the log, not %d", f.start, start)
	}
	f.entry = es.Entry{
		Position: es.Position(f.end()), Prev: es.Position(f.start),
		Ordinal: binary.LittleEndian.Uint64(b[frameOrdinal:]), Revision: binary.LittleEndian.Uint64(b[frameRevision:]),
		Stream: string(b[frameFixed : frameFixed+stream]),
		Record: es.Record{ID: uuid.UUID(b[frameID:frameStream]), Bytes: b[frameFixed+stream:]},
	}
	return f, nil
}
