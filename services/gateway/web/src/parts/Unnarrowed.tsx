// Unnarrowed says of a list below filters which of them it does not heed, where one of these is set.
import { view } from "../lib/router.ts";

export function Unnarrowed() {
  const v = view.value;
  const heeded = v.instruments.length === 0 && v.from === "" && v.to === "" && v.mode === "reached";
  return heeded ? null : <p class="quiet">The filters Instrument, From, To and Count do not narrow this list.</p>;
}
