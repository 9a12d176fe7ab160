// One pledge: what is promised, how far each line came, what carries and pays it, and every fact of it.
import { streamLink } from "../lib/entries.ts";
import { plural, printCount, printDate } from "../lib/print.ts";
import { useQuery } from "../lib/query.ts";
import { link, place, subject } from "../lib/router.ts";
import { useEvents } from "../lib/stream.ts";
import { useTitle } from "../lib/title.ts";
import { donorTitle } from "../lib/words.ts";
import { Flags } from "../parts/Flags.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { ErrorNote, Skeleton } from "../parts/States.tsx";
import { EventList } from "../parts/event/EventList.tsx";
import { Payments, Shipments } from "./lists/Moved.tsx";
import { titleOf } from "./lists/Pledges.tsx";
import { Books, LineBooks } from "./pledge/Books.tsx";
import { NoPledge } from "./pledge/NoPledge.tsx";
import type { PledgeReference, PledgeResponse } from "../lib/types.ts";

export function Pledge() {
  const [, id] = subject(place.value.pathname);
  const { data, error } = useQuery<PledgeResponse>(`/v1/pledges/${encodeURIComponent(id)}`, {});
  useTitle(data ? titleOf(data) : `Pledge ${id}`);
  const held = useEvents(data?.stream ?? "");
  if (!data) {
    return error ? <NoPledge id={id} problem={error} /> : <Loading />;
  }
  return (
    <>
      <h1>{titleOf(data)}</h1>
      <SeenBanner />
      {error && <ErrorNote problem={error} asOf={data.ordinal} />}
      <Head pledge={data} />
      <nav class="ways" aria-label="On this page">
        <a href="#books">How far it came</a> <a href="#lines">{plural(data.lines.length, "line", "lines")}</a>{" "}
        <a href="#shipments">Shipments</a> <a href="#payments">Payments</a> <a href="#events">What was recorded</a>
      </nav>
      <section class="part" id="books" aria-labelledby="books-title">
        <h2 id="books-title">How far it came</h2>
        <Books {...data} caption="The whole pledge, at each stage and in each asset" />
        <p class="meta">
          Amounts of two assets are never added. As of fact {printCount(data.ordinal)} (position {data.position}).
        </p>
      </section>
      <section class="part" id="lines" aria-labelledby="lines-title">
        <h2 id="lines-title">Lines</h2>
        {data.lines.map((l) => (
          <LineBooks key={l.line} line={l} />
        ))}
      </section>
      <section class="part" id="shipments" aria-labelledby="shipments-title">
        <h2 id="shipments-title">Shipments</h2>
        <Shipments
          params={{ pledge: data.stream }}
          empty={<p>No shipment draws on this pledge. What is handed over nevertheless was claimed by outside data.</p>}
        />
      </section>
      <section class="part" id="payments" aria-labelledby="payments-title">
        <h2 id="payments-title">Payments</h2>
        <Payments params={{ pledge: data.stream }} empty={<p>No payment draws on this pledge.</p>} />
      </section>
      <section class="part" id="events" aria-labelledby="events-title">
        <h2 id="events-title">What was recorded, in order</h2>
        <p class="quiet">
          {plural(data.events, "fact concerns", "facts concern")} this pledge. Those of its own stream stand here, and those of its
          shipments and payments on their pages.
        </p>
        <EventList held={held} />
      </section>
    </>
  );
}

function Loading() {
  return (
    <>
      <h1>Pledge</h1>
      <Skeleton height={900} />
    </>
  );
}

function Head({ pledge: p }: { pledge: PledgeResponse }) {
  return (
    <dl class="head">
      <div>
        <dt>From</dt>
        <dd>
          <a href={link(`/donor/${p.donor}`, { donor: "" })}>{donorTitle(p.donor)}</a>
        </dd>
      </div>
      <div>
        <dt>To</dt>
        <dd>{p.beneficiary === "UKR" ? "Ukraine" : donorTitle(p.beneficiary)}</dd>
      </div>
      <div>
        <dt>Status</dt>
        <dd>{p.status}</dd>
      </div>
      <div>
        <dt>Days</dt>
        <dd>
          {p.first === undefined
            ? "not known"
            : p.first === p.last
              ? printDate(p.first)
              : `${printDate(p.first)} to ${printDate(p.last ?? p.first)}`}
        </dd>
      </div>
      {p.unknown !== "0" && (
        <div>
          <dt>Undisclosed</dt>
          <dd class="unknown">{plural(p.unknown, "value", "values")}, over all stages and bases; never zero</dd>
        </div>
      )}
      {p.flags.length > 0 && (
        <div>
          <dt>Flags</dt>
          <dd>
            <Flags flags={p.flags} />
          </dd>
        </div>
      )}
      {p.references.length > 0 && (
        <div class="wide">
          <dt>Known outside as</dt>
          <dd>
            {publishers(p.references).map(([publisher, ids]) => (
              <p key={publisher}>
                {publisher}: {ids.join(", ")}
              </p>
            ))}
          </dd>
        </div>
      )}
      <div class="wide">
        <dt>Stream</dt>
        <dd>
          <a href={streamLink(p.stream)}>
            <code>{p.stream}</code>
          </a>
        </dd>
      </div>
    </dl>
  );
}

// publishers lists outside ids by who gave them.
function publishers(references: readonly PledgeReference[]): [publisher: string, ids: string[]][] {
  const found = new Map<string, string[]>();
  for (const r of references) {
    const name = r.release ? `${r.publisher}, release ${r.release}` : r.publisher;
    found.set(name, [...(found.get(name) ?? []), r.external_id]);
  }
  return [...found];
}
