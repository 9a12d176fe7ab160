// Figure frames a picture: what it shows, what it is counted in, as of when, what is not in it, and its data as a table and as files.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { assetPhrase, parseAsset } from "../lib/asset.ts";
import { isZero } from "../lib/exact.ts";
import { saveImage } from "../lib/image.ts";
import { counting, scope } from "../lib/scope.ts";
import { capital, plural, printCount, printShort } from "../lib/print.ts";
import { donorTitle, instrumentTitle, stage } from "../lib/words.ts";
import type { Answer } from "../lib/query.ts";
import type { BalancesResponse, LeftOut } from "../lib/types.ts";
import { DataTable, type Column } from "./DataTable.tsx";
import { Files } from "./Files.tsx";
import { ErrorNote, Skeleton } from "./States.tsx";

interface Props<Row extends object, Data extends BalancesResponse> {
  id: string;
  title: string;
  // A sentence under the title.
  lead?: ComponentChildren;
  answer: Answer<Data>;
  // The questions whose answers are shown, where they are several: each is a file of its own, and says what it holds.
  files?: { of: string; answer: Answer<unknown> }[];
  // The asset that is shown; its name stands under the picture.
  asset?: string;
  // Said under the picture beside the rest, such as what has no date.
  notes?: ComponentChildren;
  table: { caption: string; columns: Column<Row>[]; rows: Row[]; sort?: { id: string; desc: boolean } } | null;
  // The height in pixels that the picture will need, kept free while it loads.
  height: number;
  // Both where the figure itself tells what reached a stage from what stands there.
  counted?: "one" | "both";
  // A picture that is itself a table cannot be saved as an image.
  drawn?: boolean;
  children: ComponentChildren;
}

export function Figure<Row extends object, Data extends BalancesResponse>(props: Props<Row, Data>) {
  const { id, title, lead, answer, files = [{ of: "", answer }], asset, notes, table, height, drawn = true, counted = "one", children } = props;
  const picture = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const { data, error, pending } = answer;
  return (
    <figure id={id} aria-labelledby={`${id}-title`} aria-busy={!data || pending}>
      <figcaption>
        <h2 id={`${id}-title`}>{title}</h2>
        {lead && <p class="lead">{lead}</p>}
      </figcaption>
      {error && <ErrorNote problem={error} asOf={data?.ordinal} />}
      {data ? (
        <div ref={picture} class={pending ? "picture pending" : "picture"}>
          {children}
        </div>
      ) : (
        !error && <Skeleton height={height} />
      )}
      {data && (
        <footer>
          <p class="meta">
            {asset && <span>{capital(assetPhrase(asset))}. </span>}
            {counted === "one" && <span>{counting(answer.params)}. </span>}
            {scope(answer.params) && <span>Only: {scope(answer.params)}. </span>}
            {data.unknown !== "0" && <span class="unknown">{undisclosed(data.unknown)}</span>}
            {leftOut(data.left_out) && <span>{leftOut(data.left_out)}</span>}
            {data.members.length > 0 && (
              <span title={data.members.map(donorTitle).join(", ")}>
                Donors: the {printCount(data.members.length)} members of {String(answer.params.group)} on {data.group_on}.{" "}
              </span>
            )}
            {notes}
            <span>
              As of fact {printCount(data.ordinal)}, position {data.position}.
            </span>
          </p>
          <p class="files">
            {table && (
              <button type="button" aria-expanded={open} aria-controls={`${id}-table`} onClick={() => setOpen(!open)}>
                {open ? "Hide table" : "Table"}
              </button>
            )}
            {files.map((f) => (
              <Files key={f.of} name={id} of={f.of} path={f.answer.path} params={f.answer.params} />
            ))}
            {drawn &&
              (["svg", "png"] as const).map((form) => (
                <button
                  key={form}
                  type="button"
                  onClick={() => void saveImage(picture.current, { name: id, title, source: source(answer, data, asset) }, form)}
                >
                  {form.toUpperCase()}
                </button>
              ))}
          </p>
          {table && open && (
            <div id={`${id}-table`} class="data">
              <DataTable {...table} />
            </div>
          )}
        </footer>
      )}
    </figure>
  );
}

// source is what an image says of itself.
function source({ params }: Answer<unknown>, { ordinal, unknown, left_out }: BalancesResponse, asset: string | undefined): string {
  const only = scope(params);
  return `${asset ? `${capital(assetPhrase(asset))}. ` : ""}${counting(params)}. ${only ? `Only: ${only}. ` : ""}${undisclosed(unknown)}${leftOut(left_out)}Allied Ledger, as of fact ${printCount(ordinal)}.`;
}

function undisclosed(unknown: string): string {
  return unknown === "0" ? "" : `${plural(unknown, "undisclosed value counts", "undisclosed values count")} in no sum. `;
}

// leftOut says which instruments enter no sum here, and how much that would be.
function leftOut(rows: readonly LeftOut[]): string {
  const some = rows.filter((r) => r.unknown !== "0" || r.amount === undefined || !isZero(r.amount));
  if (some.length === 0) {
    return "";
  }
  const words = some.map((r) => {
    const amount = [
      r.amount !== undefined && r.asset !== undefined && `${printShort(r.amount)} ${parseAsset(r.asset).code}`,
      r.unknown !== "0" && plural(r.unknown, "undisclosed", "undisclosed"),
    ]
      .filter(Boolean)
      .join(" + ");
    return `${instrumentTitle(r.instrument)} ${stage(r.stage).verb} ${amount}`;
  });
  return `Left out: ${words.join(", ")}. `;
}
