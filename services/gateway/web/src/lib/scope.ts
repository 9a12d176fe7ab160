// What a figure is narrowed to, in words: they stand under it, and go with its image.
import { printMonth } from "./print.ts";
import { categoryTitle, donorTitle, groupTitle, instrumentTitle, stage } from "./words.ts";
import type { Params } from "./api.ts";
import type { View } from "./router.ts";

// scope names the filters of a query; empty where all counts.
export function scope(params: Params): string {
  const text = (name: string) => String(params[name] ?? "");
  const instruments = (params.instruments as readonly string[] | undefined) ?? [];
  return [
    text("donor") && donorTitle(text("donor")),
    text("group") && `members of ${groupTitle(text("group"))}`,
    text("category") && categoryTitle(text("category")),
    instruments.length > 0 && (instruments.includes("all") ? "all instruments, guarantees and swaps too" : instruments.map(instrumentTitle).join(" and ")),
    months(text("from"), text("to")),
  ]
    .filter(Boolean)
    .join("; ");
}

export function months(from: string, to: string): string {
  if (from && to) {
    return from === to ? printMonth(from) : `${printMonth(from)} to ${printMonth(to)}`;
  }
  return from ? `from ${printMonth(from)}` : to ? `until ${printMonth(to)}` : "";
}

// heading begins the title of a picture of one stage.
export function heading(v: View, at: string): string {
  const { title, verb } = stage(at);
  return v.mode === "reached" ? title : v.from || v.to ? `Change in what stands at ${verb}` : `Standing at ${verb}`;
}

// counting says what the sums of a query are sums of.
export function counting(params: Params): string {
  const within = params.from || params.to ? " in these months" : "";
  return params.reached ? `All that ${within ? "" : "ever "}reached the stage${within}` : within ? `How what stands at the stage changed${within}` : "What stands at the stage now";
}
