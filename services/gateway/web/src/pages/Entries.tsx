// The entries behind a figure: what moved it, one by one, each with its fact.
import { useMemo } from "preact/hooks";
import { assetPhrase, basisOf, basisPhrase, parseAsset } from "../lib/asset.ts";
import { streamLink } from "../lib/entries.ts";
import { useList } from "../lib/list.ts";
import { measure } from "../lib/measure.ts";
import { plural, printCount, printDate, printTime } from "../lib/print.ts";
import { link, place, view } from "../lib/router.ts";
import { scope } from "../lib/scope.ts";
import { useTitle } from "../lib/title.ts";
import { categoryTitle, donorTitle, factTitle, instrumentTitle, stage } from "../lib/words.ts";
import { exact } from "../parts/Amount.tsx";
import { FilterBar } from "../parts/FilterBar.tsx";
import { ListTable } from "../parts/ListTable.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { ErrorNote, Skeleton } from "../parts/States.tsx";
import { amountSaid } from "../parts/event/Said.tsx";
import type { Params } from "../lib/api.ts";
import type { Column } from "../parts/DataTable.tsx";
import type { EntriesResponse, LedgerEntry } from "../lib/types.ts";

export function Entries() {
  const params = question();
  const list = useList<LedgerEntry, EntriesResponse>("/v1/entries", params, (page) => page.entries, { follow: true });
  const { data, error } = list;
  const at = params ? String(params.stage) : "";
  useTitle(`Entries: ${stage(at).title.toLowerCase()}`);
  const one = params?.asset !== undefined && params.asset !== "" ? String(params.asset) : undefined;
  const columns = useMemo(() => columnsOf(one, at), [one, at]);
  return (
    <>
      <h1>The entries behind a figure</h1>
      <SeenBanner />
      <FilterBar also={["beneficiary", "stream", "undated", "evidence"]} />
      {!params ? (
        <Skeleton height={400} />
      ) : (
        <>
          <section class="sum" aria-labelledby="sum-title" aria-busy={list.pending}>
            <h2 id="sum-title">{figure(params)}</h2>
            {error && !data && <ErrorNote problem={error} />}
            {data && (
              <>
                <ul class="sums">
                  {data.sums.map((s) => (
                    <li key={s.asset ?? ""}>
                      {s.amount !== undefined && s.asset !== undefined && <strong>{amountSaid(s.amount, s.asset)}</strong>}
                      {s.unknown !== "0" && (
                        <span class="unknown">
                          {s.amount !== undefined && " + "}
                          {plural(s.unknown, "undisclosed value", "undisclosed values")}, never zero
                        </span>
                      )}
                    </li>
                  ))}
                  {data.sums.length === 0 && <li class="unknown">Not reported: no entry moved this figure. That is not zero.</li>}
                </ul>
                <p class="meta">
                  {data.sums.length > 0 && (
                    <>
                      The {plural(data.total, "entry below adds", "entries below add")} up to{" "}
                      {data.sums.filter((s) => s.amount !== undefined).length > 1
                        ? "these figures, which never add to each other"
                        : "this figure"}
                      ; the server counted both.{" "}
                    </>
                  )}
                  {params.stream && (
                    <>
                      They are of <a href={streamLink(String(params.stream))}>this {kindOf(String(params.stream))}</a>.{" "}
                    </>
                  )}
                  As of fact {printCount(data.ordinal)}, position {data.position}.
                </p>
              </>
            )}
          </section>
          {data && (
            <div class="tall">
              <ListTable
                list={list}
                caption={`Entries${one ? `, in ${assetPhrase(one)}` : ""}: what came is positive, what left is negative`}
                columns={columns}
                total={data.total}
                nouns={["entry", "entries"]}
                order="by donor, category, instrument and asset, then as they were recorded"
                empty={
                  <p>
                    No entry passes. Widen the filters above, or look at the <a href={link("/ledger")}>recorded facts</a>.
                  </p>
                }
                file="entries"
              />
            </div>
          )}
        </>
      )}
    </>
  );
}

// question makes the request of the address; null until it is known what is counted, where the address does not say.
function question(): Params | null {
  const v = view.value;
  const text = (name: string) => place.value.searchParams.get(name) ?? "";
  const m = v.asset || v.basis ? { asset: v.asset, basis: v.asset ? basisOf(v.asset) : v.basis } : measure.value;
  return (
    m && {
      stage: v.stages[0] ?? "committed",
      basis: m.basis,
      asset: m.asset,
      reached: v.mode === "reached",
      donor: v.donor,
      group: v.group,
      beneficiary: text("beneficiary"),
      category: v.category,
      instruments: v.instruments,
      stream: text("stream"),
      from: v.from,
      to: v.to,
      undated: text("undated") === "true",
      evidence: text("evidence"),
    }
  );
}

// figure says which figure the entries make up.
function figure(p: Params): string {
  const counted = p.asset ? assetPhrase(String(p.asset)) : `everything ${basisPhrase(String(p.basis))}`;
  const words = stage(String(p.stage));
  const narrowed = [
    scope(p),
    p.evidence && (p.evidence === "claim" ? "claimed, without a signature" : "signed"),
    p.undated && "on no known day",
    p.stream && `of one ${kindOf(String(p.stream))}`,
  ]
    .filter(Boolean)
    .join("; ");
  return `${p.reached ? `All that was ever ${words.verb}` : `All that moved what stands ${words.title.toLowerCase()}`}, in ${counted}${narrowed && ` (${narrowed})`}`;
}

function kindOf(stream: string): string {
  return stream.slice(0, stream.indexOf("-")) || "stream";
}

function columnsOf(asset: string | undefined, at: string): Column<LedgerEntry>[] {
  return [
    { id: "what", header: "Fact", worded: true, value: (e) => `${factTitle(e.type)}: ${e.title}`, cell: (e) => <Fact entry={e} /> },
    {
      id: "amount",
      header: asset ? `Amount, ${parseAsset(asset).item || parseAsset(asset).code}` : "Amount",
      numeric: true,
      value: (e) => e.amount,
      cell: (e) => (e.amount !== undefined && e.asset ? exact(e.amount, e.asset) : <Undisclosed count={e.unknown} />),
    },
    ...(asset ? [] : [{ id: "asset", header: "of", value: (e: LedgerEntry) => e.asset && assetPhrase(e.asset) }]),
    {
      id: "donor",
      header: "Donor",
      value: (e) => donorTitle(e.donor),
      cell: (e) => <a href={link(`/donor/${e.donor}`, { donor: "" })}>{donorTitle(e.donor)}</a>,
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
    { id: "category", header: "Category", value: (e) => categoryTitle(e.category) },
    { id: "instrument", header: "Instrument", value: (e) => instrumentTitle(e.instrument) },
    ...(at === "handed_over" ? [{ id: "evidence", header: "Evidence", value: (e: LedgerEntry) => e.evidence }] : []),
    { id: "ordinal", header: "Fact no.", numeric: true, value: (e) => e.ordinal, cell: (e) => printCount(e.ordinal) },
  ];
}

function Fact({ entry: e }: { entry: LedgerEntry }) {
  return (
    <>
      <a href={streamLink(e.stream, e.revision)}>{factTitle(e.type)}</a>
      {e.title && `: ${e.title}`}
    </>
  );
}

function Undisclosed({ count }: { count: string }) {
  return count === "0" ? null : (
    <span class="unknown">{count.startsWith("-") ? "undisclosed value told" : plural(count, "undisclosed", "undisclosed")}</span>
  );
}
