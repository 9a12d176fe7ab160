// What the figures are counted in: one asset on one basis, since amounts of two never add. The reader chooses it, or the page takes the one
// in which most donors have figures.
import { computed, effect, signal } from "@preact/signals";
import { address, asProblem, get, type Params, type Problem } from "./api.ts";
import { basisOf, isAsset } from "./asset.ts";
import { movedBeyond, pause } from "./live.ts";
import { view, type View } from "./router.ts";
import { terms } from "./words.ts";
import type { AssetsResponse, AssetUse } from "./types.ts";

export interface Measure {
  basis: string;
  asset: string;
}

// candidates are the assets in which donors have figures, those of the most donors first; of one donor where the view is of one. Null until the
// ledger has told.
export const candidates = signal<AssetUse[] | null>(null);

// others stand in for a donor of whom nothing is recorded.
const others = signal<AssetUse[]>([]);

// Why they are not known yet.
export const measureProblem = signal<Problem | null>(null);

export const measure = computed((): Measure | null => {
  const v = view.value;
  if (v.asset) {
    return isAsset(v.asset) ? { basis: basisOf(v.asset), asset: v.asset } : null;
  }
  const of = (assets: readonly AssetUse[] | null) => assets?.find((c) => !v.basis || c.basis === v.basis);
  return of(candidates.value) ?? of(others.value) ?? null;
});

const askMillisecondsMin = 30_000;
const retryMilliseconds = 3_000;

// donorShown is the donor whose assets count: none where the address names somebody unknown, and undefined until that can be told.
const donorShown = computed(() => {
  const { donor } = view.value;
  if (donor && !terms.value) {
    return undefined;
  }
  return terms.value?.donors.some((d) => d.code === donor) ? donor : "";
});

// startMeasures asks for each donor that is shown, and again when figures moved, seldom: which assets there are changes rarely, but for a
// ledger that was empty.
export function startMeasures(): void {
  let asking = new AbortController();
  effect(() => {
    asking.abort();
    asking = new AbortController();
    if (donorShown.value !== undefined) {
      void follow(donorShown.value, asking.signal);
    }
  });
}

async function follow(donor: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const answer = await get<AssetsResponse>(address("/v1/assets", { donor }), signal);
      if (donor && answer.assets.length === 0) {
        others.value = (await get<AssetsResponse>("/v1/assets", signal)).assets;
      }
      candidates.value = answer.assets;
      measureProblem.value = null;
      await movedBeyond(Number(answer.position), signal);
      await pause(answer.assets.length > 0 ? askMillisecondsMin : 0, signal);
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      measureProblem.value = asProblem(error);
      await pause(retryMilliseconds, signal);
    }
  }
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
