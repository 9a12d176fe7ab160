// Shipments and Payments list what carries and what pays.
import { assetPhrase, parseAsset } from "../../lib/asset.ts";
import { streamLink } from "../../lib/entries.ts";
import { isZero } from "../../lib/exact.ts";
import { useList } from "../../lib/list.ts";
import { printDate } from "../../lib/print.ts";
import { categoryTitle, instrumentTitle, spelt, stage } from "../../lib/words.ts";
import { exact } from "../../parts/Amount.tsx";
import { ListTable } from "../../parts/ListTable.tsx";
import type { Params } from "../../lib/api.ts";
import type { Column } from "../../parts/DataTable.tsx";
import type { Payment, PaymentsResponse, Shipment, ShipmentRung, ShipmentsResponse } from "../../lib/types.ts";
import type { ComponentChildren } from "preact";

interface Props {
  params: Params;
  empty: ComponentChildren;
}

export function Shipments({ params, empty }: Props) {
  const list = useList<Shipment, ShipmentsResponse>("/v1/shipments", params, (page) => page.shipments, { follow: true });
  return (
    <ListTable
      list={list}
      caption="Shipments and what they carry"
      columns={shipmentColumns}
      total={list.data?.total}
      nouns={["shipment", "shipments"]}
      order="by first day"
      empty={empty}
      file="shipments"
    />
  );
}

export function Payments({ params, empty }: Props) {
  const list = useList<Payment, PaymentsResponse>("/v1/payments", params, (page) => page.payments, { follow: true });
  return (
    <ListTable
      list={list}
      caption="Payments and what the bank did"
      columns={paymentColumns}
      total={list.data?.total}
      nouns={["payment", "payments"]}
      order="by first day"
      empty={empty}
      file="payments"
    />
  );
}

const shipmentColumns: Column<Shipment>[] = [
  {
    id: "title",
    header: "Shipment",
    worded: true,
    value: (s) => s.title || "Untitled shipment",
    cell: (s) => <a href={streamLink(s.stream)}>{s.title || "Untitled shipment"}</a>,
  },
  { id: "status", header: "Status", value: (s) => spelt(s.status) },
  { id: "days", header: "Days", value: (s) => s.first, cell: (s) => <Days first={s.first} last={s.last} /> },
  ...(["dispatched", "handed_over"] as const).map((at): Column<Shipment> => ({
    id: at,
    header: stage(at).title,
    value: (s) => rungs(s, at),
    cell: (s) => <span class="day">{rungs(s, at)}</span>,
  })),
  { id: "places", header: "From, to", value: (s) => [s.dispatched_from, s.handed_over_at || s.arrived_at].filter(Boolean).join(" → ") },
  { id: "received", header: "Received", value: received },
  {
    id: "discrepancies",
    header: "Wrong",
    hint: "Discrepancies: what came and is not what was sent",
    numeric: true,
    value: (s) => String(s.discrepancy_count),
    cell: (s) => (s.discrepancy_count === 0 ? "none" : <span class="unknown">{s.discrepancy_count}</span>),
  },
];

function rungs(s: Shipment, at: string): string {
  return s.rungs
    .filter((r) => r.stage === at)
    .map(amountOf)
    .join("; ");
}

function amountOf(r: ShipmentRung): string {
  return r.reached === undefined
    ? "amount not known"
    : `${exact(r.reached, r.asset)} ${parseAsset(r.asset).item || parseAsset(r.asset).code}`;
}

export function received(s: { point: string; evidence: string; signatory: string }): string {
  if (!s.point) {
    return "not yet";
  }
  return `${s.point === "unstated" ? "nobody says where" : `at ${s.point}`}, ${s.evidence === "signed" ? `signed by ${s.signatory || "somebody"}` : "as somebody claims without a signature"}`;
}

const paymentColumns: Column<Payment>[] = [
  { id: "creditor", header: "Payment", worded: true, value: payee, cell: (p) => <a href={streamLink(p.stream)}>{payee(p)}</a> },
  { id: "status", header: "Status", value: (p) => spelt(p.status) },
  { id: "days", header: "Days", value: (p) => p.first, cell: (p) => <Days first={p.first} last={p.last} /> },
  { id: "category", header: "For", value: (p) => `${categoryTitle(p.category)}, ${instrumentTitle(p.instrument)}` },
  { id: "asset", header: "Counted in", value: (p) => assetPhrase(p.asset) },
  { id: "instructed", header: "Instructed", numeric: true, value: (p) => p.instructed, cell: (p) => exact(p.instructed, p.asset) },
  { id: "booked", header: "Booked", numeric: true, value: (p) => p.booked, cell: (p) => exact(p.booked, p.asset) },
  {
    id: "charges",
    header: "Charges",
    numeric: true,
    value: (p) => p.charges,
    cell: (p) => (isZero(p.charges) ? "" : exact(p.charges, p.asset)),
  },
  {
    id: "returned",
    header: "Came back",
    numeric: true,
    value: (p) => p.returned,
    cell: (p) => (isZero(p.returned) ? "" : exact(p.returned, p.asset)),
  },
  { id: "point", header: "Stands at", value: (p) => spelt(p.point) },
  { id: "bank", header: "Bank's reference", value: (p) => p.bank_reference },
];

function payee(p: Payment): string {
  return `to ${p.creditor?.name || p.beneficiary}${p.end_to_end_id ? `, ${p.end_to_end_id}` : ""}`;
}

export function Days({ first, last }: { first: string | undefined; last: string | undefined }) {
  return (
    <span class="day">
      {first === undefined
        ? "not known"
        : first === last || last === undefined
          ? printDate(first)
          : `${printDate(first)} to ${printDate(last)}`}
    </span>
  );
}
