// Stream shows one shipment, payment or import with all its events.
import { useEffect } from "preact/hooks";
import { assetPhrase } from "../../lib/asset.ts";
import { streamLink } from "../../lib/entries.ts";
import { capital, printCount } from "../../lib/print.ts";
import { useQuery } from "../../lib/query.ts";
import { go, link, place } from "../../lib/router.ts";
import { useEvents } from "../../lib/stream.ts";
import { useTitle } from "../../lib/title.ts";
import { categoryTitle, donorTitle, instrumentTitle, spelt, stage } from "../../lib/words.ts";
import { SeenBanner } from "../../parts/Permalink.tsx";
import { ErrorNote } from "../../parts/States.tsx";
import { EventList } from "../../parts/event/EventList.tsx";
import { amountSaid } from "../../parts/event/Said.tsx";
import { Days, received } from "../lists/Moved.tsx";
import type { Payment, Shipment, ShipmentRung } from "../../lib/types.ts";
import type { ComponentChildren } from "preact";

export function Stream({ stream }: { stream: string }) {
  const kind = stream.slice(0, stream.indexOf("-"));
  const held = useEvents(kind === "pledge" ? "" : stream);
  const first = held.events[0];
  const title = String(first?.event?.title ?? first?.event?.dataset ?? "");
  const name = `${capital(kind)}${title && `: ${title}`}`;
  useTitle(name);
  useEffect(() => {
    if (kind === "pledge") {
      // a pledge has a page of its own
      go(streamLink(stream) + place.value.hash, { replace: true });
    }
  }, [kind, stream]);
  return (
    <>
      <nav class="crumbs" aria-label="Above this page">
        <a href={link("/ledger")}>Recorded facts</a>
      </nav>
      <h1>{name}</h1>
      <SeenBanner />
      {kind === "shipment" && <ShipmentHead stream={stream} />}
      {kind === "payment" && <PaymentHead stream={stream} />}
      <section class="part" id="events" aria-labelledby="events-title">
        <h2 id="events-title">What was recorded, in order</h2>
        <EventList held={held} />
      </section>
    </>
  );
}

interface ShipmentResponse extends Shipment {
  position: string;
  ordinal: string;
  lines: { draw: string; pledge: string; allocation: string; category: string; instrument: string; asset: string; rungs: ShipmentRung[] }[];
}

function ShipmentHead({ stream }: { stream: string }) {
  const { data: s, error } = useQuery<ShipmentResponse>(`/v1/shipments/${stream}`, {});
  if (!s) {
    return error && error.code !== "not_found" ? <ErrorNote problem={error} /> : null; // that there are no events says it too
  }
  return (
    <>
      {error && <ErrorNote problem={error} asOf={s.ordinal} />}
      <dl class="head">
        <Ends donor={s.donor} beneficiary={s.beneficiary} />
        <Term name="Status">{spelt(s.status)}</Term>
        <Term name="Days">
          <Days first={s.first} last={s.last} />
        </Term>
        <Term name="From, to">{[s.dispatched_from, s.handed_over_at || s.arrived_at].filter(Boolean).join(" → ") || "not told"}</Term>
        <Term name="Received">{received(s)}</Term>
        <Term name="Manifest">{s.manifest_hash ? <code>{s.manifest_hash}</code> : <span class="unknown">none</span>}</Term>
      </dl>
      <section class="part" aria-labelledby="carries-title">
        <h2 id="carries-title">What it carries</h2>
        {s.lines.map((l) => (
          <section key={l.draw} class="line">
            <h3>
              {categoryTitle(l.category)}, {instrumentTitle(l.instrument)}, from{" "}
              <a href={`${streamLink(l.pledge)}#line-${l.allocation}`}>its pledge</a>
            </h3>
            <ul class="besides">
              {l.rungs.map((r) => (
                <li key={`${r.stage} ${r.asset}`}>
                  {stage(r.stage).title}:{" "}
                  {r.reached === undefined
                    ? "reached, with no amount that could be counted"
                    : `${amountSaid(r.reached, r.asset)} ever reached, ${amountSaid(r.standing ?? "0", r.asset)} standing now`}
                  {r.over !== undefined && /[1-9]/.test(r.over) && (
                    <span class="unknown">; {amountSaid(r.over, r.asset)} beyond the stage before</span>
                  )}
                </li>
              ))}
            </ul>
          </section>
        ))}
        <p class="meta">
          As of fact {printCount(s.ordinal)}, position {s.position}.
        </p>
      </section>
    </>
  );
}

interface PaymentResponse extends Payment {
  position: string;
  ordinal: string;
  allocation: string;
}

function PaymentHead({ stream }: { stream: string }) {
  const { data: p, error } = useQuery<PaymentResponse>(`/v1/payments/${stream}`, {});
  if (!p) {
    return error && error.code !== "not_found" ? <ErrorNote problem={error} /> : null; // that there are no events says it too
  }
  const sums: [string, string][] = [
    ["Ordered", p.drawn],
    ["Instructed, not rejected", p.instructed],
    ["of it not booked", p.instructed_standing],
    ["Booked", p.booked],
    ["Charges", p.charges],
    ["Came back", p.returned],
  ];
  return (
    <>
      {error && <ErrorNote problem={error} asOf={p.ordinal} />}
      <dl class="head">
        <Ends donor={p.donor} beneficiary={p.beneficiary} />
        <Term name="Status">
          {spelt(p.status)}
          {p.accepted && p.status !== "booked" && ", accepted by the bank, which is not booked"}
        </Term>
        <Term name="Days">
          <Days first={p.first} last={p.last} />
        </Term>
        <Term name="For">
          {categoryTitle(p.category)}, {instrumentTitle(p.instrument)}, from{" "}
          <a href={`${streamLink(p.pledge)}#line-${p.allocation}`}>its pledge</a>
        </Term>
        {p.debtor?.name && <Term name="Payer">{p.debtor.name}</Term>}
        {p.creditor?.name && <Term name="Payee">{p.creditor.name}</Term>}
        {p.point && <Term name="Stands at">{spelt(p.point)}</Term>}
        {p.bank_reference && <Term name="Bank's reference">{p.bank_reference}</Term>}
        {p.end_to_end_id && <Term name="End-to-end id">{p.end_to_end_id}</Term>}
      </dl>
      <section class="part" aria-labelledby="sums-title">
        <h2 id="sums-title">What the bank did, in {assetPhrase(p.asset)}</h2>
        <dl class="head">
          {sums.map(([name, amount]) => (
            <Term key={name} name={name}>
              {amountSaid(amount, p.asset)}
            </Term>
          ))}
          {p.booked_as && p.booked_as.asset !== p.asset && (
            <Term name="Booked as">{amountSaid(p.booked_as.amount, p.booked_as.asset)}</Term>
          )}
        </dl>
        <p class="meta">
          As of fact {printCount(p.ordinal)}, position {p.position}.
        </p>
      </section>
    </>
  );
}

function Ends({ donor, beneficiary }: { donor: string; beneficiary: string }) {
  return (
    <>
      <Term name="From">
        <a href={link(`/donor/${donor}`, { donor: "" })}>{donorTitle(donor)}</a>
      </Term>
      <Term name="To">{donorTitle(beneficiary)}</Term>
    </>
  );
}

function Term({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
