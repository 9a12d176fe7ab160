// LiveStatus says whether the figures follow the ledger.
import { useEffect, useState } from "preact/hooks";
import { connection, head, type Connection } from "../lib/live.ts";
import { plural, printCount } from "../lib/print.ts";

export function LiveStatus() {
  const now = connection.value;
  return (
    <p class={`live ${now.state}`}>
      <span class="dot" aria-hidden="true" />
      <span role="status">{words(now)}</span>
      {now.state === "disconnected" && <Countdown until={now.retryAt} />}
      {head.value && head.value.ordinal >= 0 && <span class="ordinal">fact {printCount(head.value.ordinal)}</span>}
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
      return `Behind by ${plural(Math.round(now.seconds), "second", "seconds")}`;
    case "disconnected":
      return "Disconnected";
  }
}

// Countdown stands beside the status, so that it is not read out every second.
function Countdown({ until }: { until: number }) {
  const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1_000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => setSeconds(left()), 1_000);
    return () => clearInterval(timer);
  }, [until]);
  return <span>next try in {seconds} s</span>;
}
