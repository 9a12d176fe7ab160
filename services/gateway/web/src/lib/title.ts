// The title of the browser's tab, which also names the page to who cannot see it.
import { useEffect } from "preact/hooks";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Allied Ledger`;
  }, [title]);
}
