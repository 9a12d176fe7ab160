// Package filelog keeps a log in a folder of append-only segment files.
//
// # The folder
//
//	DIR/lock               held by the one ledger that writes here
//	DIR/log/head           the highest place that was answered
//	DIR/log/00000001.seg   the first segment; the last one is live, all others are sealed for ever and read-only
//	DIR/index/             a Pebble database from stream to place; derived, safe to delete while no ledger runs
//
// DIR/log is the record. All numbers in segments are little-endian. A copy made beside a running ledger takes head first, and
// cuts the live segment there, as Backup does.
//
// # A segment
//
// The first 512 bytes are text, filled with spaces; `head -c 512 00000002.seg` shows them:
//
//	allied ledger log, format 1
//	log 3e7c…                      the log's id, the same in every segment
//	segment 2
//	bytes before 67108992          of frames, in all segments before
//	events before 239674
//	frame checksum before 1b9c5a02 the last frame's of the segment before, 0 in the first
//	segment sha256 before 5f70…    of the whole file before (`sha256sum 00000001.seg`), zeros in the first
//	checksum 9d01c3aa              CRC-32C of the lines above
//
// Then frames follow without gaps, one for each event:
//
//	offset  bytes
//	     0      4  length of the frame
//	     4      4  CRC-32C of the whole frame without this field
//	     8      4  the checksum of the frame before, also across segments; 0 in the log's first frame
//	    12      4  how many frames of the same append follow: an append is whole from the frame after a 0 up to the next 0
//	    16      8  the bytes of frames before this one in the log
//	    24      8  ordinal: the events before this one in the log
//	    32      8  revision: the events before this one in its stream
//	    40     16  event id
//	    56      1  length of the stream's name
//	    57      –  the stream's name, then the record's bytes, verbatim
//
// An entry's position is the number of bytes of frames up to the end of its frame, headers of segments not counted.
//
// # The head file
//
// Two lines of 128 bytes that are written in turn; the one with the higher turn counts. A line is written after its frames are synced and
// before anybody is answered, without a sync of its own: `kill -9` loses none, a power failure may bring back an older one.
//
// # What is promised
//
// An answer without error means that the append's frames are synced. Opening checks all headers, the sizes of sealed segments and every
// frame of the live one. What is damaged or half-written above the mark was never answered: it is cut and reported. A log that ends below
// its mark, or below what its index has seen, is refused. Damage anywhere else stops the reader that meets it with an *es.DamageError;
// Verify finds it without waiting for a reader.
//
// After a failed write or sync nothing is appended until the log is opened again; reads go on.
package filelog
