import { readFileSync } from "node:fs";
import { createPhysicalMemory, createVirtualClock, PeExit } from "@gunyah-ts/kernel";
import { expect, it } from "vitest";
import { createArm64Backend } from "../src/index.ts";

it("runs the README's example", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const code = example.replace(/^import .*$/gm, "");
  const printed: unknown[] = [];
  const names = {
    createArm64Backend,
    createPhysicalMemory,
    createVirtualClock,
    PeExit,
    console: { log: (...values: unknown[]) => printed.push(...values) },
  };
  new Function(...Object.keys(names), code)(...Object.values(names));
  expect(printed).toEqual([0x16, 42n]);
});
