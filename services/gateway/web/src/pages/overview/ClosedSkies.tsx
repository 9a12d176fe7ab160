// Closed skies: air defence by the piece.
import { useMemo, useState } from "preact/hooks";
import { parseAsset, quantityBasis } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { compare, length, percent } from "../../lib/exact.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { useQuery } from "../../lib/query.ts";
import { link, view } from "../../lib/router.ts";
import { stage } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { DataTable, type Column } from "../../parts/DataTable.tsx";
import { Figure } from "../../parts/Figure.tsx";
import type { BalancesResponse } from "../../lib/types.ts";

const airDefence = "MIL.AIRDEF";
const units: Measure = { basis: quantityBasis, asset: "" };
const stages = ["committed", "allocated", "handed_over"] as const;
const itemsShown = 12;

interface Item {
  asset: string;
  name: string;
  amounts: Partial<Record<string, string>>;
}

export function ClosedSkies() {
  const v = view.value;
  const [all, setAll] = useState(false);
  const query = sums({ ...v, asset: "" }, units, { stages, category: airDefence, reached: true });
  const answer = useQuery<BalancesResponse>(query.path, query.params);
  const items = useMemo(() => itemsOf(answer.data), [answer.data]);
  const column = (at: string): Column<Item> => ({
    id: at,
    header: stage(at).title,
    numeric: true,
    value: (i) => i.amounts[at],
    cell: (i) =>
      i.amounts[at] === undefined ? (
        <span class="quiet">–</span>
      ) : (
        <Amount
          amount={i.amounts[at]}
          asset={i.asset}
          full
          href={entriesLink({ basis: "", asset: i.asset }, { stage: at, category: airDefence, mode: "reached" })}
        />
      ),
  });
  const columns: Column<Item>[] = [
    { id: "item", header: "Item", value: (i) => i.name },
    ...stages.map(column),
    { id: "share", header: "Handed over, of what is allocated", numeric: true, value: share, cell: (i) => <Share item={i} /> },
  ];
  return (
    <Figure
      id="closed-skies"
      title="Closed skies: air and missile defence, piece by piece"
      lead={
        <>
          Units of one item are counted with each other and with no other: a launcher is not a missile. A dash says that nobody reported it.{" "}
          <a href={link(`/category/${airDefence}`, { category: "" })}>All of air defence</a>
        </>
      }
      answer={answer}
      height={itemsShown * 33 + 40}
      drawn={false}
      table={null}
    >
      {items.length === 0 ? (
        <p class="nothing">No fact says anything of units of air defence.</p>
      ) : (
        <DataTable
          caption="Units committed, allocated and handed over, the items with the most units first"
          columns={columns}
          rows={all ? items : items.slice(0, itemsShown)}
        />
      )}
      {items.length > itemsShown && (
        <button type="button" class="more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `Show the first ${itemsShown}` : `Show all ${items.length} items`}
        </button>
      )}
    </Figure>
  );
}

function itemsOf(data: BalancesResponse | undefined): Item[] {
  const items = new Map<string, Item>();
  for (const row of data?.rows ?? []) {
    if (row.asset !== undefined) {
      const { item, code } = parseAsset(row.asset);
      const at = items.get(row.asset) ?? { asset: row.asset, name: code === "each" ? item : `${item}, ${code}`, amounts: {} };
      at.amounts[row.stage] = row.amount;
      items.set(row.asset, at);
    }
  }
  const most = (i: Item) => stages.map((s) => i.amounts[s]).reduce<string>((a, b) => (b !== undefined && compare(b, a) > 0 ? b : a), "0");
  return [...items.values()].sort((a, b) => compare(most(b), most(a)) || a.name.localeCompare(b.name));
}

// share is how many of a hundred allocated units were handed over, where both are reported.
function share({ amounts: { allocated, handed_over } }: Item): string | undefined {
  const part = allocated === undefined || handed_over === undefined ? null : percent(handed_over, allocated);
  return part === null ? undefined : String(part);
}

const shareWidth = 120;

function Share({ item }: { item: Item }) {
  const part = share(item);
  return (
    <span class="share">
      {part === undefined ? <span class="quiet">–</span> : `${part} of 100`}
      <svg width={shareWidth} height="10" aria-hidden="true">
        <rect width={shareWidth} height="10" class={part === undefined ? "track missing" : "track"} />
        {part !== undefined && <rect width={(shareWidth * Math.min(100, length(part))) / 100} height="10" class="bar" />}
      </svg>
    </span>
  );
}
