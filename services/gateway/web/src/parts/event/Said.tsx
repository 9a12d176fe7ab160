// Said writes what an event says, field by field, in the words of people. Fields that are new to the page are written as they are.
import type { ComponentChildren } from "preact";
import { assetPhrase, basisPhrase, parseAsset } from "../../lib/asset.ts";
import { streamLink } from "../../lib/entries.ts";
import { capital, plural, printCount, printFull } from "../../lib/print.ts";
import { dateSaid } from "../../lib/said.ts";
import { categoryTitle, instrumentTitle, spelt, stage } from "../../lib/words.ts";
import { exact } from "../Amount.tsx";
import { Flags } from "../Flags.tsx";
import { Sources } from "./Sources.tsx";
import type { Commitment, DrawnLine, Flag, Item, Line, Mapping, Movement, Names, Split, Valuation } from "../../lib/said.ts";
import type { StatedDate } from "../../lib/types.ts";

type Fields = Record<string, unknown>;

export function Said({ said, names }: { said: Fields; names: Names }) {
  const rows = order.filter((name) => name in said).concat(Object.keys(said).filter((name) => !order.includes(name)));
  const shown = rows.map((name) => ({ name, content: written(name, said, names) })).filter(({ content }) => content !== null);
  return shown.length === 0 ? null : (
    <dl class="said">
      {shown.map(({ name, content }) => (
        <div key={name}>
          <dt>{labels[name] ?? capital(spelt(name))}</dt>
          <dd>{content}</dd>
        </div>
      ))}
    </dl>
  );
}

const labels: Record<string, string> = {
  lines: "Lines",
  line: "Line",
  commitments: "Commits",
  items: "Items",
  splits: "Taken from",
  split: "Taken from",
  movements: "Moves",
  movement: "Moves",
  of_line: "Of line",
  due: "Due",
  original_due: "First due",
  threat_level: "At threat level",
  contingent: "Promised",
  for_stream: "For",
  stated: "Stated too",
  delta: "Change",
  link: "This pledge",
  point: "Where",
  evidence: "Evidence",
  signatory: "Signed by",
  place: "Place",
  manifest_hash: "Manifest",
  verifier: "Checked by",
  reopens: "Owed again",
  debtor: "Payer",
  creditor: "Payee",
  end_to_end_id: "End-to-end id",
  uetr: "UETR",
  reason_code: "Reason code",
  fee: "Kept by a bank",
  booked_amount: "Booked as",
  bank_reference: "Bank's reference",
  amount: "Amount",
  unused: "Not used",
  used: "Used up",
  event: "Takes back",
  from_category: "From",
  to_category: "To",
  from_instrument: "From",
  to_instrument: "To",
  columns: "Columns",
  flag_counts: "Flags",
  allocation: "Allocation",
};

// The order in which people ask.
const order = [
  "lines",
  "commitments",
  "link",
  "kind",
  "allocation",
  "line",
  "items",
  "contingent",
  "of_line",
  "amount",
  "delta",
  "stage",
  "movements",
  "movement",
  "splits",
  "split",
  "stated",
  "from_category",
  "to_category",
  "from_instrument",
  "to_instrument",
  "due",
  "original_due",
  "threat_level",
  "firmness",
  "point",
  "evidence",
  "signatory",
  "place",
];

// What the event's title, or another field, says already.
const silent = new Set(["title", "asset", "draw", "tranche", "booked_asset", "pledge"]);

function written(name: string, said: Fields, names: Names): ComponentChildren {
  const value = said[name];
  const asset = String(said.asset ?? "");
  switch (name) {
    case "lines":
      return <List of={value as (Line | DrawnLine)[]} each={(l) => <LineSaid line={l} names={names} />} />;
    case "line":
    case "contingent":
    case "of_line":
    case "allocation":
      return typeof value === "string" ? <LineName id={value} names={names} /> : <LineSaid line={value as Line} names={names} />;
    case "commitments":
      return <List of={value as Commitment[]} each={(c) => <CommitmentSaid commitment={c} names={names} />} />;
    case "items":
      return <List of={value as Item[]} each={(i) => <ItemSaid item={i} />} />;
    case "splits":
      return <List of={value as Split[]} each={(s) => <SplitSaid split={s} names={names} />} />;
    case "split":
      return <SplitSaid split={value as Split} names={names} />;
    case "movements":
    case "unused":
    case "used":
      return <List of={value as Movement[]} each={(m) => <MovementSaid movement={m} names={names} />} />;
    case "movement":
      return <MovementSaid movement={value as Movement} names={names} />;
    case "stated":
      return <List of={value as { asset: string; amount: string }[]} each={(a) => <>{amountSaid(a.amount, a.asset)}</>} />;
    case "amount":
    case "delta":
      return amountSaid(String(value), asset || (names.drawn(String(said.draw ?? "")) ?? ""));
    case "fee":
      return amountSaid(String(value), (said.movement as Movement | undefined)?.split?.asset ?? "");
    case "booked_amount":
      return amountSaid(String(value), String(said.booked_asset ?? ""));
    case "link":
      return (
        <>
          {linkWords[String(value)] ?? spelt(String(value))} <a href={streamLink(String(said.pledge))}>another pledge</a>
        </>
      );
    case "for_stream":
      return <a href={streamLink(String(value))}>a {String(value).split("-")[0]}</a>;
    case "event":
      return <EventName id={String(value)} names={names} />;
    case "stage":
      return stage(String(value)).title;
    case "due":
    case "original_due":
      return dateSaid(value as StatedDate);
    case "from_category":
    case "to_category":
      return categoryTitle(String(value));
    case "from_instrument":
    case "to_instrument":
      return instrumentTitle(String(value));
    case "evidence":
      return value === "claim" ? "a claim; nobody signed" : spelt(String(value));
    case "reopens":
      return value ? "yes" : "no";
    case "debtor":
    case "creditor":
      return Object.entries(value as Record<string, string>)
        .map(([k, v]) => (k === "name" ? v : `${k} ${v}`))
        .join(", ");
    case "columns":
      return (
        <List
          of={value as Fields[]}
          each={(c) => (
            <>
              {String(c.column)}: {c.sum !== undefined && `${amountSaid(String(c.sum), String(c.asset ?? ""))}, `}
              {plural(String(c.rows_stated ?? 0), "row", "rows")} stated, {printCount(String(c.rows_missing ?? 0))} without
            </>
          )}
        />
      );
    case "flag_counts":
      return (value as Fields[]).map((f) => `${spelt(String(f.code))} ${printCount(String(f.rows))}`).join(", ");
    case "rows":
    case "pledges":
    case "allocations":
      return printCount(String(value));
    default:
      return silent.has(name) ? null : typeof value === "string" ? (
        isHash(name) ? (
          value
        ) : (
          spelt(value)
        )
      ) : typeof value === "object" ? (
        <code>{JSON.stringify(value)}</code>
      ) : (
        String(value)
      );
  }
}

const linkWords: Record<string, string> = { same: "is the same as", extends: "extends", funds: "funds", reimburses: "reimburses" };

// isHash tells of fields whose text is to be read to the letter.
function isHash(name: string): boolean {
  return /hash|id$|uetr|reference|code|place|signatory|verifier|dataset|release|cause|status/.test(name);
}

export function amountSaid(amount: string, asset: string): string {
  return asset ? `${exact(amount, asset)} ${parseAsset(asset).item ? "× " : ""}${assetPhrase(asset)}` : printFull(amount);
}

function List<T>({ of, each }: { of: T[]; each: (item: T) => ComponentChildren }) {
  return of.length === 1 ? (
    <>{each(of[0]!)}</>
  ) : (
    <ul>
      {of.map((item, i) => (
        <li key={i}>{each(item)}</li>
      ))}
    </ul>
  );
}

function LineName({ id, names }: { id: string; names: Names }) {
  const title = names.line(id);
  return title === undefined ? <code title={id}>line {id.slice(0, 8)}</code> : <a href={`#line-${id}`}>{title}</a>;
}

export function EventName({ id, names }: { id: string; names: Names }) {
  const revision = names.revision(id);
  return revision === undefined ? <code>{id}</code> : <a href={`#event-${revision}`}>event {revision} of this stream</a>;
}

function LineSaid({ line: l, names }: { line: Line | DrawnLine; names: Names }) {
  if ("draw" in l) {
    return (
      <>
        {l.amount !== undefined ? amountSaid(l.amount, l.asset ?? "") : "what has no amount"}
        {l.category && <>, {categoryTitle(l.category)}</>}
        {l.instrument && <>, {instrumentTitle(l.instrument)}</>}, from{" "}
        <a href={`${streamLink(l.pledge)}#line-${l.allocation ?? ""}`}>an allocation of its pledge</a>
      </>
    );
  }
  return (
    <>
      <LineWords line={l} />
      <Values values={l.values} />
      {l.mapping && <Mapped mapping={l.mapping} />}
      <Marked flags={l.flags} />
      {l.sources && <Sources sources={l.sources} />}
      {names.line(l.line) === undefined && <code>{l.line}</code>}
    </>
  );
}

function LineWords({ line: l, firmness }: { line: Line; firmness?: string | undefined }) {
  const words = [
    l.category && categoryTitle(l.category),
    l.instrument && instrumentTitle(l.instrument),
    firmness && (firmness === "unknown" ? "firmness not known" : firmness),
    l.earmark && `for ${l.earmark}`,
    l.fiscal_year && `fiscal year ${l.fiscal_year}`,
  ];
  return (
    <>
      {l.title && <>{l.title}: </>}
      {words.filter(Boolean).join(", ")}
    </>
  );
}

function CommitmentSaid({ commitment: c, names }: { commitment: Commitment; names: Names }) {
  return (
    <>
      <LineWords line={c.line} firmness={c.firmness} />
      <Values values={c.line.values} />
      {c.line.mapping && <Mapped mapping={c.line.mapping} />}
      {c.splits
        ?.filter((s) => s.reliefs)
        .map((s) => (
          <p key={s.asset}>
            Taken from <SplitSaid split={s} names={names} />
          </p>
        ))}
      {c.covers?.map((s) => (
        <p key={s.asset}>
          Covers what went beyond earlier commitments: <SplitSaid split={s} names={names} />
        </p>
      ))}
      <Marked flags={c.line.flags} />
      {c.line.sources && <Sources sources={c.line.sources} />}
    </>
  );
}

function ItemSaid({ item: i }: { item: Item }) {
  const count =
    i.quantity !== undefined && i.quantity_asset
      ? amountSaid(i.quantity, i.quantity_asset)
      : `${i.name ?? "unnamed item"}, number ${spelt(i.quantity_status ?? "not known")}`;
  return (
    <>
      {count}
      {i.category && <span class="quiet"> ({categoryTitle(i.category)})</span>}
      <Values values={i.values} />
      <Values values={i.unit_prices} each />
      <Marked flags={i.flags} />
      {i.sources && <Sources sources={i.sources} />}
    </>
  );
}

// Values are what one thing is worth on several bases, which never add.
function Values({ values = [], each }: { values?: Valuation[] | undefined; each?: boolean }) {
  return values.length === 0 ? null : (
    <ul class="values">
      {values.map((v, i) => (
        <li key={i} class={v.status === "undisclosed" ? "unknown" : ""}>
          {v.amount !== undefined && v.asset
            ? amountSaid(v.amount, v.asset)
            : `value ${statusWords[v.status ?? ""] ?? spelt(v.status ?? "not known")}, ${basisPhrase(v.basis)}`}
          {each && v.amount !== undefined && " for one"}
          {v.source === "priced" && ", computed from prices"}
          {v.basis_date && `, of ${dateSaid(v.basis_date)}`}
        </li>
      ))}
    </ul>
  );
}

const statusWords: Record<string, string> = { included: "included in its package", not_applicable: "does not apply" };

// SplitSaid says which lines give an amount, and what balances the rest.
function SplitSaid({ split: s, names }: { split: Split; names: Names }) {
  const rest = s.rest !== undefined && `${exact(s.rest, s.asset)} ${restWords[s.rest_to ?? ""] ?? spelt(s.rest_to ?? "")}`;
  return (
    <>
      {s.reliefs?.map((r, i) => (
        <>
          {i > 0 && ", "}
          {exact(r.amount, s.asset)} that stood {spelt(r.stage)}
          {names.line(r.line) !== undefined && (
            <>
              {" in "}
              <LineName id={r.line} names={names} />
            </>
          )}
        </>
      ))}
      {rest && (s.reliefs?.length ? `, and ${rest}` : rest)} <span class="quiet">({assetPhrase(s.asset)})</span>
    </>
  );
}

const restWords: Record<string, string> = {
  origin: "promised anew",
  over: "beyond what stood there",
  unmeasured: "of which the stage before says nothing in this asset",
  difference: "as a difference in value",
};

function MovementSaid({ movement: m, names }: { movement: Movement; names: Names }) {
  const asset = m.split?.asset ?? names.drawn(m.draw) ?? "";
  return (
    <>
      {m.amount === undefined ? "what has no amount" : amountSaid(m.amount, asset)}
      {m.split?.reliefs && (
        <>
          , of <SplitSaid split={m.split} names={names} />
        </>
      )}
      {m.stated && <>, stated too: {m.stated.map((a) => amountSaid(a.amount, a.asset)).join(", ")}</>}
      {m.serials && <>, serial numbers {m.serials.join(", ")}</>}
    </>
  );
}

function Mapped({ mapping: m }: { mapping: Mapping }) {
  return (
    <p class="quiet">
      Category mapped{m.as_found && <> from “{m.as_found}”</>}
      {m.mapping && <> by {m.mapping}</>}
      {m.version && <> {m.version}</>}
    </p>
  );
}

function Marked({ flags }: { flags: Flag[] | undefined }) {
  return flags ? (
    <p>
      <Flags flags={flags.map((f) => f.code)} />
      {flags
        .filter((f) => f.note)
        .map((f) => f.note)
        .join("; ")}
    </p>
  ) : null;
}
