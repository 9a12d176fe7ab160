// The first page: how far support has come, from whom, since when, and to what.
import { useTitle } from "../lib/title.ts";
import { FilterBar } from "../parts/FilterBar.tsx";
import { Measured } from "../parts/Measured.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { ClosedSkies } from "./overview/ClosedSkies.tsx";
import { Donors } from "./overview/Donors.tsx";
import { Flow } from "./overview/Flow.tsx";
import { Ladder } from "./overview/Ladder.tsx";
import { OverTime } from "./overview/OverTime.tsx";
import { Ticker } from "./overview/Ticker.tsx";
import type { Measure } from "../lib/measure.ts";

export function Overview() {
  useTitle("Support to Ukraine");
  return (
    <>
      <h1>Support to Ukraine, from promise to arrival</h1>
      <SeenBanner />
      <FilterBar />
      <Measured height={height}>{(m) => <Figures measure={m} />}</Measured>
    </>
  );
}

// The height of the figures, kept free until it is known what they are counted in.
const height = 3600;

function Figures({ measure: m }: { measure: Measure }) {
  return (
    <>
      <Ladder measure={m} />
      <Donors measure={m} />
      <OverTime measure={m} />
      <Flow measure={m} />
      <ClosedSkies />
      <Ticker />
    </>
  );
}
