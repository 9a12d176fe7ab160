// The ledger's words in plain English, and the titles of its donors and categories.
import { computed, signal } from "@preact/signals";
import { asProblem, get, type Problem } from "./api.ts";
import { pause } from "./live.ts";
import type { TermsResponse } from "./types.ts";

export const terms = signal<TermsResponse | null>(null);
// Why they are not there yet.
export const termsProblem = signal<Problem | null>(null);

const retryMilliseconds = 3_000;

// startTerms asks for the terms until they are there. Until then, codes stand for titles.
export async function startTerms(signal: AbortSignal = new AbortController().signal): Promise<void> {
  while (!terms.value) {
    try {
      terms.value = await get<TermsResponse>("/v1/terms", signal);
      termsProblem.value = null;
    } catch (error) {
      termsProblem.value = asProblem(error);
      await pause(retryMilliseconds, signal);
    }
  }
}

const donors = computed(() => new Map(terms.value?.donors.map((d) => [d.code, d])));
const categories = computed(() => new Map(terms.value?.categories.map((c) => [c.code, c])));

export function donorTitle(code: string): string {
  return donors.value.get(code)?.title ?? code;
}

export function categoryTitle(code: string): string {
  return categories.value.get(code)?.title ?? code;
}

export function groupTitle(code: string): string {
  return terms.value?.groups.find((g) => g.code === code)?.title ?? code;
}

// Stage is a rung of the ladder as people call it.
interface Stage {
  title: string;
  // What follows an amount: 12 bn was allocated.
  verb: string;
  meaning: string;
}

const stages: Record<string, Stage> = {
  announced: { title: "Announced", verb: "announced", meaning: "indicative; part of no total of support" },
  contingent: { title: "Contingent", verb: "promised for a threat level", meaning: "promised for a threat level" },
  committed: { title: "Committed", verb: "committed", meaning: "promised to the beneficiary" },
  allocated: { title: "Allocated", verb: "allocated", meaning: "given to a specific package" },
  reserved: { title: "Reserved", verb: "reserved", meaning: "drawn for one shipment or payment" },
  dispatched: { title: "Dispatched", verb: "dispatched", meaning: "has left the donor" },
  handed_over: { title: "Handed over", verb: "handed over", meaning: "received, or claimed to be" },
  claimed: { title: "Claimed", verb: "claimed to be handed over", meaning: "somebody says that it was handed over, and nobody signed" },
  verified: { title: "Verified", verb: "verified", meaning: "checked where it arrived" },
  instructed: { title: "Instructed", verb: "instructed", meaning: "a payment was ordered" },
  booked: { title: "Booked", verb: "booked", meaning: "a bank has booked the payment" },
  reconciled: { title: "Reconciled", verb: "reconciled", meaning: "matched with a bank statement" },
  missing: { title: "Missing", verb: "missing", meaning: "dispatched and not received" },
  lost: { title: "Lost", verb: "lost", meaning: "gone for good" },
  returned: { title: "Returned", verb: "returned", meaning: "came back" },
  cancelled: { title: "Cancelled", verb: "cancelled", meaning: "taken back before it moved" },
  lapsed: { title: "Lapsed", verb: "lapsed", meaning: "ran out unused" },
  charges: { title: "Charges", verb: "charged", meaning: "kept by banks" },
};

export function stage(code: string): Stage {
  return stages[code] ?? { title: code, verb: code, meaning: "" };
}

// What stands on a rung before arrival is owed still.
export const waiting: Record<string, string> = {
  committed: "committed and not yet allocated",
  allocated: "allocated and not yet drawn for a shipment or payment",
  reserved: "drawn and not yet sent or paid",
  dispatched: "on the way, not yet handed over",
  instructed: "ordered to be paid, not yet booked",
};

export const inKindRungs = ["dispatched", "handed_over", "verified"] as const;
export const moneyRungs = ["instructed", "booked", "reconciled"] as const;
export const ladder = ["announced", "committed", "allocated", "reserved", ...inKindRungs, ...moneyRungs] as const;

const instruments: Record<string, string> = {
  in_kind: "in kind", service: "services", grant: "grants", loan: "loans", guarantee: "guarantees", swap: "swaps",
  appropriation: "appropriations", unknown: "instrument not known",
};

export function instrumentTitle(code: string): string {
  return instruments[code] ?? code;
}

// factTitle spells a stored type such as allied.event.v1.PledgeAllocated: Pledge allocated.
export function factTitle(type: string): string {
  const name = type.slice(type.lastIndexOf(".") + 1);
  return name.replace(/(?<=[a-z])[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
}

// spelt writes a word of a closed list with spaces: at_intermediary is at intermediary.
export function spelt(word: string): string {
  return word.replaceAll("_", " ");
}

const flags: Record<string, string> = {
  observed: "outside data reports it, and no cap was asked of it",
  override: "a person decided to go beyond a cap",
  synthetic: "invented",
};

export function flagMeaning(code: string): string | undefined {
  return flags[code];
}

const exceptions: Record<string, string> = {
  over_allocated: "allocated beyond what is committed",
  over_reserved: "drawn beyond what is allocated",
  over_handed_over: "handed over beyond what was dispatched, or claimed beyond what was allocated",
  revalued: "outside data or an override values an allocation higher; what is committed may not cover it",
  difference: "a gap in value between what a hand-over states and what it relieves",
  claim_on_commitment: "said to have arrived of a commitment, and nobody says of which allocation",
  delivered_without_booking: "money said to have been delivered; only a booking shows that it moved",
  no_manifest: "dispatched without the hash of a manifest",
  short: "did not come",
  damaged: "came damaged",
  unmanifested: "came, and stood in no manifest",
  lost: "lost, and to be written off",
  released_draw: "used by a shipment or payment, and released by somebody else",
  unused_draw: "drawn for a shipment or payment that does not name it yet",
  unreturned_draw: "given up by its shipment or payment, and not yet released on its pledge",
  unsupported: "booked with no document that has a content hash",
  rejected: "refused by a bank and owed still",
  owed_again: "came back from a bank and is owed again",
  doubtful: "a flag of which somebody should judge",
  unmapped: "of no known category",
  unmatched: "has the outside id of pledges from another release",
};

export function exceptionMeaning(kind: string): string {
  return exceptions[kind] ?? "";
}
