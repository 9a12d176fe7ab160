// Amount prints a figure short, with every digit at hand, and leads to the entries behind it.
import { parseAsset } from "../lib/asset.ts";
import { plural, printFull, printShort } from "../lib/print.ts";

interface Props {
  amount: string | undefined;
  asset: string | undefined;
  // How many values beside it are undisclosed.
  unknown?: string | undefined;
  full?: boolean;
  href?: string | undefined;
}

export function Amount({ amount, asset, unknown, full, href }: Props) {
  const count = unknown && unknown !== "0" ? plural(unknown, "undisclosed", "undisclosed") : "";
  if (amount === undefined || asset === undefined) {
    return <span class="unknown">{count && href ? <a href={href}>{count}</a> : count || "not reported"}</span>;
  }
  const digits = <data value={amount} title={fullFigure(amount, asset)}>{full ? exact(amount, asset) : printShort(amount)}</data>;
  return (
    <span class="amount">
      {href ? <a href={href}>{digits}</a> : digits}
      {count && <span class="unknown"> + {count}</span>}
    </span>
  );
}

// exact prints every digit; of quantities, which come in millionths, those that say something.
export function exact(amount: string, asset: string): string {
  return printFull(amount, { trim: parseAsset(asset).item !== "" });
}

export function fullFigure(amount: string, asset: string): string {
  const a = parseAsset(asset);
  return `${exact(amount, asset)} ${a.item || a.code}`;
}
