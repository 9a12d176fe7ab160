// useList reads a list of the ledger page by page, as far as the reader asks.
import { signal, type Signal } from "@preact/signals";
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { address, asProblem, get, type Params, type Problem } from "./api.ts";
import { head, pause, until } from "./live.ts";
import type { ListPage } from "./types.ts";

// List is what has been read of a list. Its rows are those of one moment where they came on one page; those of later pages may be newer.
export interface List<Row, Data> {
  rows: Row[];
  // The first page, for totals.
  data: Data | undefined;
  error: Problem | undefined;
  // The rows answer the query before.
  pending: boolean;
  // More rows are being read.
  reading: boolean;
  // There are rows that were not read.
  partial: boolean;
  // Facts were recorded since, and the rows do not follow them.
  behind: boolean;
  more: (rows: number) => void;
  refresh: () => void;
  path: string;
  params: Params;
}

export const rowsAtFirst = 100;
const pageRowsMax = 1_000;
// Lists that are shown so far follow the ledger by being asked again; longer ones only when the reader asks.
const followedRowsMax = 1_000;
// What a table may hold at most; the file has all.
export const listRowsMax = 20_000;
const askMillisecondsMin = 1_000;
const retryMilliseconds = 3_000;

interface Held<Row, Data> {
  url: string;
  rows: Row[];
  data: Data | undefined;
  next: string;
  error: Problem | undefined;
  reading: boolean;
}

// useList asks nothing while params are null. A list that does not follow stays as it was read until it is refreshed.
export function useList<Row, Data extends ListPage>(
  path: string,
  params: Params | null,
  rowsOf: (page: Data) => Row[],
  how: { follow: boolean },
): List<Row, Data> {
  const url = params ? address(path, params) : "";
  const [turn, setTurn] = useState(0);
  const wanted = useMemo(() => signal(rowsAtFirst), [url]);
  const [held, setHeld] = useState<Held<Row, Data>>({ url: "", rows: [], data: undefined, next: "", error: undefined, reading: false });
  useLayoutEffect(() => {
    if (!url) {
      return undefined;
    }
    const stop = new AbortController();
    const show = (change: Partial<Held<Row, Data>>) => setHeld((before) => ({ ...before, url, error: undefined, ...change }));
    void read(path, params!, rowsOf, wanted, how.follow, stop.signal, show);
    return () => stop.abort();
  }, [url, turn]);
  const current = held.url === url;
  return {
    rows: held.rows,
    data: held.data,
    error: current ? held.error : undefined,
    pending: !current,
    reading: held.reading,
    partial: held.next !== "",
    behind:
      current &&
      held.data !== undefined &&
      (head.value?.position ?? 0) > Number(held.data.position) &&
      !(how.follow && held.rows.length <= followedRowsMax),
    more: (rows) => (wanted.value = Math.min(listRowsMax, Math.max(wanted.value, held.rows.length + rows))),
    refresh: () => setTurn((n) => n + 1),
    path,
    params: params ?? {},
  };
}

async function read<Row, Data extends ListPage>(
  path: string,
  params: Params,
  rowsOf: (page: Data) => Row[],
  wanted: Signal<number>,
  follows: boolean,
  stop: AbortSignal,
  show: (change: Partial<Held<Row, Data>>) => void,
): Promise<void> {
  let rows: Row[] = [];
  let first: Data | undefined;
  let next = "";
  const page = async (limit: number, cursor: string, position: number): Promise<Data> =>
    get<Data>(
      address(path, { ...params, limit: Math.min(limit, pageRowsMax), cursor, at_least: position > 0 ? position : undefined }),
      stop,
    );
  while (!stop.aborted) {
    const asked = Date.now();
    const known = head.value?.position ?? 0;
    try {
      if (!first || (follows && known > Number(first.position) && rows.length <= followedRowsMax)) {
        first = await page(Math.max(rowsAtFirst, rows.length), "", first ? known : 0);
        [rows, next] = [rowsOf(first), first.next];
        show({ rows, data: first, next });
      }
      while (next && rows.length < wanted.value) {
        show({ reading: true });
        const further = await page(wanted.value - rows.length, next, Number(first.position));
        [rows, next] = [[...rows, ...rowsOf(further)], further.next];
        show({ rows, next, reading: false });
      }
    } catch (error) {
      if (stop.aborted) {
        return;
      }
      const problem = asProblem(error);
      show({ error: problem, reading: false });
      if (problem.passing) {
        await pause(retryMilliseconds, stop);
        continue;
      }
    }
    const refused = head.value?.position ?? 0;
    const position = first ? Number(first.position) : refused;
    await until(
      () =>
        (next !== "" && rows.length < wanted.value) ||
        (follows && rows.length <= followedRowsMax && (head.value?.position ?? 0) > position),
      stop,
    );
    await pause(Math.max(0, next && rows.length < wanted.value ? 0 : asked + askMillisecondsMin - Date.now()), stop);
  }
}
