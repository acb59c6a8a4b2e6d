import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { RM_ERRORS } from "../src/index.ts";

it("README and table list the same error codes", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(RM_[A-Z_]+)` \|/gm)].map((match) => match[1]);
  expect(listed).toEqual(Object.keys(RM_ERRORS));
});
