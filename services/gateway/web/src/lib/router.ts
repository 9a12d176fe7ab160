// The address bar is the page's only state: what a reader sees can be sent as a link.
import { computed, signal } from "@preact/signals";

export const place = signal(new URL(location.href));

// pages are the paths that the server answers with this page too (web.go); all others it answers itself.
const pages = [/^\/$/, /^\/donor\/[^/]+$/, /^\/category\/[^/]+$/, /^\/pledge\/[^/]+$/, /^\/ledger$/, /^\/entries$/];

export function isPage(pathname: string): boolean {
  return pages.some((p) => p.test(pathname));
}

// go shows another address. A change of filters replaces the entry of the browser's history, so that Back leaves the page.
export function go(href: string, how: { replace?: boolean } = {}): void {
  const next = new URL(href, location.href);
  const moved = next.pathname !== place.value.pathname;
  history[how.replace ? "replaceState" : "pushState"](null, "", next);
  place.value = next;
  if (moved) {
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }
}

// startRouter follows links within the page and the browser's Back and Forward.
export function startRouter(): void {
  addEventListener("popstate", () => (place.value = new URL(location.href)));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) {
      return;
    }
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    const href = link?.getAttribute("href");
    if (!link || !href || href.startsWith("#") || link.hasAttribute("download") || link.hasAttribute("target")) {
      return;
    }
    const url = new URL(href, location.href);
    if (url.origin === location.origin && isPage(url.pathname)) {
      event.preventDefault();
      go(url.href);
    }
  });
}

// View is what the address asks for, in its path or after it. The page of one donor asks for no group: of a group that it is not in, it would
// have no figures. Empty parts ask for everything, or for what the page chooses.
export interface View {
  donor: string;
  group: string;
  category: string;
  stages: string[];
  from: string; // a month such as 2022-02
  to: string;
  instruments: string[];
  basis: string;
  asset: string;
  mode: "reached" | "standing";
  theme: "auto" | "light" | "dark";
  seen: string; // the ordinal of a permalink
}

export const view = computed((): View => {
  const p = place.value.searchParams;
  const [about, named] = subject(place.value.pathname);
  const text = (name: string) => (name === about ? named : (p.get(name) ?? ""));
  const theme = text("theme");
  return {
    donor: text("donor"), group: about === "donor" ? "" : text("group"), category: text("category"), stages: p.getAll("stage"), from: text("from"), to: text("to"),
    instruments: p.getAll("instrument"), basis: text("basis"), asset: text("asset"), mode: text("mode") === "standing" ? "standing" : "reached",
    theme: theme === "light" || theme === "dark" ? theme : "auto", seen: /^\d+$/.test(text("seen")) ? text("seen") : "",
  };
});

// subject is what a page is about: /donor/POL is about donor POL.
export function subject(pathname: string): [about: string, named: string] {
  const [, about = "", named = ""] = pathname.split("/");
  return [about, decoded(named)];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch { // a percent sign that begins no character
    return part;
  }
}

export type Patch = Record<string, string | readonly string[] | undefined>;

// kept are the parameters that every page understands, and that a link from one to another takes along.
const kept = ["donor", "group", "category", "from", "to", "instrument", "basis", "asset", "mode", "theme"];

// link leads to a page with the filters of the view, changed by a patch; undefined and empty take a filter away.
export function link(pathname: string, patch: Patch = {}): string {
  const params = new URLSearchParams();
  const [about] = subject(place.value.pathname);
  for (const [name, value] of place.value.searchParams) {
    if (kept.includes(name) && !(name in patch) && !(name === "group" && about === "donor")) {
      params.append(name, value);
    }
  }
  apply(params, patch);
  return withParams(pathname, params);
}

// change sets filters of the page that is shown.
export function change(patch: Patch): void {
  const params = new URLSearchParams(place.value.searchParams);
  for (const name of Object.keys(patch)) {
    params.delete(name);
  }
  apply(params, patch);
  go(withParams(place.value.pathname, params), { replace: true });
}

function apply(params: URLSearchParams, patch: Patch): void {
  for (const [name, value] of Object.entries(patch)) {
    for (const v of typeof value === "string" ? [value] : (value ?? [])) {
      if (v) {
        params.append(name, v);
      }
    }
  }
}

function withParams(pathname: string, params: URLSearchParams): string {
  const text = params.toString();
  return text ? `${pathname}?${text}` : pathname;
}
