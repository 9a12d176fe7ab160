// EventList shows the events of one stream, in order, each as a fact that somebody reported.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { printCount, printTime } from "../../lib/print.ts";
import { place } from "../../lib/router.ts";
import { dateSaid, factMeaning, isHeading, namesOf, type Line, type Names } from "../../lib/said.ts";
import { streamEventsMax, type Events } from "../../lib/stream.ts";
import { categoryTitle, factTitle } from "../../lib/words.ts";
import { Flags } from "../Flags.tsx";
import { ErrorNote, Skeleton } from "../States.tsx";
import { EventName, Said } from "./Said.tsx";
import { Sources } from "./Sources.tsx";
import type { Envelope, LoggedEvent } from "../../lib/types.ts";

// In longer lists than this, what is not in sight is laid out when it comes there.
const longEvents = 50;

export function EventList({ held }: { held: Events }) {
  const { events, complete, error } = held;
  const names = useMemo(() => namesOf(events, lineTitle), [events]);
  useHash(events.length > 0);
  return (
    <>
      {error && <ErrorNote problem={error} asOf={events.at(-1)?.ordinal} />}
      {events.length === 0 && !complete && !error && <Skeleton height={400} />}
      {events.length === 0 && complete && (
        <p class="note">The ledger holds no event of this stream. Is it named to the letter, by its kind and UUID?</p>
      )}
      <div class={events.length > longEvents ? "events long" : "events"}>
        {events.map((e) => (
          <Event key={e.event_id} event={e} names={names} />
        ))}
      </div>
      {events.length >= streamEventsMax && <p class="note">Only the first {printCount(streamEventsMax)} events are shown.</p>}
    </>
  );
}

function lineTitle(line: Line): string {
  return line.title || (line.category ? categoryTitle(line.category) : "a line");
}

// useHash goes to the event or line that the address names, which is not there before the ledger has answered; an event may be named by its
// revision or by its id.
function useHash(there: boolean): void {
  const { hash } = place.value;
  useEffect(() => {
    if (there && hash) {
      const name = decodeURIComponent(hash.slice(1));
      const target = document.getElementById(name) ?? document.querySelector(`[data-id="${CSS.escape(name)}"]`);
      target?.scrollIntoView();
      (target as HTMLElement | null)?.focus({ preventScroll: true });
    }
  }, [there, hash]);
}

function Event({ event: e, names }: { event: LoggedEvent; names: Names }) {
  const title = typeof e.event?.title === "string" ? e.event.title : "";
  const named = place.value.hash === `#event-${e.revision}` || place.value.hash === `#event-${e.event_id}`;
  return (
    <article
      id={`event-${e.revision}`}
      data-id={`event-${e.event_id}`}
      class={named ? "event named" : "event"}
      tabIndex={-1}
      aria-labelledby={`event-${e.revision}-title`}
    >
      <h3 id={`event-${e.revision}-title`}>
        <a href={`#event-${e.revision}`}>{factTitle(e.type)}</a>
        {isHeading(title) && `: ${title}`}
      </h3>
      <p class="when">
        {e.envelope?.effective ? (
          <>
            Effective <strong>{dateSaid(e.envelope.effective)}</strong>
          </>
        ) : (
          "No day told"
        )}
        , recorded <time dateTime={e.recorded_at}>{printTime(e.recorded_at)}</time>
        <span class="quiet">
          {" "}
          · event {e.revision} of its stream, fact {printCount(e.ordinal)}
        </span>
      </p>
      {title && !isHeading(title) && <p class="long">{title}</p>}
      {factMeaning(e.type) && <p class="quiet">{factMeaning(e.type)}</p>}
      {e.error ? (
        <p class="note error">This event cannot be read here: {e.error}. The ledger keeps it as it is; a newer version may read it.</p>
      ) : (
        <Said said={e.event ?? {}} names={names} />
      )}
      {e.envelope && <Who envelope={e.envelope} id={e.event_id} names={names} />}
      <details>
        <summary>The event as it is recorded</summary>
        <pre tabIndex={0}>{JSON.stringify(e, null, 2)}</pre>
      </details>
    </article>
  );
}

// Who says who reported a fact, by which authority and source, and what it corrects.
function Who({ envelope: v, id, names }: { envelope: Envelope; id: string; names: Names }) {
  const correctedBy = names.correctedBy(id);
  const marks = [...(v.observed ? ["observed"] : []), ...(v.override ? ["override"] : []), ...(v.flags ?? []).map((f) => f.code)];
  const notes = (v.flags ?? []).filter((f) => f.note).map((f) => `${f.code}: ${f.note}`);
  return (
    <dl class="said who">
      <Row name="Who says so">
        {v.actor ? <Claim words={v.actor} checked={v.actor_claim} /> : v.sources?.length ? "nobody named; see its sources" : "nobody named"}
      </Row>
      {v.authority && (
        <Row name="Authority">
          <Claim words={v.authority} checked={v.authority_claim} />
        </Row>
      )}
      {v.observed && <Row name="Observed">Outside data reports it. It is recorded whether or not a cap allows it.</Row>}
      {v.override && (
        <Row name="Override">
          {v.override.authority} decided to go beyond a cap{v.override.reason && <>: {v.override.reason}</>}
        </Row>
      )}
      {v.reason && <Row name="Reason">{v.reason}</Row>}
      {v.sources && v.sources.length > 0 && (
        <Row name={v.sources.length === 1 ? "Source" : "Sources"}>
          <Sources sources={v.sources} />
        </Row>
      )}
      {v.corrects && v.corrects.length > 0 && (
        <Row name="This corrects">
          {v.corrects.map((c, i) => (
            <>
              {i > 0 && ", "}
              <EventName key={c} id={c} names={names} />
            </>
          ))}
        </Row>
      )}
      {correctedBy.length > 0 && (
        <Row name="Corrected by">
          <span class="unknown">
            {correctedBy.map((r, i) => (
              <>
                {i > 0 && ", "}
                <a key={r} href={`#event-${r}`}>
                  event {r} of this stream
                </a>
              </>
            ))}
          </span>{" "}
          Both stay readable.
        </Row>
      )}
      {marks.length > 0 && (
        <Row name={marks.length === 1 ? "Mark" : "Marks"}>
          <Flags flags={marks} /> {notes.join("; ")}
        </Row>
      )}
      {v.marking && v.marking !== "public" && <Row name="Marking">{v.marking}; it hides the fact from nobody yet</Row>}
    </dl>
  );
}

function Row({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Claim({ words, checked }: { words: string; checked: string | undefined }) {
  return (
    <>
      {words} {checked !== "verified" && <span class="quiet">(a claim: the ledger has not verified it)</span>}
    </>
  );
}
