// Items tells of each item how many came to each stage. Two items never add.
import { useMemo } from "preact/hooks";
import { parseAsset, quantityBasis } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { sums } from "../../lib/measure.ts";
import { useQuery } from "../../lib/query.ts";
import { view } from "../../lib/router.ts";
import { stage } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { DataTable, type Column } from "../../parts/DataTable.tsx";
import { Figure } from "../../parts/Figure.tsx";
import type { BalancesResponse, SumRow } from "../../lib/types.ts";

const rungs = ["allocated", "dispatched", "handed_over"] as const;
const mostFirst = { id: "allocated", desc: true };

interface Row {
  asset: string;
  at: Map<string, SumRow>;
}

export function Items() {
  const v = view.value;
  const query = sums(v, { basis: quantityBasis, asset: "" }, { stages: rungs });
  const answer = useQuery<BalancesResponse>(query.path, query.params);
  const rows = useMemo(() => rowsOf(answer.data?.rows ?? []), [answer.data]);
  const columns = useMemo(columnsOf, [v]);
  return (
    <Figure id="items" title="Items, by the piece or other units" answer={answer} height={300} drawn={false} table={null}>
      {rows.length === 0 ? (
        <p class="nothing">No source tells a number of items here. That is not zero.</p>
      ) : (
        <DataTable caption="Items, each counted by itself" columns={columns} rows={rows} sort={mostFirst} />
      )}
    </Figure>
  );
}

function rowsOf(sums: readonly SumRow[]): Row[] {
  const rows = new Map<string, Row>();
  for (const sum of sums) {
    if (sum.asset !== undefined) {
      const row = rows.get(sum.asset) ?? { asset: sum.asset, at: new Map() };
      rows.set(sum.asset, row);
      row.at.set(sum.stage, sum);
    }
  }
  return [...rows.values()];
}

function columnsOf(): Column<Row>[] {
  return [
    { id: "item", header: "Item", worded: true, value: (r) => parseAsset(r.asset).item },
    { id: "unit", header: "Unit", value: (r) => parseAsset(r.asset).code },
    ...rungs.map((at): Column<Row> => ({
      id: at,
      header: stage(at).title,
      numeric: true,
      value: (r) => r.at.get(at)?.amount,
      cell: (r) =>
        r.at.has(at) ? (
          <Amount
            amount={r.at.get(at)!.amount}
            asset={r.asset}
            full
            href={entriesLink({ basis: quantityBasis, asset: r.asset }, { stage: at })}
          />
        ) : (
          <span class="quiet">–</span>
        ),
    })),
  ];
}
