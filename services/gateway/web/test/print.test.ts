import assert from "node:assert/strict";
import { test } from "node:test";
import { plural, printFull, printShort } from "../src/lib/print.ts";

const locale = "en-GB";

test("a full figure keeps every digit and place", () => {
  assert.equal(printFull("293687251176.69", { locale }), "293,687,251,176.69");
  assert.equal(printFull("9007199254740993.10", { locale }), "9,007,199,254,740,993.10");
  assert.equal(printFull("99999999999999999999999999999999999999", { locale }), "99,999,999,999,999,999,999,999,999,999,999,999,999");
  assert.equal(printFull("-0.05", { locale }), "-0.05");
  assert.equal(printFull("1234.50", { locale: "de-DE" }), "1.234,50");
});

test("a quantity's trailing zeros are left out, its digits are not", () => {
  assert.equal(printFull("18.000000", { locale, trim: true }), "18");
  assert.equal(printFull("2.500000", { locale, trim: true }), "2.5");
  assert.equal(printFull("100", { locale, trim: true }), "100");
  assert.equal(printFull("0.000000", { locale, trim: true }), "0");
});

test("a short figure is rounded from the exact text", () => {
  for (const [amount, want] of [
    ["293687251176.69", "294 bn"],
    ["30963828967.21", "31.0 bn"],
    ["12349999999.99", "12.3 bn"],
    ["12350000000.00", "12.4 bn"],
    ["999.99", "999.99"],
    ["999", "999"],
    ["1000.00", "1.0 k"],
    ["99949.99", "99.9 k"],
    ["99950.00", "100 k"],
    ["999499.99", "999 k"],
    ["999500.00", "1.0 m"],
    ["999960000.00", "1.0 bn"],
    ["-1550000", "-1.6 m"],
    ["0.00", "0"],
    ["5.50", "5.5"],
    ["4000000000000000", "4,000 tn"],
    ["1000000000000000", "1,000 tn"],
  ] as const) {
    assert.equal(printShort(amount, { locale }), want, amount);
  }
  assert.equal(printShort("191350055874.95", { locale, words: true }), "191 billion");
});

test("counts agree with their nouns", () => {
  assert.equal(plural("1", "fact", "facts"), "1 fact");
  assert.equal(plural("0", "fact", "facts"), "0 facts");
});
