// DataTable is a table that sorts by each of its columns and scrolls within itself.
import { constructTable, createSortedRowModel, rowSortingFeature, tableFeatures } from "@tanstack/table-core";
import { storeReactivityBindings } from "@tanstack/table-core/store-reactivity-bindings";
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { compare } from "../lib/exact.ts";
import { printCount } from "../lib/print.ts";

export interface Column<Row> {
  id: string;
  header: string;
  // What the row has here: decimal text where numeric, else words; undefined is not known, and sorts last.
  value: (row: Row) => string | undefined;
  numeric?: boolean;
  // It holds sentences, such as titles, and has room for them.
  worded?: boolean;
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
  // The rows are of a list that is read page by page: all are shown, and sort only when all are read.
  listed?: { total: number | undefined; partial: boolean };
}

// More rows than this are shown only on request: a table of thousands is slow to read.
const rowsShown = 100;

const features = tableFeatures({
  coreReactivityFeature: storeReactivityBindings(),
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
});

function useSorted<Row extends object>(columns: Column<Row>[], rows: Row[], sort: { id: string; desc: boolean } | undefined): Row[] {
  return useMemo(() => {
    if (!sort) {
      return rows;
    }
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
      state: { sorting: [sort] },
    });
    return table.getRowModel().rows.map((r) => r.original);
  }, [columns, rows, sort]);
}

export function DataTable<Row extends object>({ caption, columns, rows, sort: first, listed }: Props<Row>) {
  const [sort, setSort] = useState(first);
  const [all, setAll] = useState(false);
  const fixed = listed?.partial === true;
  const scroller = useRef<HTMLDivElement>(null);
  const sorted = useSorted(columns, rows, fixed ? undefined : sort);
  const shown = all || listed ? sorted : sorted.slice(0, rowsShown);
  const windowed = shown.length >= windowedRowsMin;
  const next = (column: Column<Row>) =>
    setSort({ id: column.id, desc: sort?.id === column.id ? !sort.desc : column.numeric === true });
  return (
    <>
      <div ref={scroller} class={windowed ? "table windowed" : "table"} tabIndex={0} role="region" aria-label={caption}>
        <table aria-rowcount={fixed ? (listed.total === undefined ? -1 : listed.total + 1) : sorted.length + 1}>
          <caption>{caption}</caption>
          <thead>
            <tr aria-rowindex={1}>
              {columns.map((column) => (
                <th key={column.id} scope="col" class={column.numeric ? "number" : ""} aria-sort={fixed ? undefined : sorting(sort, column.id)} title={column.hint}>
                  {fixed ? (
                    <span>{column.header}</span>
                  ) : (
                    <button type="button" onClick={() => next(column)}>
                      {column.header}
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          {windowed ? <Window columns={columns} rows={shown} scroller={scroller} /> : <tbody>{shown.map((row, i) => <Line key={i} columns={columns} row={row} index={i} />)}</tbody>}
        </table>
      </div>
      {shown.length < sorted.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show all {printCount(sorted.length)} rows
        </button>
      )}
    </>
  );
}

function Line<Row extends object>({ columns, row, index }: { columns: Column<Row>[]; row: Row; index: number }) {
  return (
    <tr aria-rowindex={index + 2}>
      {columns.map((column, j) => {
        const content = column.cell ? column.cell(row) : (column.value(row) ?? "");
        return j === 0 ? (
          <th key={column.id} scope="row" class={column.numeric ? "number" : column.worded ? "worded" : ""}>
            {content}
          </th>
        ) : (
          <td key={column.id} class={column.numeric ? "number" : column.worded ? "worded" : ""}>
            {content}
          </td>
        );
      })}
    </tr>
  );
}

// From so many rows on, only those in sight are laid out, each of one height.
const windowedRowsMin = 300;
const rowHeight = 32; // as in table.css
const rowsBeside = 20;
const rowsAtOnce = 10; // the window moves by so many

// Window is the part of a long table that is in sight, with room for the rest above and below it.
function Window<Row extends object>({ columns, rows, scroller }: { columns: Column<Row>[]; rows: Row[]; scroller: RefObject<HTMLDivElement | null> }) {
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(rowsBeside * rowHeight);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) {
      return undefined;
    }
    const look = () => {
      setTop(Math.floor(box.scrollTop / rowHeight / rowsAtOnce) * rowsAtOnce);
      setHeight(box.clientHeight);
    };
    look();
    box.addEventListener("scroll", look, { passive: true });
    return () => box.removeEventListener("scroll", look);
  }, [rows]);
  useLayoutEffect(() => keepWidths(scroller.current), [top, rows, columns]);
  const from = Math.max(0, Math.min(top, rows.length - rowsAtOnce) - rowsBeside);
  const to = Math.min(rows.length, top + Math.ceil(height / rowHeight) + rowsAtOnce + rowsBeside);
  return (
    <tbody>
      <Room rows={from} columns={columns.length} />
      {rows.slice(from, to).map((row, i) => (
        <Line key={from + i} columns={columns} row={row} index={from + i} />
      ))}
      <Room rows={rows.length - to} columns={columns.length} />
    </tbody>
  );
}

function Room({ rows, columns }: { rows: number; columns: number }) {
  return rows > 0 ? (
    <tr class="room" role="presentation">
      <td role="presentation" colSpan={columns} style={{ height: `${rows * rowHeight}px` }} />
    </tr>
  ) : null;
}

// keepWidths lets columns only grow while a reader scrolls, so that they do not jump with what is in sight.
function keepWidths(box: HTMLElement | null): void {
  for (const header of box?.querySelectorAll<HTMLElement>("thead th") ?? []) {
    const least = Number.parseInt(header.style.minWidth || "0", 10);
    if (header.offsetWidth > least) {
      header.style.minWidth = `${header.offsetWidth}px`;
    }
  }
}

function sorting(sort: { id: string; desc: boolean } | undefined, id: string): "ascending" | "descending" | "none" {
  return sort?.id !== id ? "none" : sort.desc ? "descending" : "ascending";
}
