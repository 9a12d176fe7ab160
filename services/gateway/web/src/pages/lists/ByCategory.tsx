// ByCategory tells of each category how far support came in it.
import { useMemo } from "preact/hooks";
import { parseAsset } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { useQuery } from "../../lib/query.ts";
import { link, view } from "../../lib/router.ts";
import { categoryTitle, stage } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { DataTable, type Column } from "../../parts/DataTable.tsx";
import { Figure } from "../../parts/Figure.tsx";
import type { BalancesResponse, SumRow } from "../../lib/types.ts";

const rungs = ["committed", "allocated", "handed_over", "booked"] as const;

interface Row {
  category: string;
  at: Map<string, SumRow>;
}

// Where a depth is told, what is below it is summed into it.
export function ByCategory({ measure, title, depth }: { measure: Measure; title: string; depth?: number }) {
  const v = view.value;
  const query = sums(v, measure, { stages: rungs, by: ["category"], ...(depth === undefined ? {} : { depth }) });
  const answer = useQuery<BalancesResponse>(query.path, query.params);
  const rows = useMemo(() => rowsOf(answer.data?.rows ?? []), [answer.data]);
  const columns = useMemo(() => columnsOf(measure), [measure.asset, v]);
  return (
    <Figure id="categories" title={title} answer={answer} asset={measure.asset} height={240} drawn={false} table={null}>
      {rows.length === 0 ? (
        <p class="nothing">Nothing is recorded here in this asset. That is not zero: nobody reported it.</p>
      ) : (
        <DataTable caption={`Categories, in ${parseAsset(measure.asset).code}`} columns={columns} rows={rows} />
      )}
    </Figure>
  );
}

function rowsOf(sums: readonly SumRow[]): Row[] {
  const rows = new Map<string, Row>();
  for (const sum of sums) {
    const category = sum.category ?? "";
    const row = rows.get(category) ?? { category, at: new Map() };
    rows.set(category, row);
    row.at.set(sum.stage, sum);
  }
  return [...rows.values()].sort((a, b) => (a.category < b.category ? -1 : 1));
}

function columnsOf(m: Measure): Column<Row>[] {
  return [
    {
      id: "category",
      header: "Category",
      worded: true,
      value: (r) => categoryTitle(r.category),
      cell: (r) => <a href={link(`/category/${r.category}`, { category: "" })}>{categoryTitle(r.category)}</a>,
    },
    ...rungs.map((at): Column<Row> => ({
      id: at,
      header: stage(at).title,
      numeric: true,
      value: (r) => r.at.get(at)?.amount,
      cell: (r) =>
        r.at.has(at) ? (
          <Amount
            amount={r.at.get(at)!.amount}
            asset={m.asset}
            unknown={r.at.get(at)!.unknown}
            full
            href={entriesLink(m, { stage: at, category: r.category })}
          />
        ) : (
          <span class="quiet">not reported</span>
        ),
    })),
  ];
}
