import { RmError } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { check, errorOf, must, RmFailure } from "./errors.ts";

describe("errors", () => {
  it("stop with the RM's error for a hypercall's", () => {
    expect(() => must("donate", 0)).not.toThrow();
    expect(() => must("donate", 31)).toThrow(expect.objectContaining({ error: RmError.BUSY }));
    expect(() => must("map", 22, RmError.MAP_FAILED)).toThrow(expect.objectContaining({ error: RmError.MAP_FAILED }));
  });
  it("turn into a reply only when they are the RM's", () => {
    expect(errorOf(new RmFailure(RmError.DENIED))).toBe(RmError.DENIED);
    expect(() => errorOf(new TypeError("bug"))).toThrow("bug");
    expect(() => check(false, RmError.NOMEM, "why")).toThrow("why");
  });
});
