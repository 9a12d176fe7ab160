// FilterBar narrows what counts. All its state is in the address.
import type { ComponentChildren } from "preact";
import { change, link, place, view, type Patch } from "../lib/router.ts";
import { candidates, measure } from "../lib/measure.ts";
import { assetPhrase, basisPhrase, parseAsset } from "../lib/asset.ts";
import { plural } from "../lib/print.ts";
import type { AssetUse } from "../lib/types.ts";
import { instrumentTitle, stage, terms } from "../lib/words.ts";

interface Option {
  value: string;
  title: string;
}

// Choice is a filter of one value.
export function Choice({ label, name, options, value, none }: { label: string; name: string; options: Option[]; value: string; none: string }) {
  // What the address asks for stays visible, also where the ledger's terms do not have it.
  const all = value === "" || options.some((o) => o.value === value) ? options : [{ value, title: value }, ...options];
  return (
    <label class={name}>
      <span>{label}</span>
      <select value={value} onChange={(e) => change({ [name]: e.currentTarget.value })}>
        {none && <option value="">{none}</option>}
        {all.map((o) => (
          <option key={o.value} value={o.value}>
            {o.title}
          </option>
        ))}
      </select>
    </label>
  );
}

function Month({ label, name, value }: { label: string; name: string; value: string }) {
  return (
    <label>
      <span>{label}</span>
      <input
        type="month"
        value={value}
        placeholder="2022-02"
        pattern="\d{4}-\d{2}"
        onChange={(e) => e.currentTarget.checkValidity() && change({ [name]: e.currentTarget.value })}
      />
    </label>
  );
}

// The stages that a single-stage picture may show.
const countable = ["announced", "committed", "allocated", "reserved", "dispatched", "handed_over", "verified", "instructed", "booked", "reconciled"];

interface Props {
  // The filters that the page itself has fixed, such as the donor on a donor's page.
  without?: readonly string[];
  // Filters of the page's own, and their names in the address.
  children?: ComponentChildren;
  also?: readonly string[];
  label?: string;
}

export function FilterBar({ without = [], children, also = [], label = "What counts" }: Props) {
  const v = view.value;
  const t = terms.value;
  const has = (name: string) => !without.includes(name);
  return (
    <form class="filters" aria-label={label} onSubmit={(e) => e.preventDefault()}>
      {has("donor") && (
        <Choice
          label="Donor"
          name="donor"
          value={v.donor}
          none="All donors"
          options={(t?.donors ?? []).map((d) => ({ value: d.code, title: d.title }))}
        />
      )}
      {has("group") && (
        <Choice label="Group" name="group" value={v.group} none="Any" options={(t?.groups ?? []).map((g) => ({ value: g.code, title: g.title }))} />
      )}
      {has("category") && (
        <Choice
          label="Category"
          name="category"
          value={v.category}
          none="All categories"
          options={(t?.categories ?? []).map((c) => ({ value: c.code, title: indented(c.code, c.title) }))}
        />
      )}
      {has("stage") && (
        <Choice
          label="Stage"
          name="stage"
          value={v.stages[0] ?? "committed"}
          none=""
          options={countable.map((s) => ({ value: s, title: stage(s).title }))}
        />
      )}
      {has("instrument") && (
        <Choice
          label="Instrument"
          name="instrument"
          value={v.instruments[0] ?? ""}
          none="All but guarantees and swaps"
          options={[
            { value: "all", title: "all, guarantees and swaps too" },
            ...(t?.instruments ?? []).map((i) => ({ value: i, title: instrumentTitle(i) })),
          ]}
        />
      )}
      {has("from") && <Month label="From" name="from" value={v.from} />}
      {has("from") && <Month label="To" name="to" value={v.to} />}
      {has("mode") && (
        <Choice
          label="Count"
          name="mode"
          value={v.mode}
          none=""
          options={[
            { value: "reached", title: "all that reached the stage" },
            { value: "standing", title: "what stands there now" },
          ]}
        />
      )}
      {children}
      <Reset names={[...narrowing.filter((name) => has(name === "to" ? "from" : name)), ...also]} />
    </form>
  );
}

// Categories are listed with those below them; a select cannot nest more than once.
function indented(code: string, title: string): string {
  return "\u2003".repeat(code.split(".").length - 1) + title;
}

const narrowing = ["donor", "group", "category", "stage", "instrument", "from", "to", "mode"];

function Reset({ names }: { names: readonly string[] }) {
  const p = place.value.searchParams;
  const none: Patch = Object.fromEntries(names.map((n) => [n, ""]));
  return names.some((name) => p.has(name)) ? (
    <button type="button" onClick={() => change(none)}>
      Clear
    </button>
  ) : null;
}

// How many other assets are named before the rest stands behind a click.
const othersShown = 4;

// MeasureBar says what the figures are counted in, and what else is recorded that they do not show.
export function MeasureBar() {
  const m = measure.value;
  if (!m) {
    return null;
  }
  const { donor } = view.value;
  const others = (candidates.value ?? []).filter((c) => c.asset !== m.asset);
  const to = (asset: string) => link(place.value.pathname, { basis: "", asset });
  const name = (c: AssetUse) => (donor ? "" : ` (${plural(c.donors, "donor", "donors")})`);
  return (
    <p class="measure">
      <strong>
        Shown: {parseAsset(m.asset).code}, {basisPhrase(m.basis)}.
      </strong>{" "}
      {others.length > 0 && (
        <>
          Also recorded, and never added to it:{" "}
          {others.slice(0, othersShown).map((c, i) => (
            <span key={c.asset}>
              {i > 0 && ", "}
              <a href={to(c.asset)}>{assetPhrase(c.asset)}</a>
              {name(c)}
            </span>
          ))}
          {others.length > othersShown && (
            <>
              {" "}
              <label>
                <span class="hidden">Other currencies and bases</span>
                <select value="" onChange={(e) => change({ basis: "", asset: e.currentTarget.value })}>
                  <option value="">and {others.length - othersShown} more…</option>
                  {others.slice(othersShown).map((c) => (
                    <option key={c.asset} value={c.asset}>
                      {assetPhrase(c.asset) + name(c)}
                    </option>
                  ))}
                </select>
              </label>
            </>
          )}
          .
        </>
      )}
    </p>
  );
}
