// LiveStatus says whether the figures follow the ledger.
import { useEffect, useState } from "preact/hooks";
import { connection, head, type Connection } from "../lib/live.ts";
import { printCount } from "../lib/print.ts";

export function LiveStatus() {
  const now = connection.value;
  return (
    <p class={`live ${now.state}`}>
      <span class="dot" aria-hidden="true" />
      <span role="status">{words(now)}</span>{" "}
      {now.state === "disconnected" && <Clock at={now.retryAt} words="· next try in" />}{" "}
      {now.state === "lagging" && <Clock at={now.since} words="· for" />}{" "}
      {head.value && head.value.ordinal >= 0 && <span class="ordinal">· fact {printCount(head.value.ordinal)}</span>}
    </p>
  );
}

function words(now: Connection): string {
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
      return now.recorderSilent ? "Behind: nothing is heard of the recorder" : "Behind: the figures stand still while facts are recorded";
    case "disconnected":
      return `Disconnected: ${now.why}`;
  }
}

// Clock counts the seconds to or from a time beside the status, so that they are not read out each second.
function Clock({ at, words }: { at: number; words: string }) {
  const seconds = () => Math.round(Math.abs(at - Date.now()) / 1_000);
  const [shown, setShown] = useState(seconds);
  useEffect(() => {
    setShown(seconds());
    const timer = setInterval(() => setShown(seconds()), 1_000);
    return () => clearInterval(timer);
  }, [at]);
  return (
    <span>
      {words} {shown} s
    </span>
  );
}
