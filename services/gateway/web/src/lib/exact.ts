// Amounts as the server writes them: decimal text with the places of the asset. Nothing here passes through floating point but `length`,
// which only pictures use.

// Exact is an amount as a whole number of its asset's smallest unit.
export interface Exact {
  units: bigint;
  places: number;
}

const decimal = /^(-?)(\d+)(?:\.(\d+))?$/;

// parse reads decimal text; it throws where the text is none, since a figure that cannot be read must not be shown as another.
export function parse(text: string): Exact {
  const m = decimal.exec(text);
  if (!m) {
    throw new Error(`${JSON.stringify(text)} is no decimal`);
  }
  const fraction = m[3] ?? "";
  const units = BigInt(m[2]! + fraction);
  return { units: m[1] ? -units : units, places: fraction.length };
}

// text writes an amount with all its places.
export function text(a: Exact): string {
  const sign = a.units < 0n ? "-" : "";
  const digits = (a.units < 0n ? -a.units : a.units).toString().padStart(a.places + 1, "0");
  return sign + (a.places === 0 ? digits : `${digits.slice(0, -a.places)}.${digits.slice(-a.places)}`);
}

// aligned brings two amounts to the same places.
function aligned(a: Exact, b: Exact): [bigint, bigint, number] {
  const places = Math.max(a.places, b.places);
  const raise = (x: Exact) => x.units * 10n ** BigInt(places - x.places);
  return [raise(a), raise(b), places];
}

// add adds two amounts of one asset. The caller answers for the asset: amounts of two never add.
export function add(a: string, b: string): string {
  const [x, y, places] = aligned(parse(a), parse(b));
  return text({ units: x + y, places });
}

export function subtract(a: string, b: string): string {
  const [x, y, places] = aligned(parse(a), parse(b));
  return text({ units: x - y, places });
}

// compare orders two amounts of one asset.
export function compare(a: string, b: string): number {
  const [x, y] = aligned(parse(a), parse(b));
  return x < y ? -1 : x > y ? 1 : 0;
}

export function isZero(a: string): boolean {
  return parse(a).units === 0n;
}

// cumulate turns amounts into running sums, exactly.
export function cumulate(amounts: readonly string[]): string[] {
  let sum = "0";
  return amounts.map((a) => (sum = add(sum, a)));
}

// percent says how much of a whole a part is, in whole percents cut toward zero, so that what is not complete never reads as 100; null where
// the whole is not positive.
export function percent(part: string, whole: string): number | null {
  const [p, w] = aligned(parse(part), parse(whole));
  return w > 0n ? Number((p * 100n) / w) : null;
}

// length is an amount as the length of a bar: near enough for a picture, never for print.
export function length(amount: string): number {
  return Number(amount);
}
