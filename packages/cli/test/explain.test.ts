import { describe, expect, it } from "vitest";
import { catalog, explain } from "../src/explain/catalog.ts";

describe("gunyah explain", () => {
  it("knows more than the name of every code of every layer", () => {
    expect(catalog().filter(({ meaning }) => meaning.startsWith("No more is known"))).toEqual([]);
    expect(new Set(catalog().map(({ layer }) => layer)).size).toBeGreaterThanOrEqual(10);
  });

  it("finds a name in any case, and all layers that have it", () => {
    expect(explain("vmm_layout_overlap")).toMatchObject([{ layer: "VMM" }]);
    const denied = explain("DENIED").map(({ layer }) => layer);
    expect(denied).toEqual(expect.arrayContaining(["Resource Manager RPC", "hypercall", "PSCI"]));
  });

  it("finds a part of a name when nothing matches whole", () => {
    const codes = explain("INUSE").map(({ code }) => code);
    expect(codes).toContain("MEM_INUSE");
  });

  it("finds numbers: decimal, hexadecimal, errno with and without sign, -1 as a register shows it", () => {
    expect(explain("-22").map(({ code }) => code)).toContain("EINVAL");
    expect(explain("22").map(({ code }) => code)).toContain("EINVAL");
    expect(explain("0x16").map(({ code }) => code)).toEqual(explain("22").map(({ code }) => code));
    expect(explain("0xffffffff").map(({ code }) => code)).toEqual(explain("-1").map(({ code }) => code));
  });

  it("finds nothing for what nobody has", () => {
    expect(explain("NO_SUCH_THING")).toEqual([]);
    expect(explain("123456")).toEqual([]);
  });
});
