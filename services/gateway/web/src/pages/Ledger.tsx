// The recorded facts, the newest first; or those of one stream, in order.
import { place } from "../lib/router.ts";
import { Journal } from "./ledger/Journal.tsx";
import { Stream } from "./ledger/Stream.tsx";

export function Ledger() {
  const stream = place.value.searchParams.get("stream") ?? "";
  return stream ? <Stream key={stream} stream={stream} /> : <Journal />;
}
