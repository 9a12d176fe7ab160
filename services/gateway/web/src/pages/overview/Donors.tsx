// Donors by what they gave, each bar split by category.
import { useState } from "preact/hooks";
import { parseAsset } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { compare, length } from "../../lib/exact.ts";
import { fit, textWidth } from "../../lib/fit.ts";
import { below, kindsOf, type Kind } from "../../lib/kinds.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { printFull, printShort } from "../../lib/print.ts";
import { together, useQuery } from "../../lib/query.ts";
import { link, view } from "../../lib/router.ts";
import { heading } from "../../lib/scope.ts";
import { categoryTitle, donorTitle } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { Figure } from "../../parts/Figure.tsx";
import { Legend, Patterns, Swatch } from "../../parts/Patterns.tsx";
import { useWidth } from "../../parts/useWidth.ts";
import type { Column } from "../../parts/DataTable.tsx";
import type { BalancesResponse } from "../../lib/types.ts";

// Giver is one donor's bar. The total is the server's, as the parts are.
interface Giver {
  donor: string;
  total: string | undefined;
  unknown: string;
  parts: { category: string; amount: string }[];
}

const donorsShown = 15;

export function Donors({ measure }: { measure: Measure }) {
  const v = view.value;
  const [all, setAll] = useState(false);
  const at = v.stages[0] ?? "committed";
  const totals = sums(v, measure, { stages: [at], by: ["donor"] });
  const parts = sums(v, measure, { stages: [at], by: ["donor", "category"], depth: below(v.category) });
  const total = useQuery<BalancesResponse>(totals.path, totals.params);
  const part = useQuery<BalancesResponse>(parts.path, parts.params);
  const givers = giversOf(total.data, part.data);
  const kinds = kindsOf(givers.flatMap((g) => g.parts.map((p) => p.category)));
  const shown = all ? givers : givers.slice(0, donorsShown);
  const columns: Column<Giver>[] = [
    {
      id: "donor",
      header: "Donor",
      value: (g) => donorTitle(g.donor),
      cell: (g) => <a href={link(`/donor/${g.donor}`, { donor: "" })}>{donorTitle(g.donor)}</a>,
    },
    {
      id: "total",
      header: `Total, ${parseAsset(measure.asset).code}`,
      numeric: true,
      value: (g) => g.total,
      cell: (g) =>
        g.total === undefined ? "" : <Amount amount={g.total} asset={measure.asset} full href={entriesLink(measure, { stage: at, donor: g.donor })} />,
    },
    ...[...kinds.keys()].map((category): Column<Giver> => {
      const amount = (g: Giver) => g.parts.find((p) => p.category === category)?.amount;
      return {
        id: category,
        header: categoryTitle(category),
        numeric: true,
        value: amount,
        cell: (g) =>
          amount(g) === undefined ? (
            ""
          ) : (
            <Amount amount={amount(g)} asset={measure.asset} full href={entriesLink(measure, { stage: at, donor: g.donor, category })} />
          ),
      };
    }),
    { id: "unknown", header: "undisclosed", numeric: true, value: (g) => g.unknown },
  ];
  return (
    <Figure
      id="donors"
      title={`${heading(v, at)}, by donor and kind of support`}
      answer={together(part, total)}
      asset={measure.asset}
      height={donorsShown * 28 + 60}
      table={{ caption: `${heading(v, at)}, by donor and category`, columns, rows: givers, sort: { id: "total", desc: true } }}
    >
      {givers.length === 0 && <p class="nothing">No donor has a figure at this stage.</p>}
      <Legend kinds={kinds.values()} prefix="donors" title={categoryTitle} />
      <Bars givers={shown} kinds={kinds} measure={measure} at={at} />
      {givers.length > donorsShown && (
        <button type="button" class="more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `Show the first ${donorsShown}` : `Show all ${givers.length} donors`}
        </button>
      )}
    </Figure>
  );
}

// giversOf lists donors by their totals; those of which only undisclosed values are known come last.
function giversOf(totals: BalancesResponse | undefined, parts: BalancesResponse | undefined): Giver[] {
  const givers = (totals?.rows ?? []).map((row): Giver => ({ donor: row.donor ?? "", total: row.amount, unknown: row.unknown, parts: [] }));
  const byDonor = new Map(givers.map((g) => [g.donor, g]));
  for (const row of parts?.rows ?? []) {
    if (row.amount !== undefined && row.category !== undefined) {
      byDonor.get(row.donor ?? "")?.parts.push({ category: row.category, amount: row.amount });
    }
  }
  return givers.sort((a, b) => (a.total === undefined ? (b.total === undefined ? 0 : 1) : b.total === undefined ? -1 : compare(b.total, a.total)));
}

interface BarsProps {
  givers: Giver[];
  kinds: Map<string, Kind>;
  measure: Measure;
  at: string;
}

function Bars({ givers, kinds, measure, at }: BarsProps) {
  const { ref, width } = useWidth();
  const narrow = width < 620;
  const longest = Math.max(0, ...givers.map((g) => textWidth(donorTitle(g.donor), 14)));
  const label = narrow ? 0 : Math.min(Math.ceil(longest) + 12, width * 0.3);
  const value = narrow ? 0 : 190;
  const rowHeight = narrow ? 42 : 27;
  const barHeight = 15;
  const room = Math.max(40, width - label - value);
  const most = Math.max(...givers.map((g) => (g.total ? length(g.total) : 0)), 1);
  return (
    <div ref={ref}>
      {width > 0 && (
        <svg width={width} height={givers.length * rowHeight} role="group" aria-label="Bars of each donor’s amounts">
          <Patterns prefix="donors" />
          {givers.map((g, i) => {
            const top = i * rowHeight;
            const y = narrow ? top + 20 : top + 4;
            let x = label;
            return (
              <g key={g.donor}>
                <a href={link(`/donor/${g.donor}`, { donor: "" })}>
                  <text x={narrow ? 0 : label - 10} y={top + 15} text-anchor={narrow ? "start" : "end"}>
                    {fit(donorTitle(g.donor), 14, narrow ? width - 180 : label - 12)}
                    <title>{donorTitle(g.donor)}</title>
                  </text>
                </a>
                {g.parts.map((p) => {
                  const w = Math.max(0, (length(p.amount) / most) * room);
                  const from = x;
                  x += w;
                  return (
                    <a key={p.category} href={entriesLink(measure, { stage: at, donor: g.donor, category: p.category })} tabindex={-1}>
                      <title>{`${donorTitle(g.donor)}, ${categoryTitle(p.category)}: ${printFull(p.amount)}`}</title>
                      <Swatch kind={kinds.get(p.category)!} prefix="donors" x={from} y={y} width={Math.max(0.5, w - 1)} height={barHeight} />
                    </a>
                  );
                })}
                <a href={entriesLink(measure, { stage: at, donor: g.donor })}>
                  <text x={narrow ? width : x + 8} y={top + 15} text-anchor={narrow ? "end" : "start"}>
                    {g.total !== undefined && printShort(g.total)}
                    {g.unknown !== "0" && <tspan class="none">{`${g.total === undefined ? "" : " + "}${g.unknown} undisclosed`}</tspan>}
                  </text>
                </a>
              </g>
            );
          })}
        </svg>
      )}
    </div>
  );
}
