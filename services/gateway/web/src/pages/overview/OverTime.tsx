// How support grew, month by month.
import { useCallback, useMemo } from "preact/hooks";
import { parseAsset } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { compare, cumulate, length } from "../../lib/exact.ts";
import { below, colourOf, kindsOf } from "../../lib/kinds.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { everyMonth } from "../../lib/months.ts";
import { plural, printFull, printMonth, printShort } from "../../lib/print.ts";
import { useQuery } from "../../lib/query.ts";
import { go, view } from "../../lib/router.ts";
import { heading } from "../../lib/scope.ts";
import { categoryTitle } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { Chart, frame, tooltip } from "../../parts/Chart.tsx";
import { Figure } from "../../parts/Figure.tsx";
import type { Column } from "../../parts/DataTable.tsx";
import type { SumRow, TimelineResponse } from "../../lib/types.ts";

// Line is one category over all months: what came in each, and the running sum.
interface Line {
  category: string;
  monthly: string[];
  running: string[];
}

const height = 380;

export function OverTime({ measure }: { measure: Measure }) {
  const v = view.value;
  const at = v.stages[0] ?? "committed";
  const query = sums(v, measure, { stages: [at], by: ["month", "category"], depth: below(v.category) });
  const answer = useQuery<TimelineResponse>(query.path, query.params);
  const { months, lines } = useMemo(() => linesOf(answer.data?.rows ?? []), [answer.data]);
  const code = parseAsset(measure.asset).code;
  const option = useCallback(({ width }: { width: number }) => drawn(months, lines, width, code), [months, lines, code]);
  const select = useCallback(
    (item: { seriesName: string | undefined }) => go(entriesLink(measure, { stage: at, category: item.seriesName })),
    [measure.asset, at],
  );
  const columns: Column<SumRow>[] = [
    { id: "month", header: "Month", value: (r) => r.month, cell: (r) => printMonth(r.month!) },
    { id: "category", header: "Category", value: (r) => categoryTitle(r.category ?? "") },
    {
      id: "amount",
      header: `In the month, ${code}`,
      numeric: true,
      value: (r) => r.amount,
      cell: (r) => (
        <Amount
          amount={r.amount}
          asset={measure.asset}
          unknown={r.unknown}
          full
          href={entriesLink(measure, { stage: at, category: r.category, from: r.month, to: r.month })}
        />
      ),
    },
  ];
  return (
    <Figure
      id="over-time"
      title={`${heading(v, at)}${months[0] ? ` since ${printMonth(months[0])}` : " over time"}, by kind of support`}
      lead={
        v.mode === "reached"
          ? "Running sums of what came to the stage in each month. A fact counts in the month of the latest day on which it may have happened."
          : "Running sums of how what stands at the stage changed in each month."
      }
      answer={answer}
      asset={measure.asset}
      notes={<Undated rows={answer.data?.undated ?? []} measure={measure} at={at} />}
      height={height}
      table={{ caption: `${heading(v, at)}, by month and category`, columns, rows: answer.data?.rows ?? [] }}
    >
      {lines.length > 0 ? (
        <>
          <LineLegend lines={lines} />
          <Chart
            option={option}
            height={height}
            label={`${heading(v, at)}, summed month by month; the table below has each month`}
            onSelect={select}
          />
        </>
      ) : (
        <p class="nothing">
          {answer.data?.rows.length === 0 ? "No dated fact says anything of this stage." : "All that came in these months is undisclosed; the table counts it."}
        </p>
      )}
    </Figure>
  );
}

function linesOf(rows: readonly SumRow[]): { months: string[]; lines: Line[] } {
  const months = everyMonth(rows.flatMap((r) => (r.month ? [r.month] : [])));
  const byCategory = new Map<string, Map<string, string>>();
  for (const r of rows) {
    if (r.month && r.category !== undefined && r.amount !== undefined) {
      const line = byCategory.get(r.category) ?? new Map<string, string>();
      byCategory.set(r.category, line.set(r.month, r.amount));
    }
  }
  const lines = [...byCategory].map(([category, amounts]) => {
    const monthly = months.map((m) => amounts.get(m) ?? "0");
    return { category, monthly, running: cumulate(monthly) };
  });
  lines.sort((a, b) => compare(b.running.at(-1)!, a.running.at(-1)!));
  return { months, lines };
}

const dashes = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

// Two names at the lines' ends are this far apart, or the lower stays away and the legend has it.
const namePixels = 17;

// named are the lines that have their names at their ends. They are sorted, the highest first.
function named(lines: Line[]): Set<string> {
  const scale = (height - 42) / Math.max(...lines.map((l) => length(l.running.at(-1)!)), 1);
  const names = new Set<string>();
  let last = Infinity;
  for (const l of lines) {
    const y = length(l.running.at(-1)!) * scale;
    if (last - y >= namePixels) {
      names.add(l.category);
      last = y;
    }
  }
  return names;
}

// LineLegend stands where there is no room for names at the lines' ends.
function LineLegend({ lines }: { lines: Line[] }) {
  const kinds = kindsOf(lines.map((l) => l.category));
  return (
    <ul class={named(lines).size < lines.length ? "legend" : "legend only-narrow"}>
      {[...kinds.values()].map((k) => (
        <li key={k.code}>
          <svg width="30" height="12" aria-hidden="true">
            <line
              x1="0"
              x2="30"
              y1="6"
              y2="6"
              stroke-width="2.5"
              stroke-dasharray={dashes[k.pattern]!.join(" ")}
              style={{ stroke: `var(${k.colour})` }}
            />
          </svg>
          {categoryTitle(k.code)}
        </li>
      ))}
    </ul>
  );
}

function drawn(months: string[], lines: Line[], width: number, code: string) {
  const kinds = kindsOf(lines.map((l) => l.category));
  const narrow = width < 620;
  const names = named(lines);
  // Every so many months have a name below, counted from January.
  const room = (width - 60) / months.length;
  const step = [1, 3, 6].find((n) => n * room > 70) ?? 12;
  const [text, quiet, rule] = [colourOf("--text"), colourOf("--quiet"), colourOf("--line")];
  const family = getComputedStyle(document.body).fontFamily;
  return {
    textStyle: { fontFamily: family, color: text },
    grid: { left: 56, right: narrow ? 16 : 210, top: 14, bottom: 34 },
    tooltip: {
      ...frame,
      trigger: "axis",
      axisPointer: { lineStyle: { color: quiet } },
      formatter: (items: { dataIndex: number }[]) => {
        const i = items[0]?.dataIndex ?? 0;
        return tooltip(
          `Until the end of ${printMonth(months[i]!)}`,
          lines.map((l) => ({
            colour: colourOf(kinds.get(l.category)!.colour),
            name: categoryTitle(l.category),
            value: `${printShort(l.running[i]!)} ${code}`,
          })),
        );
      },
    },
    xAxis: {
      type: "category",
      data: months,
      boundaryGap: false,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: quiet } },
      axisLabel: {
        color: quiet,
        fontSize: 13,
        margin: 14, // clear of the zero beside it
        hideOverlap: true,
        formatter: (m: string) => (step === 12 ? m.slice(0, 4) : printMonth(m)),
        interval: (_: number, m: string) => (Number(m.slice(5)) - 1) % step === 0,
      },
    },
    yAxis: {
      type: "value",
      splitNumber: 4,
      splitLine: { lineStyle: { color: rule } },
      axisLabel: { color: quiet, fontSize: 13, formatter: (n: number) => printShort(BigInt(Math.round(n)).toString()).replace(/[.,]0(?=\s)/, "") },
    },
    series: lines.map((l) => {
      const kind = kinds.get(l.category)!;
      const colour = colourOf(kind.colour);
      return {
        name: l.category,
        type: "line",
        showSymbol: false,
        triggerLineEvent: true,
        data: l.running.map(length),
        lineStyle: { width: 2.2, color: colour, type: dashes[kind.pattern]!.length ? dashes[kind.pattern] : "solid" },
        itemStyle: { color: colour },
        emphasis: { disabled: true },
        endLabel: {
          show: !narrow && names.has(l.category),
          color: colour,
          fontSize: 13,
          formatter: () => `${categoryTitle(l.category)} ${printShort(l.running.at(-1)!)}`,
          width: 200,
          overflow: "truncate",
        },
      };
    }),
  };
}

// Undated says what the lines cannot show, because nobody knows when it happened.
function Undated({ rows, measure, at }: { rows: SumRow[]; measure: Measure; at: string }) {
  return (
    <>
      {rows.map((r, i) => (
        <span key={i}>
          On no known day, and therefore in no month:{" "}
          <a href={entriesLink(measure, { stage: r.stage || at, undated: true })}>
            {r.amount === undefined ? (
              plural(r.unknown, "undisclosed value", "undisclosed values")
            ) : (
              <span title={printFull(r.amount)}>{printShort(r.amount)}</span>
            )}
          </a>
          .{" "}
        </span>
      ))}
    </>
  );
}
