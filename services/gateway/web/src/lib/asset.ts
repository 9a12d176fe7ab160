// Assets: what an amount counts, such as EUR/2@tracker or each/6:155 mm howitzer.

export interface Asset {
  code: string; // a currency of ISO 4217, or a unit such as each
  places: number;
  basis: string; // the valuation basis of a currency; empty for a quantity
  item: string; // the item of a quantity; empty for a currency
}

// isAsset tells whether an address names an asset; whether there are figures in it the server knows.
export function isAsset(text: string): boolean {
  return /^[^/]+\/\d[@:]./.test(text);
}

export function parseAsset(text: string): Asset {
  const slash = text.indexOf("/");
  const code = text.slice(0, slash);
  const places = Number(text.charAt(slash + 1));
  const rest = text.slice(slash + 3);
  return text.charAt(slash + 2) === "@" ? { code, places, basis: rest, item: "" } : { code, places, basis: "", item: rest };
}

// The basis under which the server is asked for units of items.
export const quantityBasis = "quantity";

export function basisOf(text: string): string {
  return parseAsset(text).basis || quantityBasis;
}

const bases: Record<string, string> = {
  donor_stated: "as the donor states",
  net_book: "at net book value",
  acquisition: "at acquisition cost",
  replacement: "at replacement cost",
  market_upper_bound: "at the market's upper bound",
  contract: "at contract price",
  tracker: "as the tracker values it",
  tracker_redistributed: "as the tracker values it, redistributed",
  price_list: "at list price",
  quantity: "in units",
};

// basisPhrase says how a basis values things, to follow the name of a currency.
export function basisPhrase(basis: string): string {
  return bases[basis] ?? `on basis ${basis}`;
}

// assetPhrase names an asset in words: EUR as the tracker values it; 155 mm howitzer.
export function assetPhrase(text: string): string {
  const a = parseAsset(text);
  return a.item ? (a.code === "each" ? a.item : `${a.item} (${a.code})`) : `${a.code} ${basisPhrase(a.basis)}`;
}
