// What the figures are counted in: one asset on one basis, since amounts of two never add. The reader chooses it, or the page takes the one
// in which most donors have figures.
import { computed, signal } from "@preact/signals";
import { address, asProblem, get, type Params, type Problem } from "./api.ts";
import { basisOf, isAsset, quantityBasis } from "./asset.ts";
import { movedBeyond, pause } from "./live.ts";
import { view, type View } from "./router.ts";
import { terms } from "./words.ts";
import type { BalancesResponse } from "./types.ts";

export interface Measure {
  basis: string;
  asset: string;
}

// Candidate is an asset that figures are recorded in, and the donors who have some.
export interface Candidate extends Measure {
  donors: ReadonlySet<string>;
}

// candidates are all such assets, those of the most donors first; null until the ledger has told.
export const candidates = signal<Candidate[] | null>(null);

// Why they are not known yet.
export const measureProblem = signal<Problem | null>(null);

export const measure = computed((): Measure | null => {
  const v = view.value;
  if (v.asset) {
    if (!isAsset(v.asset)) {
      return null;
    }
    return { basis: basisOf(v.asset), asset: v.asset };
  }
  const found = candidates.value?.filter((c) => !v.basis || c.basis === v.basis);
  return found?.find((c) => !v.donor || c.donors.has(v.donor)) ?? found?.[0] ?? null;
});

const askMillisecondsMin = 30_000;
const retryMilliseconds = 3_000;

// startMeasures begins when the terms are there, which name the bases. It looks again when figures moved, seldom: which assets there are changes rarely, but for a ledger that was empty.
export async function startMeasures(signal: AbortSignal = new AbortController().signal): Promise<void> {
  // Units of items are figures too, but of no donor as a whole.
  const bases = (terms.value?.bases ?? []).filter((b) => b !== quantityBasis);
  while (!signal.aborted) {
    try {
      const answers = await Promise.all(bases.map((basis) => get<BalancesResponse>(address("/v1/balances", donorsBy(basis)), signal)));
      candidates.value = rank(answers);
      measureProblem.value = null;
      await movedBeyond(Math.min(...answers.map((a) => Number(a.position))), signal);
      await pause(candidates.value.length > 0 ? askMillisecondsMin : 0, signal);
    } catch (error) {
      measureProblem.value = asProblem(error);
      await pause(retryMilliseconds, signal);
    }
  }
}

function donorsBy(basis: string): Params {
  return { basis, stages: ["announced", "committed", "allocated"], by: ["donor"], reached: true };
}

function rank(answers: readonly BalancesResponse[]): Candidate[] {
  const found = new Map<string, { basis: string; committed: Set<string>; any: Set<string> }>();
  for (const answer of answers) {
    for (const row of answer.rows) {
      if (!row.asset || row.donor === undefined) {
        continue;
      }
      const seen = found.get(row.asset) ?? { basis: answer.basis, committed: new Set(), any: new Set() };
      found.set(row.asset, seen);
      seen.any.add(row.donor);
      if (row.stage === "committed") {
        seen.committed.add(row.donor);
      }
    }
  }
  return [...found]
    .sort(([, a], [, b]) => b.committed.size - a.committed.size || b.any.size - a.any.size)
    .map(([asset, { basis, any }]) => ({ basis, asset, donors: any }));
}

// Sums is a question for sums of one measure under the filters of a view.
export interface Sums {
  stages: readonly string[];
  by?: readonly string[];
  depth?: number;
  category?: string;
  reached?: boolean;
}

// sums makes the query: of the balances, or of the timeline where only some months count or each is asked for.
export function sums(v: View, m: Measure, ask: Sums): { path: string; params: Params } {
  const months = v.from !== "" || v.to !== "" || (ask.by ?? []).includes("month");
  return {
    path: months ? "/v1/timeline" : "/v1/balances",
    params: {
      basis: m.basis, asset: m.asset, stages: ask.stages, reached: ask.reached ?? v.mode === "reached", by: ask.by, category_depth: ask.depth,
      donor: v.donor, group: v.group, category: ask.category ?? v.category, instruments: v.instruments,
      ...(months ? { from: v.from, to: v.to } : {}),
    },
  };
}
