// What stands where figures do not: loading, an error, an empty ledger, an unknown page.
import type { Problem } from "../lib/api.ts";
import { capital, printCount } from "../lib/print.ts";
import { link } from "../lib/router.ts";
import { useTitle } from "../lib/title.ts";

export function Skeleton({ height }: { height: number }) {
  return (
    <div class="skeleton" style={{ minHeight: `${height}px` }}>
      <span class="hidden">Loading</span>
    </div>
  );
}

// ErrorNote says why there is no answer, or why what is shown is old.
export function ErrorNote({ problem, asOf }: { problem: Problem; asOf?: string | undefined }) {
  return (
    <div class="note error" role="alert">
      <p>
        <strong>{asOf === undefined ? "No answer." : `Not up to date: this is as of fact ${printCount(asOf)}.`}</strong> {sentence(problem.message)}
      </p>
      {problem.remedy && <p>{sentence(problem.remedy)}</p>}
      <p class="code">{problem.code}</p>
    </div>
  );
}

// sentence makes one of a reason or remedy, which the server writes to follow a code.
export function sentence(words: string): string {
  return capital(words) + (/[.!?]$/.test(words) ? "" : ".");
}

export function EmptyLedger() {
  return (
    <section class="note empty">
      <h2>This ledger holds no facts yet</h2>
      <p>Figures appear here by themselves as soon as the first is recorded. To begin, in a terminal beside the server:</p>
      <dl>
        <dt>
          <code>allied import kiel FILE --release 2024-06</code>
        </dt>
        <dd>imports a release of the Ukraine Support Tracker</dd>
        <dt>
          <code>allied submit FILE</code>
        </dt>
        <dd>records commands of your own</dd>
        <dt>
          <code>make run</code>
        </dt>
        <dd>starts a ledger with the sample: announced US packages, and invented pledges marked synthetic</dd>
      </dl>
    </section>
  );
}

export function UnknownPage({ pathname }: { pathname: string }) {
  useTitle("No such page");
  return (
    <section class="note">
      <h1>There is no page {pathname}</h1>
      <p>
        <a href={link("/")}>Go to the overview</a>, or look through the <a href={link("/ledger")}>recorded facts</a>.
      </p>
    </section>
  );
}

// FailedPage stands where this page's own script failed; a figure that may be wrong is not shown.
export function FailedPage({ error }: { error: unknown }) {
  return (
    <section class="note error" role="alert">
      <h1>This page cannot be shown</h1>
      <p>Its script failed, on something that it did not expect. The ledger itself is not touched.</p>
      <p>
        Reload the page, or <a href={link("/")}>go to the overview</a>. Where that does not help, report this address and these words:
      </p>
      <p class="code">{String(error)}</p>
    </section>
  );
}
