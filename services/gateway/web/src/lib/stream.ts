// useEvents reads all events of one stream, and those that follow.
import { useEffect, useState } from "preact/hooks";
import { address, asProblem, get, type Problem } from "./api.ts";
import { head, movedBeyond, pause } from "./live.ts";
import type { EventsResponse, LoggedEvent } from "./types.ts";

export interface Events {
  events: LoggedEvent[];
  // All that the ledger holds of the stream was read.
  complete: boolean;
  error: Problem | undefined;
}

const pageEventsMax = 1_000;
// More events of one stream are read where the ledger has a row for each.
export const streamEventsMax = 5_000;
const askMillisecondsMin = 1_000;
const retryMilliseconds = 3_000;

export function useEvents(stream: string): Events {
  const [held, setHeld] = useState<Events>({ events: [], complete: false, error: undefined });
  useEffect(() => {
    setHeld({ events: [], complete: false, error: undefined });
    if (!stream) {
      return undefined;
    }
    const stop = new AbortController();
    void follow(stream, stop.signal, setHeld);
    return () => stop.abort();
  }, [stream]);
  return held;
}

async function follow(stream: string, stop: AbortSignal, show: (held: Events) => void): Promise<void> {
  const events: LoggedEvent[] = [];
  let after = "0";
  while (!stop.aborted && events.length < streamEventsMax) {
    const asked = Date.now();
    try {
      const known = head.value?.position ?? 0;
      const page = await get<EventsResponse>(
        address("/v1/events", {
          stream,
          after: after === "0" ? undefined : after,
          limit: pageEventsMax,
          at_least: after === "0" ? undefined : known,
        }),
        stop,
      );
      events.push(...page.events);
      after = page.position;
      show({ events: [...events], complete: page.end, error: undefined });
      if (page.end) {
        await movedBeyond(Number(after), stop);
        await pause(Math.max(0, asked + askMillisecondsMin - Date.now()), stop);
      }
    } catch (error) {
      if (stop.aborted) {
        return;
      }
      show({ events: [...events], complete: false, error: asProblem(error) });
      await pause(retryMilliseconds, stop);
    }
  }
}
