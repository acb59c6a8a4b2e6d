import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DeviceTreeErrorCode } from "./errors.ts";

it("lists the same codes in the README as in the table", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(DT_[A-Z_]+)` \|/gm)].map(([, code]) => code);
  expect(listed.sort()).toEqual(Object.keys(DeviceTreeErrorCode).sort());
});
