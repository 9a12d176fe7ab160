// The first page: how far support has come, from whom, since when, and to what.
import { candidates, measure } from "../lib/measure.ts";
import { head } from "../lib/live.ts";
import { FilterBar, MeasureBar } from "../parts/FilterBar.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { EmptyLedger, Skeleton } from "../parts/States.tsx";
import { ClosedSkies } from "./overview/ClosedSkies.tsx";
import { Donors } from "./overview/Donors.tsx";
import { Flow } from "./overview/Flow.tsx";
import { Ladder } from "./overview/Ladder.tsx";
import { OverTime } from "./overview/OverTime.tsx";
import { Ticker } from "./overview/Ticker.tsx";

export function Overview() {
  const m = measure.value;
  const empty = head.value?.ordinal === -1 || (candidates.value?.length === 0 && m === null);
  return (
    <>
      <h1>Support to Ukraine, from promise to arrival</h1>
      <SeenBanner />
      <FilterBar />
      {empty ? (
        <EmptyLedger />
      ) : m ? (
        <>
          <MeasureBar />
          <Ladder measure={m} />
          <Donors measure={m} />
          <OverTime measure={m} />
          <Flow measure={m} />
          <ClosedSkies />
          <Ticker />
        </>
      ) : (
        <Skeleton height={900} />
      )}
    </>
  );
}
