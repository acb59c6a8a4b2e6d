import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { LINUX_HOST_ERRORS } from "./errors.ts";

it("has the codes that the README lists", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(HOST_\w+)` \| (.*) \|$/gm)].map(([, code, text]) => [code, text]);
  expect(Object.fromEntries(listed)).toEqual(LINUX_HOST_ERRORS);
});
