// Invented says that the ledger holds pledges that nobody made, such as those of the sample: no figure of theirs may be taken for support.
import { plural } from "../lib/print.ts";
import { useQuery } from "../lib/query.ts";

// What is asked of the pledges' answer: how many pass the filter.
interface Count {
  position: string;
  total: string;
}

export function Invented() {
  const { data } = useQuery<Count>("/v1/pledges", { flag: "synthetic", limit: 1 });
  return data && data.total !== "0" ? (
    <aside class="note warning" aria-label="Invented figures">
      <p>
        <strong>{plural(data.total, "pledge here is invented", "pledges here are invented")}</strong>, for examples and tests, and marked synthetic. Figures below may
        hold them.
      </p>
    </aside>
  ) : null;
}
