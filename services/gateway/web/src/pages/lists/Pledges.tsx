// Pledges lists pledges with what reached each stage in the asset that is shown.
import { useMemo } from "preact/hooks";
import { parseAsset } from "../../lib/asset.ts";
import { streamLink } from "../../lib/entries.ts";
import { useList } from "../../lib/list.ts";
import { printDate } from "../../lib/print.ts";
import { categoryTitle, donorTitle, ladder, spelt, stage } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { Flags } from "../../parts/Flags.tsx";
import { ListTable } from "../../parts/ListTable.tsx";
import type { Column } from "../../parts/DataTable.tsx";
import type { Params } from "../../lib/api.ts";
import type { Measure } from "../../lib/measure.ts";
import type { Pledge, PledgesResponse } from "../../lib/types.ts";
import type { ComponentChildren } from "preact";

// The rungs that have a column of their own; of what arrived, what was signed for, what is only claimed and what was paid are never added.
const rungs = ["committed", "allocated", "handed_over", "claimed", "booked"] as const;

interface Props {
  measure: Measure;
  params: Params;
  // Whether the donor of each is told.
  donors: boolean;
  empty: ComponentChildren;
}

export function Pledges({ measure, params, donors, empty }: Props) {
  const list = useList<Pledge, PledgesResponse>("/v1/pledges", params, (page) => page.pledges, { follow: true });
  const { asset } = measure;
  const columns = useMemo(() => columnsOf(asset, donors), [asset, donors]);
  return (
    <ListTable
      list={list}
      caption={`Pledges, each as a whole: all of it that ever reached the stage, in ${parseAsset(asset).item || parseAsset(asset).code} alone`}
      columns={columns}
      total={list.data?.total}
      nouns={["pledge", "pledges"]}
      order={donors ? "by donor, then by first day" : "by first day"}
      empty={empty}
      file="pledges"
    />
  );
}

function columnsOf(asset: string, donors: boolean): Column<Pledge>[] {
  const reached = (p: Pledge, at: string) => p.ladder.find((r) => r.stage === at && r.asset === asset)?.reached;
  const over = (p: Pledge) => p.over.filter((o) => o.asset === asset);
  return [
    { id: "title", header: "Pledge", worded: true, value: titleOf, cell: (p) => <a href={streamLink(p.stream)}>{titleOf(p)}</a> },
    ...(donors ? [{ id: "donor", header: "Donor", value: (p: Pledge) => donorTitle(p.donor) }] : []),
    {
      id: "first",
      header: "First day",
      value: (p) => p.first,
      cell: (p) => (p.first ? <span class="day">{printDate(p.first)}</span> : <span class="quiet">not known</span>),
    },
    { id: "status", header: "Status", value: (p) => p.status },
    ...rungs.map((at): Column<Pledge> => ({
      id: at,
      header: stage(at).title,
      hint: stage(at).meaning,
      numeric: true,
      value: (p) => reached(p, at),
      cell: (p) => (reached(p, at) === undefined ? "" : <Amount amount={reached(p, at)} asset={asset} />),
    })),
    {
      id: "unknown",
      header: "Undisclosed",
      hint: "Values that are undisclosed, over all stages and bases",
      numeric: true,
      value: (p) => p.unknown,
      cell: (p) => (p.unknown === "0" ? "" : <span class="unknown">{p.unknown}</span>),
    },
    {
      id: "over",
      header: "Beyond a cap",
      hint: "What stands beyond what the stage before gave",
      value: (p) => over(p)[0]?.amount,
      numeric: true,
      cell: (p) => over(p).map((o) => <Amount key={o.account} amount={o.amount} asset={o.asset} />),
    },
    { id: "flags", header: "Flags", value: (p) => p.flags.join(", "), cell: (p) => <Flags flags={p.flags} /> },
    { id: "others", header: "Also in", hint: "Assets of this pledge that are not shown here", value: (p) => others(p, asset).join(", ") },
  ];
}

export function titleOf(p: { title: string; stream: string; lines?: { category: string }[] }): string {
  return (
    p.title ||
    (p.lines?.[0] ? categoryTitle(p.lines[0].category) : `Untitled pledge ${p.stream.slice("pledge-".length, "pledge-".length + 8)}`)
  );
}

// others are the assets that the table does not show, in short.
function others(p: Pledge, asset: string): string[] {
  const found = new Set(p.ladder.filter((r) => r.asset !== asset && (ladder as readonly string[]).includes(r.stage)).map((r) => r.asset));
  return [...found].map((a) => parseAsset(a)).map((a) => a.item || `${a.code} ${spelt(a.basis)}`);
}
