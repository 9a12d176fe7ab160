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
  const more = unknown && unknown !== "0" ? <span class="unknown"> + {plural(unknown, "undisclosed", "undisclosed")}</span> : null;
  if (amount === undefined || asset === undefined) {
    return more ? <span class="unknown">{plural(unknown!, "undisclosed", "undisclosed")}</span> : <span class="unknown">not reported</span>;
  }
  const digits = <data value={amount} title={fullFigure(amount, asset)}>{full ? exact(amount, asset) : printShort(amount)}</data>;
  return (
    <span class="amount">
      {href ? <a href={href}>{digits}</a> : digits}
      {more}
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
