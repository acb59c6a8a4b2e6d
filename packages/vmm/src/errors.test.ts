import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { VMM_ERRORS } from "./errors.ts";

it("lists the same codes with the same sentences in the README as in the table", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(VMM_[A-Z_]+)` \| (.*) \|$/gm)].map(([, code, text]) => [code, text]);
  expect(listed).toEqual(Object.entries(VMM_ERRORS));
});
