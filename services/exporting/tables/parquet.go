package tables

import (
	"fmt"
	"io"
	"reflect"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// rowGroupRowsMax bounds the rows that are held before they are encoded.
const rowGroupRowsMax = 16 << 10

// parquetWriter writes Parquet. Amounts are text: no type of fixed places holds the amounts of all assets.
type parquetWriter struct {
	parquet *parquet.GenericWriter[any]
	row     parquet.Row
}

func newParquet(out io.Writer, t *Table) *parquetWriter {
	fields := make([]reflect.StructField, len(t.Columns)) // a group of parquet-go sorts its fields by name; a struct keeps their order
	for i, c := range t.Columns {
		kind := reflect.TypeFor[string]()
		switch c.Kind {
		case Place:
			kind = reflect.TypeFor[uint64]()
		case Count:
			kind = reflect.TypeFor[int64]()
		case Truth:
			kind = reflect.TypeFor[bool]()
		}
		fields[i] = reflect.StructField{
			Name: "F" + strconv.Itoa(i), Type: reflect.PointerTo(kind), Tag: reflect.StructTag(fmt.Sprintf(`parquet:%q`, c.Name+",optional")),
		}
	}
	schema := parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
	return &parquetWriter{
		parquet: parquet.NewGenericWriter[any](out, schema, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(rowGroupRowsMax)),
		row:     make(parquet.Row, len(t.Columns)),
	}
}

func (w *parquetWriter) Write(row Row) error {
	for i, v := range row {
		cell := parquetValue(v)
		if cell.IsNull() {
			w.row[i] = cell.Level(0, 0, i)
		} else {
			w.row[i] = cell.Level(0, 1, i)
		}
	}
	_, err := w.parquet.WriteRows([]parquet.Row{w.row})
	return err
}

func parquetValue(v protoreflect.Value) parquet.Value {
	switch x := v.Interface().(type) {
	case string:
		return parquet.ByteArrayValue([]byte(x))
	case int32:
		return parquet.Int64Value(int64(x))
	case int64:
		return parquet.Int64Value(x)
	case uint32:
		return parquet.Int64Value(int64(x))
	case uint64:
		return parquet.Int64Value(int64(x))
	case bool:
		return parquet.BooleanValue(x)
	}
	return parquet.NullValue()
}

// Close writes what the file says of itself as metadata, under names that begin with allied.
func (w *parquetWriter) Close(about []Said) error {
	for _, s := range about {
		w.parquet.SetKeyValueMetadata("allied."+s.Name, s.Text)
	}
	return w.parquet.Close()
}
