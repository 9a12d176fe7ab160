// Follows the ledger's stream of changes, only to learn that figures moved: the pages then ask for them again. It reads the stream by fetch
// and not by EventSource, which can neither go on from an id that it did not see itself, nor tell that heartbeats stopped.
import { effect, signal } from "@preact/signals";
import { asProblem, get, Problem } from "./api.ts";
import { readStream, type Message } from "./sse.ts";
import type { HeadResponse } from "./types.ts";

// Head is the last fact that a figure can hold. Positions are places in a log and stay below 2^53.
export interface Head {
  position: number;
  ordinal: number; // -1 of an empty ledger
}

export type Connection =
  | { state: "connecting" | "live" | "resumed" | "polling" | "paused" }
  // The figures stand still since a time: while facts are recorded, or because nothing is heard of the recorder.
  | { state: "lagging"; since: number; recorderSilent: boolean }
  | { state: "disconnected"; retryAt: number; why: string };

export const head = signal<Head | null>(null);
export const connection = signal<Connection>({ state: "connecting" });

const streamPath = "/v1/stream?view=marks";
const headPath = "/v1/head";
// The server sends a heartbeat every ten seconds; after this long without a byte the connection is taken for dead.
const silenceMillisecondsMax = 25_000;
const retryMillisecondsMin = 1_000;
const retryMillisecondsMax = 15_000;
const pollMilliseconds = 5_000;
const resumedMilliseconds = 4_000;

let lastId = "";
let stop: AbortController | null = null;

// startLive follows while the page is visible: a hidden one gives its connection back, since a browser opens six to a host.
export function startLive(): void {
  const turn = () => {
    stop?.abort();
    stop = null;
    if (document.hidden) {
      connection.value = { state: "paused" };
      return;
    }
    stop = new AbortController();
    connection.value = { state: "connecting" };
    void follow(stop.signal);
  };
  document.addEventListener("visibilitychange", turn);
  turn();
}

async function follow(signal: AbortSignal): Promise<void> {
  let retry = retryMillisecondsMin;
  let broken = false;
  while (!signal.aborted) {
    let opened = false;
    let why = "the server ended the stream";
    try {
      await readStream(streamPath, lastId, silenceMillisecondsMax, signal, {
        open: () => {
          opened = true;
          retry = retryMillisecondsMin;
          connection.value = { state: broken ? "resumed" : "live" };
          setTimeout(() => connection.value.state === "resumed" && (connection.value = { state: "live" }), resumedMilliseconds);
        },
        message: hear,
      });
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      if (error instanceof Problem && error.status === 404) {
        return poll(signal);
      }
      why = error instanceof Problem ? error.message : opened ? "the connection broke" : "the server does not answer";
    }
    broken = true;
    connection.value = { state: "disconnected", retryAt: Date.now() + retry, why };
    await pause(retry, signal);
    retry = opened ? retryMillisecondsMin : Math.min(retry * 2, retryMillisecondsMax);
  }
}

function hear(message: Message): void {
  if (message.id) {
    lastId = message.id;
  }
  switch (message.event) {
    case "mark":
      move(JSON.parse(message.data) as { position: string; ordinal?: string });
      break;
    case "lag": {
      const { position, head, seconds } = JSON.parse(message.data) as { position: string; head: string; seconds: number };
      connection.value = seconds === 0 ? { state: "live" } : { state: "lagging", since: Date.now() - seconds * 1_000, recorderSilent: position === head };
      break;
    }
    case "reset": // another log: nothing that was shown is true of it
      location.reload();
  }
}

// move tells of the last fact. An empty ledger has none: its position is 0, whatever the ordinal.
function move(to: { position: string; ordinal?: string }): void {
  const position = Number(to.position);
  const next = { position, ordinal: position === 0 ? -1 : Number(to.ordinal ?? -1) };
  if (head.value?.position !== next.position) {
    head.value = next;
  }
}

// poll stands in where a server has no stream.
async function poll(signal: AbortSignal): Promise<void> {
  let retry = pollMilliseconds;
  while (!signal.aborted) {
    try {
      const now = await get<HeadResponse>(headPath, signal);
      connection.value = { state: "polling" };
      retry = pollMilliseconds;
      move({ position: now.position, ordinal: String(Number(now.events) - 1) });
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      retry = Math.min(retry * 2, retryMillisecondsMax);
      connection.value = { state: "disconnected", retryAt: Date.now() + retry, why: asProblem(error).message };
    }
    await pause(retry, signal);
  }
}

// pause ends early when the signal does.
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}

// movedBeyond waits for a fact after a position.
export function movedBeyond(position: number, signal: AbortSignal): Promise<void> {
  return until(() => head.value !== null && head.value.position > position, signal);
}

// until waits for what signals say; it ends early when the abort signal does.
export function until(holds: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let left: (() => void) | undefined;
    function done() {
      left?.();
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
    left = effect(() => {
      if (holds()) {
        queueMicrotask(done);
      }
    });
  });
}
