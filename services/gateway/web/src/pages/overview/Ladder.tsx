// The headline: how far support came, rung by rung.
import { entriesLink } from "../../lib/entries.ts";
import { compare, length, percent, subtract } from "../../lib/exact.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { plural, printFull, printShort } from "../../lib/print.ts";
import { together, useQuery } from "../../lib/query.ts";
import { view } from "../../lib/router.ts";
import { parseAsset } from "../../lib/asset.ts";
import { inKindRungs, ladder, moneyRungs, stage } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { Figure } from "../../parts/Figure.tsx";
import { useWidth } from "../../parts/useWidth.ts";
import type { Column } from "../../parts/DataTable.tsx";
import type { BalancesResponse } from "../../lib/types.ts";

interface Rung {
  stage: string;
  branch: "" | "in kind" | "money";
  // Undefined where no fact says anything.
  amount: string | undefined;
  unknown: string;
  // The part that somebody claims and nobody signed.
  claimed: string | undefined;
}

export function Ladder({ measure }: { measure: Measure }) {
  const v = view.value;
  const all = sums(v, measure, { stages: ladder });
  const evidence = sums(v, measure, { stages: ["handed_over"], by: ["evidence"] });
  const answer = useQuery<BalancesResponse>(all.path, all.params);
  const claims = useQuery<BalancesResponse>(evidence.path, evidence.params);
  const rungs = rungsOf(answer.data, claims.data);
  const at = (s: string) => entriesLink(measure, { stage: s });
  const columns: Column<Rung>[] = [
    { id: "stage", header: "Stage", value: (r) => stage(r.stage).title },
    { id: "branch", header: "Branch", value: (r) => r.branch || "both" },
    {
      id: "amount",
      header: parseAsset(measure.asset).code,
      numeric: true,
      value: (r) => r.amount,
      cell: (r) => <Amount amount={r.amount} asset={measure.asset} unknown={r.amount === undefined ? r.unknown : undefined} full href={at(r.stage)} />,
    },
    { id: "claimed", header: "of it claimed", numeric: true, value: (r) => r.claimed, cell: (r) => (r.claimed ? printFull(r.claimed) : "") },
    { id: "unknown", header: "undisclosed", numeric: true, value: (r) => r.unknown },
  ];
  return (
    <Figure
      id="ladder"
      title={
        v.mode === "reached" ? "How far support has come" : v.from || v.to ? "How what stands at each stage changed" : "Where support stands now"
      }
      lead={<Gap rungs={rungs} asset={measure.asset} mode={v.mode} dated={v.from !== "" || v.to !== ""} />}
      answer={together(answer, claims)}
      files={[
        { of: "all stages", answer },
        { of: "signed or claimed", answer: claims },
      ]}
      asset={measure.asset}
      height={ladder.length * rowHeight + 2 * branchHeight + 30}
      table={{ caption: "Support at each stage", columns, rows: rungs }}
    >
      <LadderPicture rungs={rungs} asset={measure.asset} at={at} />
    </Figure>
  );
}

function rungsOf(all: BalancesResponse | undefined, claims: BalancesResponse | undefined): Rung[] {
  return ladder.map((s) => {
    const row = all?.rows.find((r) => r.stage === s);
    return {
      stage: s,
      branch: (inKindRungs as readonly string[]).includes(s) ? "in kind" : (moneyRungs as readonly string[]).includes(s) ? "money" : "",
      amount: row?.amount,
      unknown: row?.unknown ?? "0",
      // The two answers may be of two moments: a claim is part of a figure that is there.
      claimed: s === "handed_over" && row?.amount !== undefined ? claims?.rows.find((r) => r.evidence === "claim")?.amount : undefined,
    };
  });
}

// Gap says in words how much of what is committed has arrived.
function Gap({ rungs, asset, mode, dated }: { rungs: Rung[]; asset: string; mode: string; dated: boolean }) {
  const of = (s: string) => rungs.find((r) => r.stage === s);
  const committed = of("committed")?.amount;
  // What arrives in some months was mostly promised in others: only of all of them is it a part.
  if (dated || mode !== "reached" || committed === undefined || percent(committed, committed) === null) {
    return null;
  }
  const handed = of("handed_over");
  const booked = of("booked");
  const arrived = [handed?.amount, booked?.amount].filter((a) => a !== undefined);
  const open = arrived.reduce((left, a) => subtract(left, a), committed);
  const claimed = handed?.claimed;
  const unsigned =
    claimed === undefined
      ? ""
      : compare(claimed, handed!.amount!) === 0
        ? " (all of it claimed, none signed for)"
        : ` (${printShort(claimed)} of it claimed and not signed for)`;
  const unknown = of("committed")!.unknown;
  const code = parseAsset(asset).code;
  return (
    <>
      Of every 100 {code} committed, {few(of("allocated"), committed)} allocated and {few(handed, committed)} handed over{unsigned};{" "}
      {booked?.amount === undefined && booked?.unknown === "0" ? "no payment is reported as booked" : `${few(booked, committed)} paid and booked`}.{" "}
      <strong title={printFull(open)}>
        {printShort(open, { words: true })} {code}
      </strong>{" "}
      of what is committed has not arrived, as far as anybody reported.
      {unknown !== "0" && <> {plural(unknown, "undisclosed commitment comes", "undisclosed commitments come")} on top.</>}
    </>
  );
}

// few says how many of a hundred that are committed came to a rung.
function few(rung: Rung | undefined, committed: string): string {
  if (rung?.amount === undefined) {
    return rung && rung.unknown !== "0" ? "an undisclosed part is" : "none is reported as";
  }
  const share = percent(rung.amount, committed);
  return share === 0 ? "less than 1 is" : share === 1 ? "1 is" : `${share} are`;
}

const rowHeight = 28;
const barHeight = 16;
// A branch of the ladder has a line with its name before its rungs.
const branchHeight = 26;

// tops are where the rungs begin; the height of all stands at the end.
function tops(rungs: Rung[]): number[] {
  const all = [2];
  for (const [i, r] of rungs.entries()) {
    const begins = r.branch !== "" && rungs[i - 1]?.branch !== r.branch;
    all[i] = all[i]! + (begins ? branchHeight : 0);
    all.push(all[i]! + rowHeight);
  }
  return all;
}

function LadderPicture({ rungs, asset, at }: { rungs: Rung[]; asset: string; at: (stage: string) => string }) {
  const { ref, width } = useWidth();
  const label = width < 520 ? 112 : 170;
  const value = width < 520 ? 100 : 240;
  const room = Math.max(40, width - label - value);
  const most = Math.max(...rungs.map((r) => (r.amount ? length(r.amount) : 0)), 1);
  const bar = (amount: string | undefined) => (amount ? Math.max(1, (Math.max(0, length(amount)) / most) * room) : 0);
  const y0 = tops(rungs);
  return (
    <div ref={ref} class="ladder">
      {width > 0 && (
        <svg width={width} height={y0.at(-1)} role="group" aria-label="Bars of the amounts at each stage">
          <defs>
            <pattern id="claimed" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect width="6" height="6" class="claim-ground" />
              <rect width="2.5" height="6" class="bar" />
            </pattern>
          </defs>
          {rungs.map((r, i) => {
            const y = y0[i]!;
            const inset = r.branch === "" ? 0 : 14;
            const begins = inset > 0 && rungs[i - 1]?.branch !== r.branch;
            return (
              <g key={r.stage} class={r.stage === "announced" ? "rung apart" : "rung"}>
                {begins && (
                  <text x="0" y={y - 7} class="branch">
                    {r.branch === "money" ? "then, in money" : "then, in kind"}
                  </text>
                )}
                <text x={inset} y={y + 13}>
                  {stage(r.stage).title}
                </text>
                <rect x={label} y={y} width={room} height={barHeight} class={r.amount === undefined ? "track missing" : "track"} />
                {r.amount !== undefined && <rect x={label} y={y} width={bar(r.amount)} height={barHeight} class="bar" />}
                {r.claimed !== undefined && (
                  <rect x={label + bar(r.amount) - bar(r.claimed)} y={y} width={bar(r.claimed)} height={barHeight} fill="url(#claimed)" />
                )}
                {r.amount === undefined && r.unknown === "0" ? (
                  <text x={label + room + 10} y={y + 13} class="none">
                    not reported
                  </text>
                ) : r.amount === undefined ? (
                  <a href={at(r.stage)}>
                    <text x={width < 520 ? width : label + room + 10} y={y + 13} text-anchor={width < 520 ? "end" : "start"} class="none">
                      {r.unknown} undisclosed
                      <title>Show the entries</title>
                    </text>
                  </a>
                ) : (
                  <a href={at(r.stage)}>
                    <text x={label + room + 10} y={y + 13} class="figure">
                      {printShort(r.amount)} {parseAsset(asset).code}
                      {width >= 520 && r.unknown !== "0" && <tspan class="none"> + {r.unknown} undisclosed</tspan>}
                      <title>{printFull(r.amount)}: show the entries</title>
                    </text>
                  </a>
                )}
              </g>
            );
          })}
        </svg>
      )}
      <ul class="legend">
        {rungs.some((r) => r.stage === "announced" && r.amount !== undefined) && (
          <li class="rung apart">
            <svg width="22" height="12" aria-hidden="true">
              <rect x="1" y="1" width="20" height="10" class="bar" />
            </svg>
            announced: indicative, and part of no total of support
          </li>
        )}
        {rungs.some((r) => r.claimed !== undefined) && (
          <li>
            <svg width="22" height="12" aria-hidden="true">
              <rect width="22" height="12" fill="url(#claimed)" />
            </svg>
            claimed to be handed over; nobody signed for it
          </li>
        )}
      </ul>
    </div>
  );
}
