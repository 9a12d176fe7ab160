// Links to the entries behind a figure.
import { link, view } from "./router.ts";
import type { Measure } from "./measure.ts";

interface Place {
  stage: string;
  donor?: string | undefined;
  category?: string | undefined;
  instrument?: string | undefined;
  evidence?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  undated?: boolean;
  mode?: "reached" | "standing";
}

// entriesLink leads to the entries that sum to a figure, under the filters of the view and those of the figure's own place.
export function entriesLink(m: Measure, at: Place): string {
  const v = view.value;
  return link("/entries", {
    basis: m.basis, asset: m.asset, stage: at.stage, mode: at.mode ?? v.mode, evidence: at.evidence, undated: at.undated ? "true" : undefined,
    ...(at.donor ? { donor: at.donor } : {}),
    ...(at.category ? { category: at.category } : {}),
    ...(at.instrument ? { instrument: at.instrument } : {}),
    ...(at.from ? { from: at.from } : {}),
    ...(at.to ? { to: at.to } : {}),
  });
}
