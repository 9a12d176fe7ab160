// How figures, dates and counts are printed: in the reader's locale, exactly.
import { parse, text, type Exact } from "./exact.ts";

// Numbers that are decimal text keep every digit: Intl takes such text as it is.
type Decimal = Intl.StringNumericLiteral;

const full = new Map<string, Intl.NumberFormat>();

function formatter(places: number, locale?: string): Intl.NumberFormat {
  const key = `${locale ?? ""}/${places}`;
  let f = full.get(key);
  if (!f) {
    f = new Intl.NumberFormat(locale, { minimumFractionDigits: places, maximumFractionDigits: places });
    full.set(key, f);
  }
  return f;
}

// printFull prints every digit of an amount. Quantities come in millionths, and their trailing zeros say nothing: trim takes them off.
export function printFull(amount: string, options: { trim?: boolean; locale?: string } = {}): string {
  const shown = options.trim ? amount.replace(/\.0+$|(\.\d*?)0+$/, "$1") : amount;
  return formatter(parse(shown).places, options.locale).format(shown as Decimal);
}

const steps = [
  { power: 3, unit: "k", word: "thousand" },
  { power: 6, unit: "m", word: "million" },
  { power: 9, unit: "bn", word: "billion" },
  { power: 12, unit: "tn", word: "trillion" },
];

// printShort prints two or three digits with a unit, such as 12.3 bn, rounded half away from zero from the exact text.
export function printShort(amount: string, options: { words?: boolean; locale?: string } = {}): string {
  const a = parse(amount);
  const digits = (a.units < 0n ? -a.units : a.units).toString().length - a.places;
  let i = Math.min(Math.floor((digits - 1) / 3), steps.length) - 1;
  if (i < 0) {
    return printFull(amount, { ...options, trim: true });
  }
  let shown = shorten(a, steps[i]!.power);
  if (shown.places === 0 && (shown.units === 1000n || shown.units === -1000n)) {
    i = Math.min(i + 1, steps.length - 1); // 999.96 million is 1.0 billion
    shown = shorten(a, steps[i]!.power);
  }
  return `${formatter(shown.places, options.locale).format(text(shown) as Decimal)} ${options.words ? steps[i]!.word : steps[i]!.unit}`;
}

// shorten counts in a power of ten, with one place below a hundred and none above.
function shorten(a: Exact, power: number): Exact {
  const fine = round(a, power, 1);
  return fine.units > -1000n && fine.units < 1000n ? fine : round(a, power, 0);
}

// round counts in a power of ten and keeps so many places.
function round(a: Exact, power: number, places: number): Exact {
  const drop = a.places + power - places;
  if (drop <= 0) {
    return { units: a.units * 10n ** BigInt(-drop), places };
  }
  const unit = 10n ** BigInt(drop);
  const half = a.units < 0n ? -unit / 2n : unit / 2n;
  return { units: (a.units + half) / unit, places };
}

// printCount prints a whole number that the server sends as text.
export function printCount(n: string | number | bigint): string {
  return formatter(0).format((typeof n === "string" ? BigInt(n) : n) as bigint);
}

// plural puts a count before its noun.
export function plural(n: string | number, one: string, many: string): string {
  return `${printCount(n)} ${String(n) === "1" ? one : many}`;
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });

// printTime prints when something was recorded, in UTC as the ledger stamps it; whoever shows it says so.
export function printTime(rfc3339: string): string {
  return clock.format(new Date(rfc3339));
}

const monthName = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", timeZone: "UTC" });

// printMonth prints a month such as 2023-04.
export function printMonth(month: string): string {
  return monthName.format(new Date(`${month}-01T00:00:00Z`));
}

const dayName = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

// printDate prints a date as closely as it is known: a day, a month, a year, `until 2022-12-31`, `unknown`.
export function printDate(date: string): string {
  if (date.startsWith("until ")) {
    return `until ${printDate(date.slice("until ".length))}`;
  }
  if (/^\d{4}-\d{2}-\d{2}$/.test(date)) {
    return dayName.format(new Date(`${date}T00:00:00Z`));
  }
  return /^\d{4}-\d{2}$/.test(date) ? printMonth(date) : date === "unknown" ? "day not known" : date;
}

// capital begins words with a capital letter.
export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
