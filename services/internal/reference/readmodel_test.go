package reference

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/services/internal/boot"
)

func TestReadModel(t *testing.T) {
	compare(t, "readmodel.md", readModelPage(t, boot.Specs()))
}

// readModelPage lists the tables that people read, with what their declarations say of them.
func readModelPage(t *testing.T, specs []engine.Spec) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# The read model

The views of a ledger are tables, folded from its events and never edited. ` + "`allied sql`" + ` asks them, as [this guide](../guides/sql.md) shows, and
` + "`allied sql --tables`" + ` prints what stands here. A change of what a view computes makes a new version of it, which is built from the log again.

| Kind | What it holds |
|---|---|
| text | UTF-8 text |
| int | a whole number of 64 bits |
| amount | a whole number of the smallest unit of the asset that stands beside it, of up to 38 digits, signed; in SQL decimal text that compares and sorts by value |
| bytes | bytes; printed in hexadecimal |
| bool | true or false; in SQL 1 or 0 |
| day | a day; in SQL text such as ` + "`2022-09-13`" + ` |

Unknown is not zero: a value that is undisclosed is counted, in columns called ` + "`unknown`" + `.
`)
	for _, s := range specs {
		fmt.Fprintf(&b, "\n## View %s\n\nVersion %d.\n", s.Name, s.Version)
		for _, table := range s.Tables {
			if table.Hidden {
				continue
			}
			if table.About == "" {
				t.Errorf("table %s says nothing about its rows: give it an About", table.Name)
			}
			fmt.Fprintf(&b, "\n### %s\n\n%s. The key is ", table.Name, table.About)
			for i, c := range table.Columns[:table.Key] {
				fmt.Fprintf(&b, "%s`%s`", map[bool]string{true: ", "}[i > 0], c.Name)
			}
			b.WriteString(".\n\n| Column | Kind | |\n|---|---|---|\n")
			for _, c := range table.Columns {
				if c.About == "" {
					t.Errorf("column %s of table %s says nothing about what it holds: give it an About", c.Name, table.Name)
				}
				kind := c.Kind.String()
				if c.Null {
					kind += " or null"
				}
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, kind, cell(c.About))
			}
		}
	}
	return b.String()
}
