// The facts that were recorded last.
import { parseAsset } from "../../lib/asset.ts";
import { plural, printTime } from "../../lib/print.ts";
import { useQuery } from "../../lib/query.ts";
import { link, view } from "../../lib/router.ts";
import { categoryTitle, donorTitle, factTitle } from "../../lib/words.ts";
import { exact, fullFigure } from "../../parts/Amount.tsx";
import { ErrorNote, Skeleton } from "../../parts/States.tsx";
import type { JournalEvent, JournalResponse } from "../../lib/types.ts";

const factsShown = 12;
const rowHeight = 56;
// A fact shows so many categories and amounts; its page has all.
const partsShown = 2;
// What stands for the donor of a fact that has none, such as an import.
const nobody = "_";

export function Ticker() {
  const v = view.value;
  const answer = useQuery<JournalResponse>("/v1/journal", { limit: factsShown, donor: v.donor, group: v.group, category: v.category });
  const { data, error } = answer;
  return (
    <section class="ticker" aria-labelledby="ticker-title" aria-busy={!data}>
      <h2 id="ticker-title">Recorded last</h2>
      <p class="quiet">Times are when the ledger learned of it, in UTC.</p>
      {error && <ErrorNote problem={error} asOf={data?.ordinal} />}
      {!data && !error && <Skeleton height={factsShown * rowHeight} />}
      {data && (
        <ol>
          {data.events.map((e) => (
            <Fact key={e.ordinal} event={e} />
          ))}
        </ol>
      )}
      <p class="files">
        <a href={link("/ledger")}>All recorded facts</a>
      </p>
    </section>
  );
}

function Fact({ event: e }: { event: JournalEvent }) {
  return (
    <li>
      <time dateTime={e.recorded_at}>{printTime(e.recorded_at)}</time>
      <span class="what" title={e.title}>
        <a href={hrefOf(e)}>{factTitle(e.type)}</a>
        {e.donor && e.donor !== nobody && <> by {donorTitle(e.donor)}</>}
        {e.title && <>: {e.title}</>}
      </span>
      <span class="kinds">
        {e.categories.slice(0, partsShown).map(categoryTitle).join(", ")}
        {e.categories.length > partsShown && ` and ${e.categories.length - partsShown} more`}
      </span>
      <span class="sums">
        {e.amounts.slice(0, partsShown).map((a, i) => (
          <span key={i} title={fullFigure(a.amount, a.asset)}>
            {exact(a.amount, a.asset)} {parseAsset(a.asset).item || parseAsset(a.asset).code}
          </span>
        ))}
        {e.amounts.length > partsShown && <span>and {e.amounts.length - partsShown} more</span>}
        {e.unknown !== "0" && <span class="unknown">{plural(e.unknown, "value undisclosed", "values undisclosed")}</span>}
      </span>
    </li>
  );
}

// hrefOf leads to the page of a pledge; what belongs to another stream is read in the ledger.
function hrefOf(e: JournalEvent): string {
  return e.stream.startsWith("pledge-") ? link(`/pledge/${e.stream.slice("pledge-".length)}`) : link("/ledger", { stream: e.stream });
}
