// Where everything stands: from donors through categories to the rung on which it stands now.
import { useCallback, useMemo } from "preact/hooks";
import { parseAsset } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { length } from "../../lib/exact.ts";
import { fit } from "../../lib/fit.ts";
import { below, colourOf, kindsOf } from "../../lib/kinds.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { printShort } from "../../lib/print.ts";
import { useQuery } from "../../lib/query.ts";
import { go, link, view } from "../../lib/router.ts";
import { categoryTitle, donorTitle, ladder, stage } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { Chart, frame, tooltip } from "../../parts/Chart.tsx";
import { Figure } from "../../parts/Figure.tsx";
import type { Column } from "../../parts/DataTable.tsx";
import type { BalancesResponse, SumRow } from "../../lib/types.ts";

// Announcements are no support yet, and enter no picture of it.
const rungs = ladder.filter((s) => s !== "announced");
const donorsShown = 12;
const height = 560;
const widthMin = 560;

export function Flow({ measure }: { measure: Measure }) {
  const v = view.value;
  const dated = v.from !== "" || v.to !== "";
  const query = sums({ ...v, from: "", to: "" }, measure, { stages: rungs, by: ["donor", "category"], depth: below(v.category), reached: false });
  const answer = useQuery<BalancesResponse>(query.path, query.params);
  const rows = useMemo(() => (answer.data?.rows ?? []).filter((r) => r.amount !== undefined), [answer.data]);
  const code = parseAsset(measure.asset).code;
  const option = useCallback(({ width }: { width: number }) => drawn(rows, measure, width), [rows, measure.asset]);
  const select = useCallback((item: { data: unknown }) => {
    const { href } = item.data as { href?: string };
    if (href) {
      go(href);
    }
  }, []);
  const negative = rows.filter((r) => length(r.amount!) < 0).length;
  const columns: Column<SumRow>[] = [
    { id: "donor", header: "Donor", value: (r) => donorTitle(r.donor ?? "") },
    { id: "category", header: "Category", value: (r) => categoryTitle(r.category ?? "") },
    { id: "stage", header: "Stands at", value: (r) => stage(r.stage).title },
    {
      id: "amount",
      header: code,
      numeric: true,
      value: (r) => r.amount,
      cell: (r) => (
        <Amount
          amount={r.amount}
          asset={measure.asset}
          unknown={r.unknown}
          full
          href={entriesLink(measure, { stage: r.stage, donor: r.donor, category: r.category, mode: "standing" })}
        />
      ),
    },
  ];
  return (
    <Figure
      id="flow"
      title="Where it stands: from donor, by kind of support, to the stage reached"
      lead={`Each amount is shown once, at the stage where it stands now${dated ? ", whatever months are asked for" : ""}. The ${donorsShown} donors with the most are named.`}
      answer={answer}
      asset={measure.asset}
      notes={negative > 0 && <span>{negative} sums below zero, where facts are missing, are in the table and not in the picture. </span>}
      height={height}
      table={{ caption: "What stands at each stage, by donor and category", columns, rows }}
    >
      {rows.length === 0 ? (
        <p class="nothing">{answer.data?.unknown === "0" ? "Nothing stands at any stage." : "What stands is undisclosed, and has no width to draw."}</p>
      ) : (
        <Chart
          option={option}
          height={height}
          widthMin={widthMin}
          label="Flows from donors through kinds of support to stages; the table below has each"
          onSelect={select}
        />
      )}
    </Figure>
  );
}

interface Node {
  name: string;
  title: string;
  depth: number;
  colour: string;
  // Where a click leads; the donors that are drawn as one lead nowhere.
  href?: string;
  rung?: string;
}

// Strand is a flow between two nodes with all the sums in it.
interface Strand {
  source: string;
  target: string;
  value: number;
  colour: string;
  rows: SumRow[];
  href: string | undefined;
}

// Widths are lengths of a picture: their sums are drawn and never printed.
function drawn(rows: SumRow[], measure: Measure, width: number) {
  // The room of the names beside the nodes of each depth.
  const [left, middle, right] = width < 700 ? [130, 120, 90] : width < 1000 ? [220, 200, 110] : [300, 200, 110];
  const kinds = kindsOf(rows.map((r) => r.category ?? ""));
  const named = largest(rows);
  const nodes = new Map<string, Node>();
  const links = new Map<string, Strand>();
  const flow = (from: Node, to: Node, r: SumRow, colour: string, href: string | undefined) => {
    nodes.set(from.name, from);
    nodes.set(to.name, to);
    const key = `${from.name}>${to.name}`;
    const l = links.get(key) ?? { source: from.name, target: to.name, value: 0, colour, rows: [], href };
    l.value += length(r.amount!);
    l.rows.push(r);
    links.set(key, l);
  };
  for (const r of rows) {
    if (length(r.amount!) <= 0) {
      continue;
    }
    const [donor, category] = [r.donor ?? "", r.category ?? ""];
    const colour = kinds.get(category)!.colour;
    const giver: Node = named.has(donor)
      ? { name: `d:${donor}`, title: donorTitle(donor), depth: 0, colour: "--strong-line", href: link(`/donor/${donor}`, { donor: "" }) }
      : { name: "d:", title: "All other donors", depth: 0, colour: "--strong-line" };
    const kind: Node = {
      name: `c:${category}`,
      title: categoryTitle(category),
      depth: 1,
      colour,
      href: link(`/category/${category}`, { category: "" }),
    };
    const at = (category?: string) => entriesLink(measure, { stage: r.stage, category, mode: "standing" });
    const rung: Node = { name: `s:${r.stage}`, title: stage(r.stage).title, depth: 2, colour: "--text", href: at(), rung: r.stage };
    flow(giver, kind, r, colour, named.has(donor) ? link(`/donor/${donor}`, { donor: "", category }) : undefined);
    flow(kind, rung, r, colour, at(category));
  }
  const { code } = parseAsset(measure.asset);
  const text = colourOf("--text");
  return {
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    tooltip: {
      ...frame,
      trigger: "item",
      formatter: (item: { dataType: string; data: { source?: string; target?: string; name?: string } }) => {
        const { source, target, name } = item.data;
        const inside = [...links.values()].filter((l) =>
          name === undefined ? l.source === source && l.target === target : name === l.target || (l.source === name && l.source.startsWith("d:")),
        );
        const title = name === undefined ? `${nodes.get(source!)!.title} → ${nodes.get(target!)!.title}` : nodes.get(name)!.title;
        const most = inside.flatMap((l) => l.rows).sort((a, b) => length(b.amount!) - length(a.amount!));
        const lines = most.slice(0, rowsInTip).map((r) => ({
          name: partsOf(r)
            .filter((part) => !title.includes(part))
            .join(", "),
          value: `${printShort(r.amount!)} ${code}`,
        }));
        return tooltip(title, most.length > rowsInTip ? [...lines, { name: `and ${most.length - rowsInTip} more, in the table`, value: "" }] : lines);
      },
    },
    series: [
      {
        type: "sankey",
        left,
        right,
        top: 8,
        bottom: 8,
        nodeWidth: 10,
        nodeGap: 15,
        draggable: false,
        layoutIterations: 0,
        emphasis: { focus: "adjacency", lineStyle: { opacity: 0.6 } },
        data: ordered([...nodes.values()], [...links.values()]).map((n) => ({
          name: n.name,
          depth: n.depth,
          href: n.href,
          itemStyle: { color: colourOf(n.colour), borderWidth: 0 },
          label: {
            position: n.depth === 0 ? "left" : "right",
            color: text,
            fontSize: 13,
            formatter: () => fit(n.title, 13, [left, middle, right][n.depth]! - 16),
          },
        })),
        links: [...links.values()].map((l) => ({
          source: l.source,
          target: l.target,
          value: l.value,
          href: l.href,
          lineStyle: { color: colourOf(l.colour), opacity: 0.35, curveness: 0.5 },
        })),
      },
    ],
  };
}

// ordered puts the widest donors and kinds first, and the rungs from the bottom of the ladder to its top.
function ordered(nodes: Node[], links: { source: string; target: string; value: number }[]): Node[] {
  const width = (n: Node) => (n.name === "d:" ? 0 : links.filter((l) => l.source === n.name).reduce((sum, l) => sum + l.value, 0));
  const rung = (n: Node) => (rungs as readonly string[]).indexOf(n.rung ?? "");
  return nodes.sort((a, b) => a.depth - b.depth || rung(a) - rung(b) || width(b) - width(a));
}

const rowsInTip = 8;

function partsOf(r: SumRow): string[] {
  return [donorTitle(r.donor ?? ""), categoryTitle(r.category ?? ""), stage(r.stage).title];
}

// largest names the donors that are drawn by themselves.
function largest(rows: SumRow[]): Set<string> {
  const widths = new Map<string, number>();
  for (const r of rows) {
    widths.set(r.donor ?? "", (widths.get(r.donor ?? "") ?? 0) + Math.max(0, length(r.amount!)));
  }
  return new Set(
    [...widths]
      .sort(([, a], [, b]) => b - a)
      .slice(0, donorsShown)
      .map(([donor]) => donor),
  );
}
