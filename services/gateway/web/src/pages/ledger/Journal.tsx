// Journal lists recorded facts. What is being read stays where it is: new facts announce themselves.
import { useEffect, useMemo, useState } from "preact/hooks";
import { streamLink } from "../../lib/entries.ts";
import { useList, type List } from "../../lib/list.ts";
import { head } from "../../lib/live.ts";
import { plural, printCount, printDate, printTime } from "../../lib/print.ts";
import { useQuery } from "../../lib/query.ts";
import { change, link, place, view } from "../../lib/router.ts";
import { factTypes } from "../../lib/said.ts";
import { useTitle } from "../../lib/title.ts";
import { categoryTitle, donorTitle, factTitle } from "../../lib/words.ts";
import { Choice, FilterBar } from "../../parts/FilterBar.tsx";
import { Flags } from "../../parts/Flags.tsx";
import { ListTable } from "../../parts/ListTable.tsx";
import { EmptyLedger } from "../../parts/States.tsx";
import { amountSaid } from "../../parts/event/Said.tsx";
import type { Params } from "../../lib/api.ts";
import type { Column } from "../../parts/DataTable.tsx";
import type { JournalEvent, JournalResponse } from "../../lib/types.ts";

const kinds = ["pledge", "shipment", "payment", "import"];
const own = ["kind", "type", "text", "before", "since"];

export function Journal() {
  useTitle("Recorded facts");
  const v = view.value;
  const text = (name: string) => place.value.searchParams.get(name) ?? "";
  const before = /^\d+$/.test(text("before")) ? text("before") : "";
  const since = /^\d+$/.test(text("since")) ? text("since") : "";
  const params = {
    kind: text("kind"),
    donor: v.donor,
    group: v.group,
    category: v.category,
    type: text("type"),
    text: text("text"),
    before,
  };
  const list = useList<JournalEvent, JournalResponse>("/v1/journal", params, (page) => page.events, { follow: false });
  const [turn, setTurn] = useState(0);
  const columns = useMemo(() => columnsOf(since), [since]);
  if (head.value?.ordinal === -1) {
    return (
      <>
        <h1>Recorded facts</h1>
        <EmptyLedger />
      </>
    );
  }
  return (
    <>
      <h1>Recorded facts</h1>
      <p class="under">A fact is never edited or deleted. What was wrong is corrected by a further fact, and both stay readable.</p>
      <FilterBar label="Which facts" without={["stage", "instrument", "from", "mode"]} also={own}>
        <Choice
          label="Kind"
          name="kind"
          value={params.kind}
          none="All kinds"
          options={kinds.map((k) => ({ value: k, title: `of ${k}s` }))}
        />
        <Choice
          label="What"
          name="type"
          value={params.type.slice(params.type.lastIndexOf(".") + 1)}
          none="All that happened"
          options={factTypes.map((t) => ({ value: t, title: factTitle(t) }))}
        />
        <Search />
        <Before value={before} />
      </FilterBar>
      <News
        list={list}
        params={params}
        before={before}
        since={since}
        show={() => {
          setTurn(turn + 1);
          list.refresh();
        }}
      />
      <div class="tall">
        <ListTable
          key={turn}
          list={list}
          caption="Recorded facts, the newest first"
          columns={columns}
          nouns={["fact", "facts"]}
          order="by when they were recorded, the newest first"
          next="older"
          empty={<p>No recorded fact passes these filters. That says what the ledger holds, not that it did not happen.</p>}
          file="journal"
        />
      </div>
    </>
  );
}

const searchMilliseconds = 300;

// Search asks when a reader pauses.
function Search() {
  const asked = place.value.searchParams.get("text") ?? "";
  const [typed, setTyped] = useState(asked);
  useEffect(() => setTyped(asked), [asked]);
  useEffect(() => {
    if (typed.trim() === asked) {
      return undefined;
    }
    const timer = setTimeout(() => change({ text: typed.trim() }), searchMilliseconds);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <label class="search">
      <span>Words, amounts, ids</span>
      <input type="search" value={typed} maxLength={200} onInput={(e) => setTyped(e.currentTarget.value)} />
    </label>
  );
}

function Before({ value }: { value: string }) {
  return (
    <label class="before">
      <span>Before fact</span>
      <input
        type="text"
        inputMode="numeric"
        pattern="\d*"
        maxLength={15}
        value={value}
        onChange={(e) => e.currentTarget.checkValidity() && change({ before: e.currentTarget.value })}
      />
    </label>
  );
}

const newsMax = 100;

interface NewsProps {
  list: List<JournalEvent, JournalResponse>;
  params: Params;
  before: string;
  since: string;
  show: () => void;
}

// News keeps its room also while there is none, so that nothing below it moves.
function News({ list, params, before, since, show }: NewsProps) {
  const newest = useQuery<JournalResponse>("/v1/journal", before === "" && list.data ? { ...params, limit: newsMax } : null);
  const seen = BigInt(list.data?.ordinal ?? "-1");
  const fresh = newest.data && !newest.pending && !list.pending ? newest.data.events.filter((e) => BigInt(e.ordinal) > seen).length : 0;
  if (before !== "") {
    return (
      <p class="news">
        Facts that were recorded before fact {printCount(before)}. <a href={address({ before: "" })}>Show the newest</a>
      </p>
    );
  }
  return (
    <p class="news" role="status">
      {fresh > 0 ? (
        <>
          <strong>{fresh === newsMax ? `${newsMax} new facts or more` : plural(fresh, "new fact", "new facts")}</strong>{" "}
          <button type="button" onClick={show}>
            Show
          </button>
        </>
      ) : since !== "" ? (
        <>
          Marked as new: what was recorded after fact {printCount(since)}. <a href={address({ since: "" })}>Unmark</a>
        </>
      ) : (
        <span class="quiet">New facts announce themselves here.</span>
      )}
    </p>
  );
}

// address is that of this page, changed.
function address(patch: Record<string, string>): string {
  const p = new URLSearchParams(place.value.search);
  for (const [name, value] of Object.entries(patch)) {
    p.delete(name);
    if (value) {
      p.set(name, value);
    }
  }
  return `/ledger${p.size > 0 ? `?${p}` : ""}`;
}

function columnsOf(since: string): Column<JournalEvent>[] {
  const marks = (e: JournalEvent) => [
    ...(since !== "" && BigInt(e.ordinal) > BigInt(since) ? ["new"] : []),
    ...(e.corrects.length > 0 ? ["corrects"] : []),
    ...e.flags,
  ];
  return [
    { id: "ordinal", header: "Fact", numeric: true, value: (e) => e.ordinal, cell: (e) => printCount(e.ordinal) },
    {
      id: "what",
      header: "What happened",
      worded: true,
      value: (e) => `${factTitle(e.type)}: ${e.title}`,
      cell: (e) => <What event={e} />,
    },
    {
      id: "donor",
      header: "Donor",
      value: (e) => donorTitle(e.donor === "_" ? "" : e.donor),
      cell: (e) => (e.donor === "" || e.donor === "_" ? "" : <a href={link(`/donor/${e.donor}`, { donor: "" })}>{donorTitle(e.donor)}</a>),
    },
    {
      id: "effective",
      header: "Effective",
      value: (e) => e.effective.replace(/^until /, ""),
      cell: (e) => <span class="day">{printDate(e.effective)}</span>,
    },
    {
      id: "recorded",
      header: "Recorded",
      value: (e) => e.recorded_at,
      cell: (e) => (
        <time class="day" dateTime={e.recorded_at}>
          {printTime(e.recorded_at)}
        </time>
      ),
    },
    { id: "amounts", header: "Amounts", value: (e) => amounts(e).join("; "), cell: (e) => <Amounts event={e} /> },
    { id: "marks", header: "Marks", value: (e) => marks(e).join(", "), cell: (e) => <Flags flags={marks(e)} /> },
    {
      id: "categories",
      header: "Category",
      worded: true,
      value: (e) => e.categories.map(categoryTitle).join(", "),
      cell: (e) => <Categories codes={e.categories} />,
    },
    { id: "actor", header: "Who says so", hint: "A claim: the ledger has not verified it", value: (e) => e.actor },
    { id: "reason", header: "Reason", value: (e) => e.reason },
  ];
}

function What({ event: e }: { event: JournalEvent }) {
  return (
    <>
      <a href={streamLink(e.stream, e.revision)}>{factTitle(e.type)}</a>
      {e.title && `: ${e.title}`}
    </>
  );
}

const categoriesShown = 2;

function Categories({ codes }: { codes: readonly string[] }) {
  const all = codes.map(categoryTitle);
  return (
    <span class="whole" title={all.join(", ")}>
      {all.slice(0, categoriesShown).join(", ")}
      {all.length > categoriesShown && ` and ${all.length - categoriesShown} more`}
    </span>
  );
}

const amountsShown = 2;

function amounts(e: JournalEvent): string[] {
  return e.amounts.map((a) => amountSaid(a.amount, a.asset));
}

function Amounts({ event: e }: { event: JournalEvent }) {
  const all = amounts(e);
  const shown = all.slice(0, amountsShown);
  const more = all.length - shown.length;
  return (
    <span class="stack" title={more > 0 ? all.join("; ") : undefined}>
      {[...shown, ...(more > 0 ? [`and ${printCount(more)} more`] : [])].map((words, i) => (
        <span key={i}>
          {i > 0 && <span class="separator">; </span>}
          {words}
        </span>
      ))}
      {e.unknown !== "0" && (
        <span class="unknown">
          {all.length > 0 && <span class="separator">; </span>}
          {plural(e.unknown, "undisclosed", "undisclosed")}
        </span>
      )}
    </span>
  );
}
