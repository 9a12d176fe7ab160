// Books tells of a pledge or a line what reached each stage and what stands there, in all its assets, and what stands beside the ladder.
import { assetPhrase, basisPhrase } from "../../lib/asset.ts";
import { pledgeEntriesLink } from "../../lib/entries.ts";
import { isZero } from "../../lib/exact.ts";
import { plural, printDate } from "../../lib/print.ts";
import { link } from "../../lib/router.ts";
import { categoryTitle, instrumentTitle, ladder, spelt, stage, waiting } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { isHeading } from "../../lib/said.ts";
import { Flags } from "../../parts/Flags.tsx";
import { amountSaid } from "../../parts/event/Said.tsx";
import type { PledgeExcess, PledgeLine, PledgeRung, PledgeUndisclosed } from "../../lib/types.ts";

interface Props {
  ladder: PledgeRung[];
  over: PledgeExcess[];
  beside: PledgeExcess[];
  undisclosed: PledgeUndisclosed[];
  not_reported: string[];
  caption: string;
  // The stream of a whole pledge, whose figures lead to their entries.
  stream?: string;
}

export function Books({ ladder: rungs, over, beside, undisclosed, not_reported, caption, stream }: Props) {
  return (
    <>
      <Outstanding rungs={rungs} />
      {rungs.length > 0 && <Rungs rungs={rungs} caption={caption} stream={stream} />}
      <ul class="besides">
        {undisclosed.map((u) => (
          <li key={`${u.stage} ${u.basis}`} class="unknown">
            {plural(u.count, "value is", "values are")} undisclosed at {stage(u.stage).title.toLowerCase()}, {basisPhrase(u.basis)}: not
            zero, and in no sum.
          </li>
        ))}
        {over.map((o) => (
          <li key={`${o.account} ${o.asset}`} class="unknown">
            {amountSaid(o.amount, o.asset)} stand beyond the cap, {spelt(o.account.replace("over:", ""))} beyond what the stage before gave.
          </li>
        ))}
        {[...new Set(beside.map((b) => b.account))].map((account) => (
          <li key={account}>
            {spelt(account)}:{" "}
            {beside
              .filter((b) => b.account === account)
              .map((b) => amountSaid(b.amount, b.asset))
              .join("; ")}{" "}
            <span class="quiet">({besides[account] ?? "beside the ladder"})</span>
          </li>
        ))}
        {not_reported.length > 0 && (
          <li class="unknown">
            Not reported: {not_reported.map((s) => stage(s).title.toLowerCase()).join(", ")}. Something must have passed there, and no fact
            says when and how much.
          </li>
        )}
      </ul>
    </>
  );
}

const besides: Record<string, string> = {
  unmeasured: "what appeared or disappeared on the way in this asset, where the stage before or after does not count in it",
  difference: "the gap between what a fact states and what it takes from the stage before",
};

// Outstanding says what has not arrived, each rung in its own words and each asset apart.
function Outstanding({ rungs }: { rungs: PledgeRung[] }) {
  const open = rungs.filter((r) => r.stage in waiting && !isZero(r.standing));
  const stages = Object.keys(waiting).filter((s) => open.some((r) => r.stage === s));
  return stages.length === 0 ? null : (
    <p class="outstanding">
      Outstanding:{" "}
      {stages.map((s) => `${waiting[s]}, ${and(open.filter((r) => r.stage === s).map((r) => amountSaid(r.standing, r.asset)))}`).join("; ")}
      .
    </p>
  );
}

function and(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function Rungs({ rungs, caption, stream }: { rungs: PledgeRung[]; caption: string; stream: string | undefined }) {
  // A claim stands beside the hand-over that it speaks of; what left the ladder comes last.
  const order = (s: string) => {
    const i = (ladder as readonly string[]).indexOf(s === "claimed" ? "handed_over" : s);
    return i < 0 ? ladder.length : i;
  };
  const rows = [...rungs].sort((a, b) => order(a.stage) - order(b.stage));
  return (
    <div class="table" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">
              <span>Stage</span>
            </th>
            <th scope="col">
              <span>Counted in</span>
            </th>
            <th scope="col" class="number">
              <span>Ever reached</span>
            </th>
            <th scope="col" class="number">
              <span>Standing now</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((r, i) => (
            <tr key={`${r.stage} ${r.asset}`}>
              <th scope="row">
                {i > 0 && rows[i - 1]!.stage === r.stage ? <span class="hidden">{stage(r.stage).title}</span> : stage(r.stage).title}
              </th>
              <td>{assetPhrase(r.asset)}</td>
              <td class="number">
                <Amount amount={r.reached} asset={r.asset} full href={stream && pledgeEntriesLink(stream, r.asset, r.stage, "reached")} />
              </td>
              <td class="number">
                <Amount amount={r.standing} asset={r.asset} full href={stream && pledgeEntriesLink(stream, r.asset, r.stage, "standing")} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function LineBooks({ line: l }: { line: PledgeLine }) {
  const name = `${stage(l.entered).title}: ${isHeading(l.title) ? l.title : categoryTitle(l.category)}`;
  return (
    <div class="line" id={`line-${l.line}`} tabIndex={-1}>
      <h3>{name}</h3>
      {!isHeading(l.title) && <p class="long">{l.title}</p>}
      <p>
        <a href={link(`/category/${l.category}`, { category: "" })}>{categoryTitle(l.category)}</a>, {instrumentTitle(l.instrument)}
        {l.firmness && <>, {l.firmness === "unknown" ? "firmness not known" : l.firmness}</>}, {printDate(l.effective || "unknown")}{" "}
        <Flags flags={l.flags} />
      </p>
      <Books {...l} caption={`${name}, line ${l.line}`} />
    </div>
  );
}
