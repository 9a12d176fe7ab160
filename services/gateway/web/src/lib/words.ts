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
