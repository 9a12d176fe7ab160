package tables

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The bounds of a cell of a spreadsheet.
const (
	cellUnitsMax = excelize.TotalCellChars // of UTF-16
	// exactIntegerMax is the largest whole number that a spreadsheet shows in full: it keeps 15 digits.
	exactIntegerMax = 999_999_999_999_999
)

// The sheets of a workbook.
const (
	rowsSheet  = "rows"
	aboutSheet = "about"
)

// TooLongError: a text does not fit into a cell of a spreadsheet.
type TooLongError struct{ Column string }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("a text of column %s has more characters than a cell of a spreadsheet, %d", e.Column, cellUnitsMax)
}

// xlsxWriter writes a workbook: the sheet rows, in which a number that a spreadsheet can sum stands beside each amount, and the sheet about.
// All text is typed as such, so that none is a formula.
type xlsxWriter struct {
	out     io.Writer
	file    *excelize.File
	stream  *excelize.StreamWriter
	columns []Column
	cells   []any
	rows    int
}

func newXLSX(out io.Writer, t *Table) (*xlsxWriter, error) {
	w := &xlsxWriter{out: out, file: excelize.NewFile(), columns: t.Columns}
	if err := w.file.SetSheetName(w.file.GetSheetName(0), rowsSheet); err != nil {
		return nil, err
	}
	var err error
	if w.stream, err = w.file.NewStreamWriter(rowsSheet); err != nil {
		return nil, err
	}
	if err := w.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return nil, err
	}
	for _, c := range t.Columns {
		w.cells = append(w.cells, c.Name)
		if c.Kind == Amount {
			w.cells = append(w.cells, c.Name+" (number)")
		}
	}
	return w, w.flush()
}

func (w *xlsxWriter) flush() error {
	w.rows++
	at, err := excelize.CoordinatesToCellName(1, w.rows)
	if err != nil {
		return err
	}
	return w.stream.SetRow(at, w.cells)
}

func (w *xlsxWriter) Write(row Row) error {
	w.cells = w.cells[:0]
	for i, v := range row {
		c, err := xlsxCell(w.columns[i], v)
		if err != nil {
			return err
		}
		w.cells = append(w.cells, c)
		if w.columns[i].Kind == Amount {
			number, err := strconv.ParseFloat(text(v), 64)
			if err != nil { // no amount
				w.cells = append(w.cells, nil)
				continue
			}
			w.cells = append(w.cells, number)
		}
	}
	return w.flush()
}

func xlsxCell(c Column, v protoreflect.Value) (any, error) {
	switch x := v.Interface().(type) {
	case nil:
		return nil, nil
	case int32:
		return int64(x), nil
	case int64:
		if -exactIntegerMax <= x && x <= exactIntegerMax {
			return x, nil
		}
	case uint32:
		return int64(x), nil
	case uint64:
		if x <= exactIntegerMax {
			return int64(x), nil
		}
	case bool:
		return x, nil
	case string:
		if len(x) > cellUnitsMax && len(utf16.Encode([]rune(x))) > cellUnitsMax { // excelize would cut it
			return nil, &TooLongError{c.Name}
		}
		if x == "" {
			return nil, nil
		}
	}
	return v.String(), nil
}

func (w *xlsxWriter) Close(about []Said) error {
	if err := w.stream.Flush(); err != nil {
		return err
	}
	if _, err := w.file.NewSheet(aboutSheet); err != nil {
		return err
	}
	for i, s := range about {
		at, err := excelize.CoordinatesToCellName(1, i+1)
		if err != nil {
			return err
		}
		if err := w.file.SetSheetRow(aboutSheet, at, &[]string{s.Name, s.Text}); err != nil {
			return err
		}
	}
	if err := w.file.Write(w.out); err != nil {
		return err
	}
	return w.file.Close()
}
