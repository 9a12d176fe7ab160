// Links to what stands behind a figure: its entries, and their facts.
import { basisOf } from "./asset.ts";
import { link, view } from "./router.ts";
import type { Measure } from "./measure.ts";

interface Place {
  stage: string;
  donor?: string | undefined;
  category?: string | undefined;
  instrument?: string | undefined;
  evidence?: string | undefined;
  // Months other than the view's; empty for all.
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
    donor: at.donor ?? v.donor, category: at.category ?? v.category,
    ...(at.instrument ? { instrument: at.instrument } : {}),
    ...(at.from === undefined ? {} : { from: at.from }),
    ...(at.to === undefined ? {} : { to: at.to }),
  });
}

// pledgeEntriesLink leads to the entries behind a figure of one pledge, whatever filters the page before had.
export function pledgeEntriesLink(stream: string, asset: string, stage: string, mode: "reached" | "standing"): string {
  return link("/entries", { stream, asset, stage, mode, basis: basisOf(asset), instrument: "all", donor: "", group: "", category: "", from: "", to: "" });
}

// streamLink leads to the page of a pledge, and what belongs to another stream is read in the ledger; to one fact of it where a revision is told.
export function streamLink(stream: string, revision?: string): string {
  const page = stream.startsWith(pledge) ? link(`/pledge/${stream.slice(pledge.length)}`) : link("/ledger", { stream });
  return revision === undefined ? page : `${page}#event-${revision}`;
}

const pledge = "pledge-";
