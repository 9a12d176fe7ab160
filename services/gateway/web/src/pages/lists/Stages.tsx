// Stages tells of each stage what ever reached it and what stands there now.
import { useMemo } from "preact/hooks";
import { parseAsset } from "../../lib/asset.ts";
import { entriesLink } from "../../lib/entries.ts";
import { isZero } from "../../lib/exact.ts";
import { sums, type Measure } from "../../lib/measure.ts";
import { plural, printFull, printShort } from "../../lib/print.ts";
import { together, useQuery } from "../../lib/query.ts";
import { view } from "../../lib/router.ts";
import { ladder, stage, waiting } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { DataTable, type Column } from "../../parts/DataTable.tsx";
import { Figure } from "../../parts/Figure.tsx";
import type { BalancesResponse, SumRow } from "../../lib/types.ts";

// Where promises stand that went no further, or left the ladder; each only where something is there.
const beside = ["contingent", "missing", "lost", "returned", "cancelled", "lapsed", "charges"];

// What stands now does so whatever the months that are asked for.
const always = { from: "", to: "" };

interface Row {
  stage: string;
  reached: SumRow | undefined;
  standing: SumRow | undefined;
}

export function Stages({ measure, who }: { measure: Measure; who: string }) {
  const v = view.value;
  const stages = [...ladder, ...beside];
  const came = sums(v, measure, { stages, reached: true });
  const stand = sums({ ...v, ...always }, measure, { stages, reached: false });
  const reached = useQuery<BalancesResponse>(came.path, came.params);
  const standing = useQuery<BalancesResponse>(stand.path, stand.params);
  const rows = useMemo(() => rowsOf(stages, reached.data, standing.data), [reached.data, standing.data]);
  const columns = useMemo(() => columnsOf(measure), [measure.asset, v]);
  const answer = together(reached, standing);
  return (
    <Figure
      id="stages"
      title="What came to each stage, and what still stands there"
      lead={standing.data && <Outstanding rows={rows} measure={measure} who={who} />}
      answer={answer}
      files={[
        { of: "ever reached", answer: reached },
        { of: "standing now", answer: standing },
      ]}
      asset={measure.asset}
      notes={v.from || v.to ? "The months narrow what reached a stage; what stands, stands now. " : "What stands has not moved on. "}
      counted="both"
      height={rows.length * 30}
      drawn={false}
      table={null}
    >
      <DataTable caption="Stages, from the first to the last, then what left the ladder" columns={columns} rows={rows} />
    </Figure>
  );
}

function rowsOf(stages: readonly string[], reached: BalancesResponse | undefined, standing: BalancesResponse | undefined): Row[] {
  const of = (answer: BalancesResponse | undefined, s: string) => answer?.rows.find((r) => r.stage === s);
  return stages
    .map((s): Row => ({ stage: s, reached: of(reached, s), standing: of(standing, s) }))
    .filter((r) => r.reached || r.standing || !beside.includes(r.stage));
}

function columnsOf(m: Measure): Column<Row>[] {
  const cell = (row: SumRow | undefined, mode: "reached" | "standing", at: string) =>
    row ? (
      <Amount
        amount={row.amount}
        asset={m.asset}
        unknown={row.unknown}
        full
        href={entriesLink(m, { stage: at, mode, ...(mode === "standing" ? always : {}) })}
      />
    ) : (
      <span class="quiet">not reported</span>
    );
  const code = parseAsset(m.asset).item || parseAsset(m.asset).code;
  return [
    {
      id: "stage",
      header: "Stage",
      value: (r) => stage(r.stage).title,
      cell: (r) => <span title={stage(r.stage).meaning}>{stage(r.stage).title}</span>,
    },
    {
      id: "reached",
      header: `Ever reached, ${code}`,
      numeric: true,
      value: (r) => r.reached?.amount,
      cell: (r) => cell(r.reached, "reached", r.stage),
    },
    {
      id: "standing",
      header: `Standing now, ${code}`,
      numeric: true,
      value: (r) => r.standing?.amount,
      cell: (r) => cell(r.standing, "standing", r.stage),
    },
    { id: "meaning", header: "That is", worded: true, value: (r) => stage(r.stage).meaning },
  ];
}

// Outstanding says what stands on each rung before arrival; no two are added.
function Outstanding({ rows, measure, who }: { rows: Row[]; measure: Measure; who: string }) {
  const code = parseAsset(measure.asset).item || parseAsset(measure.asset).code;
  const open = rows.filter((r) => r.stage in waiting && r.standing?.amount !== undefined && !isZero(r.standing.amount));
  const committed = rows.find((r) => r.stage === "committed");
  const unknown = committed?.reached?.unknown ?? "0";
  const undisclosed = unknown !== "0" && (
    <> {plural(unknown, "commitment of undisclosed value comes", "commitments of undisclosed value come")} on top.</>
  );
  if (!committed?.reached?.amount) {
    return (
      <>
        No amount is reported as committed by {who} in {code}.{undisclosed}
      </>
    );
  }
  if (open.length === 0) {
    return (
      <>
        Nothing that {who} committed in {code} is outstanding: all that is recorded was handed over, booked, or ended otherwise.
        {undisclosed}
      </>
    );
  }
  return (
    <>
      Outstanding of what {who} promised:{" "}
      {open.map((r, i) => (
        <>
          {i > 0 && (i === open.length - 1 ? " and " : ", ")}
          <a href={entriesLink(measure, { stage: r.stage, mode: "standing", ...always })} title={printFull(r.standing!.amount!)}>
            {printShort(r.standing!.amount!)} {code}
          </a>{" "}
          {waiting[r.stage]}
        </>
      ))}
      .{undisclosed}
    </>
  );
}
