// A permalink is the address with the ordinal of the last fact that its figures held. Who opens it sees today's figures, and learns how many
// facts were recorded since.
import { useState } from "preact/hooks";
import { head } from "../lib/live.ts";
import { plural, printCount } from "../lib/print.ts";
import { change, link, place, view } from "../lib/router.ts";

const shownMilliseconds = 2_500;

export function Permalink() {
  const [copied, setCopied] = useState("");
  const ordinal = head.value?.ordinal ?? -1;
  if (ordinal < 0) {
    return null;
  }
  const copy = async () => {
    const url = new URL(place.value);
    url.searchParams.set("seen", String(ordinal));
    try {
      await navigator.clipboard.writeText(url.href);
      setCopied("Copied");
    } catch { // the browser allows it on safe origins only; the address bar then holds it to be copied by hand
      change({ seen: String(ordinal) });
      setCopied("In the address bar");
    }
    setTimeout(() => setCopied(""), shownMilliseconds);
  };
  return (
    <button type="button" class="permalink" onClick={() => void copy()} title={`Links to this view as of fact ${ordinal}`}>
      <span aria-live="polite">{copied || "Copy permalink"}</span>
    </button>
  );
}

export function SeenBanner() {
  const { seen } = view.value;
  const ordinal = head.value?.ordinal ?? -1;
  if (seen === "" || ordinal < 0) {
    return null;
  }
  const since = ordinal - Number(seen);
  return (
    <aside class="note seen" aria-label="Since this link was made">
      <p>
        {since > 0 ? (
          <>
            This link was made at fact {printCount(seen)}. <a href={link("/ledger", { since: seen })}>{plural(since, "fact was", "facts were")} recorded since</a>, and
            the figures below hold them.
          </>
        ) : since === 0 ? (
          <>This link was made at fact {printCount(seen)}. Nothing was recorded since.</>
        ) : (
          <>This link was made at fact {printCount(seen)}, which this ledger does not hold yet.</>
        )}
      </p>
      <button type="button" onClick={() => change({ seen: "" })}>
        Dismiss
      </button>
    </aside>
  );
}
