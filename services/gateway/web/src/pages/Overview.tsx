// The first page: how far support has come, from whom, since when, and to what.
import { assetPhrase, isAsset } from "../lib/asset.ts";
import { candidates, measure, measureProblem } from "../lib/measure.ts";
import { head } from "../lib/live.ts";
import { link, view } from "../lib/router.ts";
import { useTitle } from "../lib/title.ts";
import { termsProblem } from "../lib/words.ts";
import { FilterBar, MeasureBar } from "../parts/FilterBar.tsx";
import { Invented } from "../parts/Invented.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { EmptyLedger, ErrorNote, Skeleton } from "../parts/States.tsx";
import { ClosedSkies } from "./overview/ClosedSkies.tsx";
import { Donors } from "./overview/Donors.tsx";
import { Flow } from "./overview/Flow.tsx";
import { Ladder } from "./overview/Ladder.tsx";
import { OverTime } from "./overview/OverTime.tsx";
import { Ticker } from "./overview/Ticker.tsx";

export function Overview() {
  useTitle("Support to Ukraine");
  return (
    <>
      <h1>Support to Ukraine, from promise to arrival</h1>
      <SeenBanner />
      <FilterBar />
      <Figures />
    </>
  );
}

// The height of the figures, kept free until it is known what they are counted in.
const height = 3600;

function Figures() {
  const m = measure.value;
  const { asset, basis } = view.value;
  if (head.value?.ordinal === -1) {
    return <EmptyLedger />;
  }
  if (asset && !isAsset(asset)) {
    return <Nothing what={`The address asks for the asset “${asset}”, which is none.`} />;
  }
  if (!m && candidates.value) {
    return (
      <Nothing
        what={basis ? `No donor has a figure on the basis “${basis}”.` : "The facts that are recorded so far say nothing of what donors give."}
      />
    );
  }
  if (!m) {
    const problem = termsProblem.value ?? measureProblem.value;
    return problem ? <ErrorNote problem={problem} /> : <Skeleton height={height} />;
  }
  return (
    <>
      <Invented />
      <MeasureBar />
      <Ladder measure={m} />
      <Donors measure={m} />
      <OverTime measure={m} />
      <Flow measure={m} />
      <ClosedSkies />
      <Ticker />
    </>
  );
}

function Nothing({ what }: { what: string }) {
  const first = candidates.value?.[0];
  return (
    <p class="note" role="alert">
      {what}{" "}
      {first ? (
        <a href={link("/", { asset: "", basis: "" })}>Show {assetPhrase(first.asset)}</a>
      ) : (
        <a href={link("/ledger")}>Show the recorded facts</a>
      )}
    </p>
  );
}
