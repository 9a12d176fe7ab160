import assert from "node:assert/strict";
import { test } from "node:test";
import { add, compare, cumulate, isZero, parse, percent, subtract, text } from "../src/lib/exact.ts";

test("amounts beyond 2^53 keep every digit", () => {
  const most = "999999999999999999999999999999999999.99";
  assert.equal(text(parse(most)), most);
  assert.equal(add(most, "-0.01"), "999999999999999999999999999999999999.98");
  assert.equal(subtract("9007199254740993.00", "0.01"), "9007199254740992.99");
});

test("signs and leading zeros survive", () => {
  for (const amount of ["-0.05", "0.00", "-12.30", "7", "-7", "0.000001"]) {
    assert.equal(text(parse(amount)), amount);
  }
});

test("what is no decimal is refused, not read as something else", () => {
  for (const bad of ["", "1e6", "1,5", "NaN", ".5", "5.", "+1", " 1", "0x10"]) {
    assert.throws(() => parse(bad), bad);
  }
});

test("places are aligned before adding and comparing", () => {
  assert.equal(add("1.5", "0.25"), "1.75");
  assert.equal(compare("1.50", "1.5"), 0);
  assert.equal(compare("-2", "1.99"), -1);
  assert.equal(compare("10", "9.99"), 1);
  assert.ok(isZero("0.00") && isZero("-0") && !isZero("0.01"));
});

test("running sums are exact", () => {
  assert.deepEqual(cumulate(["0.10", "0.20", "-0.05"]), ["0.10", "0.30", "0.25"]);
  assert.deepEqual(cumulate([]), []);
});

test("percentages are cut, so that 99.9 never reads as all", () => {
  assert.equal(percent("999.99", "1000.00"), 99);
  assert.equal(percent("1000.00", "1000.00"), 100);
  assert.equal(percent("-5", "10"), -50);
  assert.equal(percent("5", "0"), null);
  assert.equal(percent("5", "-1"), null);
});
