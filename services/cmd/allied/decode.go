package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/internal/strictjson"
)

// lineBytesMax bounds one command: a longer one could not become a record either.
const lineBytesMax = 1 << 20

// lineError says where a file of commands cannot be read. Column counts characters from 1; 0 means the whole line.
type lineError struct {
	file         string
	line, column int
	detail       string
}

func (e *lineError) Error() string {
	if e.column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.detail)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.file, e.line, e.column, e.detail)
}

// commandLine is one command, and the number of the line it stands on, from 1.
type commandLine struct {
	line    int
	command *apiv1.Command
}

// commandLines yields the commands of a file of JSON lines. A line that is no command yields a *lineError, and what follows can still be
// read; any other error ends the sequence. Blank lines are passed over.
func commandLines(file string, r io.Reader) iter.Seq2[commandLine, error] {
	return func(yield func(commandLine, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			text, err := readLine(in)
			end := errors.Is(err, io.EOF)
			if err != nil && !end && !errors.Is(err, errLineTooLong) {
				yield(commandLine{}, fmt.Errorf("read %s after line %d: %w", file, n-1, err))
				return
			}
			if n == 1 {
				text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
			}
			at := &lineError{file: file, line: n}
			switch {
			case errors.Is(err, errLineTooLong):
				at.detail = fmt.Sprintf("the line is longer than %d bytes; a command has one line of its own", lineBytesMax)
				if !yield(commandLine{line: n}, at) {
					return
				}
			case len(bytes.TrimSpace(text)) > 0:
				cmd, bad := decodeCommand(text, at)
				if !yield(commandLine{line: n, command: cmd}, bad) {
					return
				}
			}
			if end {
				return
			}
		}
	}
}

var errLineTooLong = errors.New("line too long")

// readLine returns the next line without its end. A line beyond the bound is passed over and is errLineTooLong.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > lineBytesMax; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil && long {
			err = errLineTooLong
		}
		if errors.Is(err, io.EOF) && long {
			return nil, errLineTooLong // the next call answers io.EOF
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
}

// decodeCommand reads one line strictly: a field that does not exist, stands twice or has another type is an error with its place.
func decodeCommand(text []byte, at *lineError) (*apiv1.Command, error) {
	cmd := &apiv1.Command{}
	err := strictjson.Unmarshal(text, cmd)
	if err == nil {
		return cmd, nil
	}
	at.detail = err.Error()
	var bad *strictjson.Error
	if !errors.As(err, &bad) {
		return nil, at
	}
	if bad.Offset >= 0 {
		at.column = utf8.RuneCount(text[:bad.Offset]) + 1
	}
	switch bad.Fault {
	case strictjson.NoObject:
		at.detail = "a command is one JSON object, { … }, on a line of its own"
	case strictjson.Truncated:
		at.detail = "the line ends inside the command; a command stands on one line (jq -c . makes lines of spread-out JSON)"
	case strictjson.Followed:
		at.detail = "something follows the command; each command has a line of its own"
	}
	return nil, at
}
