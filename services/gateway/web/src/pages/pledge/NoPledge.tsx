// NoPledge stands where an id names no pledge, or several.
import { streamLink } from "../../lib/entries.ts";
import { useList } from "../../lib/list.ts";
import { printDate } from "../../lib/print.ts";
import { link } from "../../lib/router.ts";
import { donorTitle } from "../../lib/words.ts";
import { ListTable } from "../../parts/ListTable.tsx";
import { ErrorNote, sentence } from "../../parts/States.tsx";
import { titleOf } from "../lists/Pledges.tsx";
import type { Problem } from "../../lib/api.ts";
import type { Column } from "../../parts/DataTable.tsx";
import type { Pledge, PledgesResponse } from "../../lib/types.ts";

export function NoPledge({ id, problem }: { id: string; problem: Problem }) {
  if (problem.code === "ambiguous") {
    return <Several id={id} />;
  }
  if (problem.code !== "not_found") {
    return (
      <>
        <h1>Pledge {id}</h1>
        <ErrorNote problem={problem} />
      </>
    );
  }
  return (
    <section class="note">
      <h1>No pledge is known as {id}</h1>
      <p>{sentence(problem.message)}</p>
      <p>
        A pledge is named by its stream, its UUID, or the id that an outside source gave it, to the letter. Look for{" "}
        <a href={link("/ledger", { text: id })}>recorded facts that hold “{id}”</a>, or find the pledge on the page of{" "}
        <a href={link("/")}>its donor</a>.
      </p>
      <p class="code">{problem.code}</p>
    </section>
  );
}

const columns: Column<Pledge>[] = [
  { id: "title", header: "Pledge", worded: true, value: titleOf, cell: (p) => <a href={streamLink(p.stream)}>{titleOf(p)}</a> },
  { id: "donor", header: "Donor", value: (p) => donorTitle(p.donor) },
  {
    id: "first",
    header: "First day",
    value: (p) => p.first,
    cell: (p) => (p.first ? <span class="day">{printDate(p.first)}</span> : "not known"),
  },
  {
    id: "release",
    header: "Known outside as",
    value: (p) => p.references.map((r) => [r.publisher, r.release, r.external_id].filter(Boolean).join(", ")).join("; "),
  },
];

function Several({ id }: { id: string }) {
  const list = useList<Pledge, PledgesResponse>("/v1/pledges", { external_id: id }, (page) => page.pledges, { follow: true });
  return (
    <>
      <h1>Several pledges are known as {id}</h1>
      <p class="under">
        An outside id is no key: sources, and releases of one source, give the same id to different pledges. Choose the one that you mean.
      </p>
      <ListTable
        list={list}
        caption={`Pledges with the outside id ${id}`}
        columns={columns}
        total={list.data?.total}
        nouns={["pledge", "pledges"]}
        order="by donor, then by first day"
        empty={<p>None any more.</p>}
      />
    </>
  );
}
