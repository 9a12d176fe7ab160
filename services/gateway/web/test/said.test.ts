import assert from "node:assert/strict";
import { test } from "node:test";
import { printDate } from "../src/lib/print.ts";
import { dateSaid, namesOf, outside } from "../src/lib/said.ts";
import type { LoggedEvent } from "../src/lib/types.ts";

test("only addresses of the web are links", () => {
  assert.equal(outside(" https://example.org/a b "), "https://example.org/a%20b");
  assert.equal(outside("http://example.org"), "http://example.org/");
  for (const url of [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "//example.org",
    "see the press release",
    "",
  ]) {
    assert.equal(outside(url), undefined, url);
  }
});

test("dates are printed as closely as they are known", () => {
  for (const known of ["2022-09-13", "2022-09", "until 2022-12-31"]) {
    assert.match(printDate(known), /2022/, known);
  }
  assert.notEqual(printDate("2022-09"), printDate("2022-09-01"));
  assert.equal(printDate("2022"), "2022");
  assert.equal(printDate("unknown"), "day not known");
  assert.match(dateSaid({ date: "2022-10", as_stated: "unclear, 10/2022" }), /2022.*unclear, 10\/2022/);
});

test("events name lines and draws of their stream, and who corrects whom", () => {
  const event = (revision: string, said: Record<string, unknown>, corrects: string[] = []): LoggedEvent => ({
    position: "1",
    ordinal: "1",
    stream: "pledge-x",
    revision,
    event_id: `id-${revision}`,
    type: "allied.event.v1.PledgeCommitted",
    recorded_at: "",
    error: "",
    envelope: { kind: "pledge", corrects },
    event: said,
  });
  const names = namesOf(
    [
      event("0", { title: "Whole", commitments: [{ line: { line: "a", category: "MIL" } }, { line: { line: "b", title: "Own" } }] }),
      event("1", { draw: "d", asset: "EUR/2@tracker", amount: "1.00" }),
      event("2", { event: "id-0" }, ["id-0"]),
    ],
    (line) => line.title ?? "",
  );
  assert.equal(names.line("a"), "Whole");
  assert.equal(names.line("b"), "Own");
  assert.equal(names.line("c"), undefined);
  assert.equal(names.drawn("d"), "EUR/2@tracker");
  assert.equal(names.revision("id-1"), "1");
  assert.deepEqual(names.correctedBy("id-0"), ["2"]);
});
