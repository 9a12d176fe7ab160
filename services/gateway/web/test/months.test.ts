import assert from "node:assert/strict";
import { test } from "node:test";
import { everyMonth } from "../src/lib/months.ts";

test("months without facts are not skipped, also over a year's end", () => {
  assert.deepEqual(everyMonth(["2023-02", "2022-11"]), ["2022-11", "2022-12", "2023-01", "2023-02"]);
  assert.deepEqual(everyMonth(["2022-02", "2022-02"]), ["2022-02"]);
  assert.deepEqual(everyMonth([]), []);
});
