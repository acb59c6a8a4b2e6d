import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { encodeModule } from "../src/backend.ts";
import { prebuiltModule as inBrowser } from "../src/prebuilt-browser.ts";
import { prebuiltModule } from "../src/prebuilt-node.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

it("generates the same module each time, so that the build's is the one a process would make", () => {
  const module = encodeModule();
  expect(WebAssembly.validate(module)).toBe(true);
  expect(sha256(encodeModule())).toBe(sha256(module));
});

it("has no binary where nothing was built: sources are never run with an older module", () => {
  expect(prebuiltModule()).toBeUndefined();
  expect(inBrowser()).toBeUndefined();
});
