import { readFileSync } from "node:fs";
import { bug, isModelError, KERNEL_ERRORS, ModelError } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";

describe("the error table", () => {
  it("lists the codes that the README lists", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const listed = [...readme.matchAll(/^\| `(KERNEL_\w+)` \|/gm)].map((match) => match[1]);
    expect(listed.sort()).toEqual(Object.keys(KERNEL_ERRORS).sort());
  });
});

describe("ModelError", () => {
  it("is known by its code, whatever copy of the package made it", () => {
    const error = new ModelError("KERNEL_CYCLE", "text", { plugin: "p", cause: 1 });
    expect(error).toMatchObject({ message: "KERNEL_CYCLE: text", plugin: "p", cause: 1 });
    expect(isModelError(error, "KERNEL_CYCLE")).toBe(true);
    expect(
      isModelError(Object.assign(new Error("x"), { name: "ModelError", code: "KERNEL_CYCLE" }), "KERNEL_CYCLE"),
    ).toBe(true);
    expect(isModelError(new Error("x"))).toBe(false);
  });

  it("carries the state that reproduces a bug, bigints included", () => {
    expect(() => bug("BUG_TEST", "broken", { pa: 0x80n })).toThrow('BUG_TEST: broken {"pa":"0x80"}');
  });
});
