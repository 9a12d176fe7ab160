package kiel

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// Sheet is the spreadsheet's sheet that is read.
const Sheet = "Bilateral Assistance, MAIN DATA"

// FileError says why a file cannot be read as the tracker's main sheet, where, and what to do. Nothing of such a file is imported.
type FileError struct {
	File   string
	Place  string // such as `row 17` or `header`; may be empty
	Err    error
	Remedy string
}

func (e *FileError) Error() string {
	place := ""
	if e.Place != "" {
		place = ", " + e.Place
	}
	return fmt.Sprintf("%s%s: %v (%s)", e.File, place, e.Err, e.Remedy)
}

func (e *FileError) Unwrap() error { return e.Err }

const remedySheet = "give the tracker's .xlsx file, or its sheet \"" + Sheet + "\" saved as CSV (UTF-8, comma)"

// ReadFile reads every data row of a tracker file, an .xlsx spreadsheet or the main sheet as .csv, told apart by content. Its errors
// other than those of the file system are *FileError.
func ReadFile(path string) ([]Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open tracker file: %w (check the path)", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at tracker file: %w", err)
	}
	if info.IsDir() {
		return nil, &FileError{File: path, Err: errors.New("it is a folder"), Remedy: "name the file in it"}
	}
	if info.Size() > fileBytesMax {
		return nil, &FileError{File: path, Err: fmt.Errorf("%d bytes, at most %d are read", info.Size(), fileBytesMax), Remedy: remedySheet}
	}
	start := make([]byte, 4)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read tracker file %s: %w", path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read tracker file %s: %w", path, err)
	}
	if n == 0 {
		return nil, &FileError{File: path, Err: errors.New("the file is empty"), Remedy: remedySheet}
	}
	reader := func() (*table, error) { return openCSV(f) }
	switch {
	case bytes.HasPrefix(start[:n], []byte("PK")):
		reader = func() (*table, error) { return openSpreadsheet(f) }
	case bytes.HasPrefix(start[:n], []byte{0xd0, 0xcf, 0x11, 0xe0}):
		return nil, &FileError{File: path, Err: errors.New("it is an encrypted spreadsheet, or one in the old .xls format"), Remedy: "save it as .xlsx without a password"}
	}
	t, err := reader()
	if err != nil {
		return nil, located(path, "", err)
	}
	rows, place, err := t.rows()
	if closeErr := t.close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, located(path, place, err)
	}
	return rows, nil
}

func located(path, place string, err error) error {
	return &FileError{File: path, Place: place, Err: err, Remedy: remedySheet}
}

// table yields the rows of a sheet, the header first, and io.EOF after the last.
type table struct {
	fieldsMin int // of a row; 0 where rows end with their last value
	next      func() ([]string, error)
	close     func() error
}

// rows checks the header and keeps every data row but empty ones at the end. On error it names the place.
func (t *table) rows() (rows []Row, place string, err error) {
	head, err := t.next()
	if errors.Is(err, io.EOF) {
		return nil, "", errors.New("there is no header")
	}
	if err != nil {
		return nil, "header", err
	}
	if err := checkHeader(head); err != nil {
		return nil, "header", err
	}
	full := 0                     // rows up to the last one that is not empty
	for number := 2; ; number++ { // the header is row 1
		place := fmt.Sprintf("row %d", number)
		cells, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, place, err
		}
		if len(rows) == rowsMax {
			return nil, place, fmt.Errorf("more than %d rows", rowsMax)
		}
		if err := checkCells(cells); err != nil {
			return nil, place, err
		}
		if len(cells) < t.fieldsMin {
			return nil, place, fmt.Errorf("the row ends after %d fields, and every row of the tracker's CSV has at least %d: the file is cut short", len(cells), t.fieldsMin)
		}
		rows = append(rows, NewRow(number, cells))
		if len(rows[len(rows)-1].Cells) > 0 {
			full = len(rows)
		}
	}
	if full == 0 {
		return nil, "row 2", errors.New("there are no rows below the header")
	}
	return rows[:full], "", nil
}

func checkCells(cells []string) error {
	if len(cells) > rowFieldsMax {
		return fmt.Errorf("%d fields, at most %d are read", len(cells), rowFieldsMax)
	}
	for i, c := range cells {
		if len(c) > cellBytesMax {
			return fmt.Errorf("column %s has %d bytes, at most %d are read", column(i).letters(), len(c), cellBytesMax)
		}
		if !utf8.ValidString(c) {
			return fmt.Errorf("column %s is not UTF-8", column(i).letters())
		}
	}
	return nil
}

func openCSV(r io.Reader) (*table, error) {
	buffered := bufio.NewReader(r)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\ufeff" {
		if _, err := buffered.Discard(3); err != nil {
			return nil, err
		}
	}
	c := csv.NewReader(buffered)
	c.FieldsPerRecord = -1
	return &table{fieldsMin: csvFieldsMin, next: c.Read, close: func() error { return nil }}, nil
}

// csvFieldsMin is what the shortest row of the tracker's CSV has. A row with less was cut; a spreadsheet stores no empty cells at a row's end.
const csvFieldsMin = 71

// openSpreadsheet reads the values that the sheet keeps, never their formatted text: dates are day numbers.
func openSpreadsheet(r io.Reader) (*table, error) {
	raw := excelize.Options{RawCellValue: true, UnzipSizeLimit: unzippedBytesMax}
	book, err := excelize.OpenReader(r, raw)
	if err != nil {
		return nil, fmt.Errorf("it is not a whole .xlsx spreadsheet: %w", err)
	}
	rows, err := book.Rows(Sheet)
	if err != nil {
		sheets := strings.Join(book.GetSheetList(), "\", \"")
		return nil, errors.Join(fmt.Errorf("it has no sheet %q but \"%s\"", Sheet, sheets), book.Close())
	}
	next := func() ([]string, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		return rows.Columns(raw)
	}
	return &table{next: next, close: func() error { return errors.Join(rows.Close(), book.Close()) }}, nil
}
