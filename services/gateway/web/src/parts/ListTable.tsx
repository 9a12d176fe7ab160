// ListTable shows a list of the ledger, page by page: what is read of how much, the table, more of it, and the files that hold all.
import type { ComponentChildren } from "preact";
import { listRowsMax, rowsAtFirst, type List } from "../lib/list.ts";
import { plural, printCount } from "../lib/print.ts";
import { DataTable, type Column } from "./DataTable.tsx";
import { Files } from "./Files.tsx";
import { ErrorNote, Skeleton } from "./States.tsx";
import type { ListPage } from "../lib/types.ts";

interface Props<Row extends object, Data extends ListPage> {
  list: List<Row, Data>;
  caption: string;
  columns: Column<Row>[];
  // How many rows there are, where the server counts them.
  total?: string | undefined;
  // One row and several, in words: pledge, pledges.
  nouns: [one: string, many: string];
  // What stands where there are no rows: what that means, and what to do.
  empty: ComponentChildren;
  // The order of the rows, in words.
  order: string;
  file?: string;
  // What the rows that are read next are: more, or older.
  next?: "more" | "older";
}

const loadingHeight = 320;

export function ListTable<Row extends object, Data extends ListPage>({
  list,
  caption,
  columns,
  total,
  nouns,
  empty,
  order,
  file,
  next = "more",
}: Props<Row, Data>) {
  const { rows, data, error, pending } = list;
  if (!data) {
    return error ? <ErrorNote problem={error} /> : <Skeleton height={loadingHeight} />;
  }
  return (
    <div class={pending ? "list pending" : "list"} aria-busy={pending || list.reading}>
      {error && <ErrorNote problem={error} asOf={data.ordinal} />}
      {rows.length === 0 ? (
        <div class="note">{empty}</div>
      ) : (
        <DataTable
          caption={caption}
          columns={columns}
          rows={rows}
          listed={{ total: total === undefined ? undefined : Number(total), partial: list.partial }}
        />
      )}
      <More list={list} total={total} nouns={nouns} next={next} />
      <p class="meta">
        {rows.length > 0 && <>{list.partial ? `Listed ${order}` : `Sort by any column; listed ${order}`}. </>}
        As of fact {printCount(data.ordinal)} (position {data.position}).
        {list.behind && (
          <>
            {" "}
            Facts were recorded since.{" "}
            <button type="button" onClick={list.refresh}>
              Read again
            </button>
          </>
        )}
      </p>
      {file && rows.length > 0 && (
        <p class="files">
          <Files name={file} path={list.path} params={list.params} />
          <span class="quiet">The files hold all rows.</span>
        </p>
      )}
    </div>
  );
}

// More tells how much is read, and reads on.
function More<Row, Data extends ListPage>({
  list,
  total,
  nouns,
  next,
}: {
  list: List<Row, Data>;
  total: string | undefined;
  nouns: [string, string];
  next: string;
}) {
  const read = list.rows.length;
  if (read === 0) {
    return null;
  }
  const left = total === undefined ? undefined : Number(total) - read;
  const room = listRowsMax - read;
  return (
    <p class="more" role="status">
      <span>
        {!list.partial
          ? plural(read, ...nouns)
          : total === undefined
            ? `The first ${plural(read, ...nouns)}`
            : `The first ${printCount(read)} of ${plural(total, ...nouns)}`}
        {list.reading && ", reading more…"}
      </span>
      {list.partial && room > 0 && (
        <>
          <button type="button" disabled={list.reading} onClick={() => list.more(rowsAtFirst)}>
            Show {rowsAtFirst} {next}
          </button>
          {(left === undefined || left > rowsAtFirst) && (
            <button type="button" disabled={list.reading} onClick={() => list.more(left ?? 1_000)}>
              {left === undefined || left > room ? `Show ${printCount(Math.min(1_000, room))} ${next}` : `Show all ${printCount(total!)}`}
            </button>
          )}
        </>
      )}
      {list.partial && room <= 0 && <span>A page shows no more than these; narrow the question, or take a file.</span>}
    </p>
  );
}
