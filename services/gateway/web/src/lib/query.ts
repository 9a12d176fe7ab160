// useQuery asks a view of the ledger, and again whenever figures moved.
import { useLayoutEffect, useState } from "preact/hooks";
import { address, asProblem, get, type Params, type Problem } from "./api.ts";
import { head, movedBeyond, pause } from "./live.ts";

// Answer is what is known of a query. Old data stays while newer is asked for; `pending` says that it answers the query before, and `error`
// that it is as old as its position says. Of a query that was never answered, an error leaves nothing.
export interface Answer<T> {
  data: T | undefined;
  error: Problem | undefined;
  pending: boolean;
  // The query itself, for links: its path and fields, without at_least.
  path: string;
  params: Params;
}

// At most one request a second, however many facts are recorded meanwhile.
const askMillisecondsMin = 1_000;
const retryMillisecondsMin = 2_000;
const retryMillisecondsMax = 30_000;

// useQuery asks nothing while params are null.
export function useQuery<T extends { position: string }>(path: string, params: Params | null): Answer<T> {
  const url = params ? address(path, params) : "";
  const [got, setGot] = useState<{ url: string; data: T | undefined; error: Problem | undefined }>({ url: "", data: undefined, error: undefined });
  // Asked before the page is painted, not after.
  useLayoutEffect(() => {
    if (!url) {
      return undefined;
    }
    const stop = new AbortController();
    void follow<T>(url, stop.signal, (data, error) => setGot((before) => ({ url, data: data ?? (before.url === url ? before.data : undefined), error })));
    return () => stop.abort();
  }, [url]);
  return { data: got.data, error: got.url === url ? got.error : undefined, pending: got.url !== url, path, params: params ?? {} };
}

// together is the answer of a figure that asks two questions: there where both are, and pending while one is.
export function together<T>(answer: Answer<T>, other: Answer<unknown>): Answer<T> {
  return {
    ...answer,
    data: other.data === undefined ? undefined : answer.data,
    error: answer.error ?? other.error,
    pending: answer.pending || other.pending,
  };
}

async function follow<T extends { position: string }>(url: string, signal: AbortSignal, show: (data?: T, error?: Problem) => void): Promise<void> {
  let position = -1;
  let retry = retryMillisecondsMin;
  while (!signal.aborted) {
    const asked = Date.now();
    try {
      const data = await get<T>(atLeast(url, position), signal);
      position = Number(data.position);
      retry = retryMillisecondsMin;
      show(data);
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      const problem = asProblem(error);
      show(undefined, problem);
      if (problem.passing) {
        await pause(retry, signal);
        retry = Math.min(retry * 2, retryMillisecondsMax);
        continue;
      }
      position = head.value?.position ?? position; // a refusal stands until something changes
    }
    await movedBeyond(position, signal);
    await pause(Math.max(0, asked + askMillisecondsMin - Date.now()), signal);
  }
}

// atLeast asks for what the stream has told of; the first answer may be any, so that the browser's copy serves.
function atLeast(url: string, position: number): string {
  const known = head.value?.position ?? 0;
  return position >= 0 && known > position ? `${url}${url.includes("?") ? "&" : "?"}at_least=${known}` : url;
}
