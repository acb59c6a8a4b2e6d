import { describe, expect, it } from "vitest";
import { formatBytes, parseInteger, parseSize } from "./size.ts";

describe("parseSize", () => {
  it.each([
    ["512M", 512 * 2 ** 20],
    ["1G", 2 ** 30],
    ["1.5G", 1.5 * 2 ** 30],
    ["64", 64 * 2 ** 20],
    ["2048K", 2 ** 21],
    ["1GiB", 2 ** 30],
    ["8mb", 2 ** 23],
  ])("reads %s", (text, bytes) => {
    expect(parseSize(text, "--mem")).toBe(bytes);
  });

  it.each(["", "-1", "0", "1T", "M", "0.00001K", "1e3"])("refuses %j", (text) => {
    expect(() => parseSize(text, "--mem")).toThrow(/CLI_USAGE/);
  });
});

it("parseInteger reads decimal and hexadecimal and refuses the rest", () => {
  expect([parseInteger("12", "--cpus"), parseInteger("0x80", "--cpus")]).toEqual([12, 128]);
  for (const text of ["-1", "1.5", "x", ""]) expect(() => parseInteger(text, "--cpus")).toThrow(/CLI_USAGE/);
});

it("formatBytes counts in MiB and GiB", () => {
  expect([formatBytes(3 * 2 ** 20), formatBytes(1.25 * 2 ** 30)]).toEqual(["3.0 MiB", "1.25 GiB"]);
});
