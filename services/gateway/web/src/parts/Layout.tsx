// Layout is what every page stands in: skip link, name, ways, state of the connection, content, foot.
import type { ComponentChildren } from "preact";
import { head } from "../lib/live.ts";
import { printCount } from "../lib/print.ts";
import { change, link, place, view } from "../lib/router.ts";
import { LiveStatus } from "./LiveStatus.tsx";
import { Permalink } from "./Permalink.tsx";

const ways = [
  { pathname: "/", title: "Overview" },
  { pathname: "/ledger", title: "Recorded facts" },
];

const themes = ["auto", "light", "dark"] as const;

export function Layout({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the figures
      </a>
      <header class="top">
        <a class="brand" href={link("/")}>
          Allied Ledger
        </a>
        <nav aria-label="Pages">
          {ways.map((w) => (
            <a key={w.pathname} href={link(w.pathname)} aria-current={place.value.pathname === w.pathname ? "page" : undefined}>
              {w.title}
            </a>
          ))}
        </nav>
        <LiveStatus />
        <Permalink />
        <label class="theme">
          <span class="hidden">Colours</span>
          <select value={view.value.theme} onChange={(e) => change({ theme: e.currentTarget.value === "auto" ? "" : e.currentTarget.value })}>
            {themes.map((t) => (
              <option key={t} value={t}>
                {t === "auto" ? "Auto" : t === "light" ? "Light" : "Dark"}
              </option>
            ))}
          </select>
        </label>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <footer class="foot">
        <p>
          Every figure is a sum that the ledger's server counted from recorded facts. The page makes two things of such sums, to the last digit: running sums
          over time, and what has not arrived. Amounts in two currencies, on two bases or of
          two kinds of thing are never added. Unknown is not zero: what is undisclosed is counted, and what nobody reported says so.
        </p>
        <p>
          {head.value && head.value.ordinal >= 0 && <>Last fact {printCount(head.value.ordinal)}, position {head.value.position} · </>}
          <a href="/api">API</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/licences.txt">Licences</a>
        </p>
      </footer>
    </>
  );
}
