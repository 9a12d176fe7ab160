import assert from "node:assert/strict";
import { test } from "node:test";
import { Parser, type Message } from "../src/lib/sse.ts";

function parse(...pieces: string[]): Message[] {
  const heard: Message[] = [];
  const parser = new Parser((m) => heard.push(m));
  for (const piece of pieces) {
    parser.feed(piece);
  }
  return heard;
}

test("messages arrive whole, however they are cut", () => {
  const stream = 'event: change\r\nid: 12\r\ndata: {"a":1}\r\n\r\n: heartbeat\n\ndata: one\ndata: two\n\n';
  const want = [
    { event: "change", id: "12", data: '{"a":1}' },
    { event: "message", id: "12", data: "one\ntwo" },
  ];
  assert.deepEqual(parse(stream), want);
  assert.deepEqual(parse(...stream), want);
});

test("what has not ended is not heard", () => {
  assert.deepEqual(parse("data: half\n"), []);
});

test("a value keeps all but its first space", () => {
  assert.deepEqual(parse("data:  x\n\ndata\n\n"), [
    { event: "message", id: "", data: " x" },
    { event: "message", id: "", data: "" },
  ]);
});
