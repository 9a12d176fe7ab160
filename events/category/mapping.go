package category

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Mapping names one version of a mapping from our codes to outside ones. A version never changes once it is stated: what was exported with
// it can be explained for ever. A better one gets the next number.
type Mapping struct {
	Name    string // unroca, eu-military-list, iati-sector
	Version string
}

// Outside is a code of an outside list.
type Outside struct {
	Code      string
	Condition string // what of our code falls under it; empty where all does
}

// Edition says what a mapping rests on.
type Edition struct {
	Mapping
	StatedOn string // the day on which we stated it, such as 2026-11-01
	Title    string // the edition of the outside list
}

//go:embed mappings.csv
var mappingsCSV string

// mappings reads the embedded table once; a test sees that it is sound.
var mappings = sync.OnceValues(func() (mappingTable, error) { return readMappings(mappingsCSV) })

type mappingTable struct {
	editions []Edition
	outside  map[Mapping]map[string][]Outside
}

// Editions returns the versions of all mappings, in order of their names and then of their statement.
func Editions() ([]Edition, error) {
	t, err := mappings()
	return slices.Clone(t.editions), err
}

// Latest returns the last stated version of a mapping.
func Latest(name string) (Mapping, error) {
	t, err := mappings()
	if err != nil {
		return Mapping{}, err
	}
	for _, e := range slices.Backward(t.editions) {
		if e.Name == name {
			return e.Mapping, nil
		}
	}
	return Mapping{}, fmt.Errorf("no mapping is named %q", name)
}

// Codes returns the outside codes that a category falls under; none where it falls under no one.
func (m Mapping) Codes(code string) ([]Outside, error) {
	t, err := mappings()
	if err != nil {
		return nil, err
	}
	list, ok := t.outside[m]
	if !ok {
		return nil, fmt.Errorf("no mapping is named %q with version %q", m.Name, m.Version)
	}
	return slices.Clone(list[code]), nil
}

func readMappings(text string) (mappingTable, error) {
	const columns = "mapping,version,stated_on,edition,code,outside,condition"
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return mappingTable{}, fmt.Errorf("category mappings: %w", err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != columns {
		return mappingTable{}, fmt.Errorf("category mappings: the columns are not %s", columns)
	}
	t := mappingTable{outside: map[Mapping]map[string][]Outside{}}
	for i, row := range rows[1:] {
		e := Edition{Mapping: Mapping{Name: row[0], Version: row[1]}, StatedOn: row[2], Title: row[3]}
		if t.outside[e.Mapping] == nil {
			t.outside[e.Mapping] = map[string][]Outside{}
			t.editions = append(t.editions, e)
		}
		if code := row[4]; !Known(code) {
			return mappingTable{}, fmt.Errorf("category mappings: row %d: %q is not a category; did you mean %q?", i+2, code, Nearest(code))
		}
		t.outside[e.Mapping][row[4]] = append(t.outside[e.Mapping][row[4]], Outside{Code: row[5], Condition: row[6]})
	}
	slices.SortStableFunc(t.editions, func(a, b Edition) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.StatedOn, b.StatedOn)
	})
	return t, nil
}
