// Categories in pictures: each has a colour and a pattern, which are the same in every picture and on every page.
import { terms } from "./words.ts";

export interface Kind {
  code: string;
  colour: string; // a property of the style sheet
  pattern: number; // 0 is plain
}

const colours = 8;
export const patterns = 4;

// The tops of the categories have colours of their own; below each, siblings take theirs in the order of the ledger's terms.
const tops = ["MIL", "FIN", "HUM", "REC"];
// Endings of what is no kind by itself: mixed, without a purpose, a plug, unmapped.
const unsorted = ["MIXED", "ENVELOPE", "PLUG", "UNMAPPED"];

export function kindsOf(codes: readonly string[]): Map<string, Kind> {
  return new Map([...new Set(codes)].sort().map((code) => [code, kindOf(code)]));
}

function kindOf(code: string): Kind {
  const parts = code.split(".");
  const other = unsorted.indexOf(parts.at(-1)!);
  if (other >= 0) {
    return { code, colour: "--kind-other", pattern: other };
  }
  const siblings = parts.length === 1 ? tops : siblingsOf(parts);
  const i = siblings.indexOf(code);
  // Who shares a colour differs in pattern.
  return i < 0 ? { code, colour: "--kind-other", pattern: 0 } : { code, colour: `--kind-${i % colours}`, pattern: (i + Math.floor(i / colours)) % patterns };
}

function siblingsOf(parts: readonly string[]): string[] {
  const parent = `${parts.slice(0, -1).join(".")}.`;
  return (terms.value?.categories ?? []).map((c) => c.code).filter((c) => c.startsWith(parent) && !c.includes(".", parent.length) && !unsorted.includes(c.slice(parent.length)));
}

// colourOf reads a property of the style sheet, for pictures that cannot use one.
export function colourOf(property: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

// below is the depth at which a category's parts are told apart: one further than its own.
export function below(category: string): number {
  return category === "" ? 1 : category.split(".").length + 1;
}
