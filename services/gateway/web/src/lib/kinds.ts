// Kinds of things in one picture: each has a colour and a pattern that stay the same on every page.

// The tops of the categories have theirs for ever; what is below one takes those that are left, in order.
const fixed: Record<string, number> = { MIL: 0, FIN: 1, HUM: 2, REC: 3 };
const coloursMax = 8;

export interface Kind {
  code: string;
  colour: string; // a property of the style sheet
  pattern: number; // 0 is plain
}

export const patterns = 4;

export function kindsOf(codes: readonly string[]): Map<string, Kind> {
  const tops = codes.every((c) => c in fixed || !c.includes("."));
  let free = tops ? Object.keys(fixed).length : 0;
  const kinds = new Map<string, Kind>();
  for (const code of [...new Set(codes)].sort()) {
    const i = tops ? (fixed[code] ?? free++) : free++;
    kinds.set(code, { code, colour: i < coloursMax ? `--kind-${i}` : "--kind-other", pattern: i % patterns });
  }
  return kinds;
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
