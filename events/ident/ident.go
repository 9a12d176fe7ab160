// Package ident derives identities from what they stand for, so that a retry names the same thing for ever.
package ident

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// Namespaces of UUIDv5, one for each kind of identity; they never change, since stored ids rest on them.
var (
	eventSpace    = uuid.MustParse("0247778b-1e22-4c7d-b366-041976c1207a")
	streamSpace   = uuid.MustParse("6620080c-f5d3-475c-84d2-81b649ddec46")
	lineSpace     = uuid.MustParse("3469af38-cb7e-4028-8bef-649c952c8254")
	importedSpace = uuid.MustParse("bb8e1ded-8f56-4e78-9fe1-83aa75c91271")
	releaseSpace  = uuid.MustParse("7e6032a3-5541-4e96-a95f-613a0f130513")
	commandSpace  = uuid.MustParse("74b56935-eb64-4d2d-91c2-63cef5f09d24")
	policySpace   = uuid.MustParse("369603d7-1242-41ee-acb2-a895b5c27d63")

	exceptionSpace = uuid.MustParse("b1d4e0a6-5f2c-4c39-9a57-6f0f2f6f8b3e")
)

// EventID names the event at an index, from 0, among those that one command appends to a stream.
func EventID(stream string, command uuid.UUID, index int) uuid.UUID {
	return new(parts).text(stream).bytes(command[:]).number(index).in(eventSpace)
}

// StreamID names the stream that a command opens without naming it.
func StreamID(kind string, command uuid.UUID) uuid.UUID {
	return new(parts).text(kind).bytes(command[:]).in(streamSpace)
}

// LineID names the line at an index that a command adds in a role, such as `commitment`, without naming it.
func LineID(stream string, command uuid.UUID, role string, index int) uuid.UUID {
	return new(parts).text(stream).bytes(command[:]).text(role).number(index).in(lineSpace)
}

// ReleaseCommand names the command with which a pledge releases the nth draw, from 0, that a command to a shipment or payment leaves unused.
// Whoever sends it, it is recorded once.
func ReleaseCommand(stream string, command uuid.UUID, n int) uuid.UUID {
	return LineID(stream, command, "release", n)
}

// ImportedStream names the pledge of an outside record: by its dataset and external id, and by the donor's code, the announcement date and
// the SHA-256 of the explanation (hexadecimal) of the first row as raw text, since external ids are reused; number counts equals, from 0.
func ImportedStream(dataset, externalID, donor, announced, explanationSHA256 string, number int) uuid.UUID {
	return new(parts).text(dataset).text(externalID).text(donor).text(announced).text(explanationSHA256).number(number).in(importedSpace)
}

// ReleaseStream names the import of one release of a dataset.
func ReleaseStream(dataset, release string) uuid.UUID {
	return new(parts).text(dataset).text(release).in(releaseSpace)
}

// ImportedCommand names the command of one kind that a row, or the first row of an allocation, of a release leads to. The content digest
// covers the rows' content, never a file.
func ImportedCommand(stream, release, kind, allocation string, row int, contentDigest [32]byte) uuid.UUID {
	return new(parts).text(stream).text(release).text(kind).text(allocation).number(row).bytes(contentDigest[:]).in(commandSpace)
}

// PolicyCommand names the command that a policy sends to a stream because of an event.
func PolicyCommand(policy string, cause uuid.UUID, stream string) uuid.UUID {
	return new(parts).text(policy).bytes(cause[:]).text(stream).in(policySpace)
}

// ExceptionID names what one event raises for somebody to look at: of a kind, on a line and a draw where it has them, and of what else tells
// it from others of the event, such as an asset.
func ExceptionID(event uuid.UUID, kind string, line, draw uuid.UUID, of string) uuid.UUID {
	return new(parts).bytes(event[:]).text(kind).bytes(line[:]).bytes(draw[:]).text(of).in(exceptionSpace)
}

// parts joins values unambiguously: each is preceded by its length, so no two lists join to the same bytes.
type parts struct{ joined []byte }

func (p *parts) text(s string) *parts {
	p.joined = append(binary.BigEndian.AppendUint64(p.joined, uint64(len(s))), s...)
	return p
}

func (p *parts) bytes(b []byte) *parts { return p.text(string(b)) }

func (p *parts) number(n int) *parts {
	p.joined = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(p.joined, 8), uint64(int64(n)))
	return p
}

func (p *parts) in(space uuid.UUID) uuid.UUID { return uuid.NewSHA1(space, p.joined) }
