// LiveStatus says whether the figures follow the ledger.
import { useEffect, useState } from "preact/hooks";
import { connection, head } from "../lib/live.ts";
import { plural, printCount } from "../lib/print.ts";

export function LiveStatus() {
  const now = connection.value;
  const words = useWords();
  return (
    <p class={`live ${now.state}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span>{words}</span>
      {head.value && head.value.ordinal >= 0 && <span class="ordinal">fact {printCount(head.value.ordinal)}</span>}
    </p>
  );
}

function useWords(): string {
  const now = connection.value;
  const retryAt = now.state === "disconnected" ? now.retryAt : 0;
  const [, tick] = useState(0);
  useEffect(() => {
    if (!retryAt) {
      return undefined;
    }
    const timer = setInterval(() => tick((n) => n + 1), 1_000);
    return () => clearInterval(timer);
  }, [retryAt]);
  switch (now.state) {
    case "connecting":
      return "Connecting";
    case "live":
      return "Live";
    case "resumed":
      return "Live again";
    case "polling":
      return "Live, asked every 5 s";
    case "paused":
      return "Paused";
    case "lagging":
      return `Behind by ${plural(Math.round(now.seconds), "second", "seconds")}`;
    case "disconnected":
      return `Disconnected; next try in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000))} s`;
  }
}
