// Flags are the marks on a fact or a pledge.
import { flagMeaning, spelt } from "../lib/words.ts";

export function Flags({ flags }: { flags: readonly string[] }) {
  return (
    <>
      {flags.map((code) => (
        <span key={code} class="flag" title={flagMeaning(code)}>
          {spelt(code)}
        </span>
      ))}
    </>
  );
}
