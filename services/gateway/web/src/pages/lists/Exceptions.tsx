// Exceptions lists what somebody must look at.
import { useMemo } from "preact/hooks";
import { assetPhrase, parseAsset } from "../../lib/asset.ts";
import { streamLink } from "../../lib/entries.ts";
import { useList } from "../../lib/list.ts";
import { plural, printCount, printDate, printShort } from "../../lib/print.ts";
import { categoryTitle, exceptionMeaning, spelt } from "../../lib/words.ts";
import { Amount } from "../../parts/Amount.tsx";
import { ListTable } from "../../parts/ListTable.tsx";
import type { Params } from "../../lib/api.ts";
import type { Column } from "../../parts/DataTable.tsx";
import type { Exception, ExceptionsResponse } from "../../lib/types.ts";
import type { ComponentChildren } from "preact";

export function Exceptions({ params, empty }: { params: Params; empty: ComponentChildren }) {
  const list = useList<Exception, ExceptionsResponse>("/v1/exceptions", params, (page) => page.exceptions, { follow: true });
  const columns = useMemo(columnsOf, []);
  return (
    <>
      {list.data && list.rows.length > 0 && (
        <ul class="summary">
          {list.data.summary
            .filter((s) => s.open !== "0")
            .map((s) => (
              <li key={s.kind}>
                <strong>{plural(s.open, spelt(s.kind), spelt(s.kind))}</strong>: {exceptionMeaning(s.kind)}
                {s.amounts.length > 0 && <> ({s.amounts.map((a) => `${printShort(a.amount)} ${assetPhrase(a.asset)}`).join("; ")})</>}
              </li>
            ))}
        </ul>
      )}
      <ListTable
        list={list}
        caption="Open exceptions; each stays until a later fact resolves it"
        columns={columns}
        total={list.data?.total}
        nouns={["exception", "exceptions"]}
        order="the oldest first"
        empty={empty}
        file="exceptions"
      />
    </>
  );
}

function columnsOf(): Column<Exception>[] {
  return [
    { id: "kind", header: "What", value: (x) => x.kind, cell: (x) => <span title={exceptionMeaning(x.kind)}>{spelt(x.kind)}</span> },
    { id: "recorded", header: "Recorded", value: (x) => x.recorded, cell: (x) => <span class="day">{printDate(x.recorded)}</span> },
    {
      id: "open",
      header: "Open",
      numeric: true,
      value: (x) => x.open_amount,
      cell: (x) => (x.open_amount === undefined ? "" : <Amount amount={x.open_amount} asset={x.asset} />),
    },
    {
      id: "asset",
      header: "of",
      value: (x) => x.asset && assetPhrase(x.asset),
      cell: (x) => (x.asset ? <span title={assetPhrase(x.asset)}>{parseAsset(x.asset).item || parseAsset(x.asset).code}</span> : ""),
    },
    { id: "category", header: "Category", value: (x) => x.category && categoryTitle(x.category) },
    { id: "cause", header: "Cause", value: (x) => x.cause },
    { id: "detail", header: "Why", worded: true, value: (x) => spelt(x.detail) },
    { id: "of", header: "Where", value: (x) => x.stream, cell: (x) => <Where exception={x} /> },
  ];
}

function Where({ exception: x }: { exception: Exception }) {
  return (
    <>
      <a href={`${streamLink(x.stream)}#event-${x.event}`}>fact {printCount(x.ordinal)}</a>
      {x.pledge !== "" && x.pledge !== x.stream && (
        <>
          {" of a "}
          {x.stream.slice(0, x.stream.indexOf("-"))}
          {", "}
          <a href={streamLink(x.pledge)}>its pledge</a>
        </>
      )}
    </>
  );
}
