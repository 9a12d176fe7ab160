// Measured stands around figures: it says what they are counted in, or why there are none.
import type { ComponentChildren } from "preact";
import { assetPhrase, isAsset } from "../lib/asset.ts";
import { candidates, measure, measureProblem, type Measure } from "../lib/measure.ts";
import { head } from "../lib/live.ts";
import { link, place, view } from "../lib/router.ts";
import { termsProblem } from "../lib/words.ts";
import { MeasureBar } from "./FilterBar.tsx";
import { Invented } from "./Invented.tsx";
import { EmptyLedger, ErrorNote, Skeleton } from "./States.tsx";

interface Props {
  // The height of the figures, kept free until it is known what they are counted in.
  height: number;
  children: (m: Measure) => ComponentChildren;
}

export function Measured({ height, children }: Props) {
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
        what={
          basis ? `No donor has a figure on the basis “${basis}”.` : "The facts that are recorded so far say nothing of what donors give."
        }
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
      {children(m)}
    </>
  );
}

function Nothing({ what }: { what: string }) {
  const first = candidates.value?.[0];
  return (
    <p class="note" role="alert">
      {what}{" "}
      {first ? (
        <a href={link(place.value.pathname, { asset: "", basis: "" })}>Show {assetPhrase(first.asset)}</a>
      ) : (
        <a href={link("/ledger")}>Show the recorded facts</a>
      )}
    </p>
  );
}
