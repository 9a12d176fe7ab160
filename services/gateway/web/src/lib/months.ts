// Months as the server writes them, such as 2023-04.

// everyMonth lists all months from the first to the last of those given, so that a month without facts is not skipped in a picture.
export function everyMonth(months: readonly string[]): string[] {
  const sorted = [...months].sort();
  const all: string[] = [];
  for (let m = sorted[0]; m !== undefined && m <= sorted.at(-1)!; m = after(m)) {
    all.push(m);
  }
  return all;
}

function after(month: string): string {
  const [year, number] = month.split("-").map(Number) as [number, number];
  return number === 12 ? `${String(year + 1).padStart(4, "0")}-01` : `${month.slice(0, 4)}-${String(number + 1).padStart(2, "0")}`;
}
