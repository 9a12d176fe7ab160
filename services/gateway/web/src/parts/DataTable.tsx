// DataTable is a table that sorts by each of its columns and scrolls within itself.
import { constructTable, createSortedRowModel, rowSortingFeature, tableFeatures } from "@tanstack/table-core";
import { storeReactivityBindings } from "@tanstack/table-core/store-reactivity-bindings";
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { compare } from "../lib/exact.ts";

export interface Column<Row> {
  id: string;
  header: string;
  // What the row has here: decimal text where numeric, else words; undefined is not known, and sorts last.
  value: (row: Row) => string | undefined;
  numeric?: boolean;
  // How it is shown, where not as it is.
  cell?: (row: Row) => ComponentChildren;
  // Longer words for the header.
  hint?: string;
}

interface Props<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  // The column that it is sorted by at first; the order of the rows where it is left out.
  sort?: { id: string; desc: boolean };
}

// More rows than this are shown only on request: a table of thousands is slow to lay out and to read.
const rowsShown = 100;

const features = tableFeatures({
  coreReactivityFeature: storeReactivityBindings(),
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
});

function useSorted<Row extends object>(columns: Column<Row>[], rows: Row[], sort: { id: string; desc: boolean } | undefined): Row[] {
  return useMemo(() => {
    const table = constructTable<typeof features, Row>({
      features,
      data: rows,
      columns: columns.map((column) => ({
        id: column.id,
        accessorFn: column.value,
        sortUndefined: "last",
        sortFn: (a, b, id) => {
          const [x, y] = [a.getValue<string>(id), b.getValue<string>(id)];
          return column.numeric ? compare(x, y) : x.localeCompare(y);
        },
      })),
      state: { sorting: sort ? [sort] : [] },
    });
    return table.getRowModel().rows.map((r) => r.original);
  }, [columns, rows, sort]);
}

export function DataTable<Row extends object>({ caption, columns, rows, sort: first }: Props<Row>) {
  const [sort, setSort] = useState(first);
  const [all, setAll] = useState(false);
  const sorted = useSorted(columns, rows, sort);
  const shown = all ? sorted : sorted.slice(0, rowsShown);
  const next = (column: Column<Row>) =>
    setSort({ id: column.id, desc: sort?.id === column.id ? !sort.desc : column.numeric === true });
  return (
    <>
      <div class="table" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column.id} scope="col" class={column.numeric ? "number" : ""} aria-sort={sorting(sort, column.id)} title={column.hint}>
                  <button type="button" onClick={() => next(column)}>
                    {column.header}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, i) => (
              <tr key={i}>
                {columns.map((column, j) => {
                  const content = column.cell ? column.cell(row) : (column.value(row) ?? "");
                  return j === 0 ? (
                    <th key={column.id} scope="row">
                      {content}
                    </th>
                  ) : (
                    <td key={column.id} class={column.numeric ? "number" : ""}>
                      {content}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < sorted.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show all {sorted.length} rows
        </button>
      )}
    </>
  );
}

function sorting(sort: { id: string; desc: boolean } | undefined, id: string): "ascending" | "descending" | "none" {
  return sort?.id !== id ? "none" : sort.desc ? "descending" : "ascending";
}
