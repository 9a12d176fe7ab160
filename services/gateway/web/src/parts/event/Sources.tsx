// Sources are what a fact cites. Only addresses of the web are links; the page asks none of them by itself.
import { outside } from "../../lib/said.ts";
import type { Source } from "../../lib/types.ts";

export function Sources({ sources }: { sources: readonly Source[] }) {
  return (
    <ul class="sources">
      {sources.map((s, i) => (
        <li key={i}>
          {[s.publisher, s.release && `release ${s.release}`, s.external_id, s.locator].filter(Boolean).join(", ")}
          {s.url && <Address url={s.url} />}
          {s.content_hash && <code title="Of the document that is cited">{s.content_hash}</code>}
        </li>
      ))}
    </ul>
  );
}

function Address({ url }: { url: string }) {
  const href = outside(url);
  return href === undefined ? (
    <span class="url">{url}</span>
  ) : (
    <a class="url" href={href} target="_blank" rel="noopener noreferrer nofollow external">
      {url}
    </a>
  );
}
