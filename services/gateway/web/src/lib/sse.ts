// Reads Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html) from a fetched response.
import { bodyOf, Problem, problemOf } from "./api.ts";

export interface Message {
  event: string;
  id: string;
  data: string;
}

interface Reader {
  open(): void;
  message(m: Message): void;
}

// readStream reads until the stream ends, which is no error, or rejects: with a Problem where the server refused, else with what broke it,
// silence that lasted too long among it.
export async function readStream(url: string, lastId: string, silenceMilliseconds: number, signal: AbortSignal, reader: Reader): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silenceMilliseconds);
  try {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (lastId) {
      headers["Last-Event-ID"] = lastId;
    }
    const response = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.any([signal, silence.signal]) });
    if (!response.ok) {
      throw problemOf(response, await bodyOf(response));
    }
    if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      throw new Problem("no_stream", `The server answered ${url} with no stream.`, "", 404);
    }
    reader.open();
    const parser = new Parser(reader.message);
    const bytes = response.body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>).getReader();
    for (;;) {
      const { done, value } = await bytes.read();
      if (done) {
        return;
      }
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMilliseconds);
      parser.feed(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

// Parser makes messages of text that arrives in pieces. A message ends with an empty line; comments keep the connection alive and say nothing.
export class Parser {
  private rest = "";
  private event = "";
  private id = "";
  private data: string[] = [];

  constructor(private readonly message: (m: Message) => void) {}

  feed(piece: string): void {
    // A carriage return at the end of a piece may belong to a line feed that is still to come.
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      this.line(line);
    }
  }

  private line(line: string): void {
    if (line === "") {
      if (this.data.length > 0) {
        this.message({ event: this.event || "message", id: this.id, data: this.data.join("\n") });
      }
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") {
      this.event = value;
    } else if (field === "id") {
      this.id = value;
    } else if (field === "data") {
      this.data.push(value);
    }
  }
}
