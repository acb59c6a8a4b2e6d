import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { AbiErrorCode } from "../src/index.ts";

it("README and table list the same error codes", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(ABI_[A-Z_]+)` \|/gm)].map((match) => match[1]);
  expect(listed).toEqual(Object.values(AbiErrorCode));
});
