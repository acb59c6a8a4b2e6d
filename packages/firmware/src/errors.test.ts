import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { FIRMWARE_ERRORS } from "./errors.ts";

it("has the codes that the README lists", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(FIRMWARE_\w+)` \| (.*) \|$/gm)].map(([, code, text]) => [code, text]);
  expect(Object.fromEntries(listed)).toEqual(FIRMWARE_ERRORS);
});
