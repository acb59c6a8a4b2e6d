import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { encodeHypercall, Hypercall, type HypercallArguments, type HypercallDefinition } from "../src/index.ts";

type Ipa = number & { readonly __space?: "ipa" };
type Size = number & { readonly __space?: "size" };

const definitions: readonly HypercallDefinition[] = Object.values(Hypercall);

function encoded(definition: HypercallDefinition, inputs: readonly (number | bigint)[]): BigUint64Array {
  const x = new BigUint64Array(18).fill(0x5555_5555_5555_5555n);
  encodeHypercall(x, new Uint32Array(x.buffer), definition, ...(inputs as HypercallArguments<HypercallDefinition>));
  return x;
}

describe("encodeHypercall", () => {
  it.each(definitions.map((d) => [d.name, d] as const))("puts the inputs of %s where the table says", (_name, d) => {
    const given = d.inputs.filter((p) => p.kind !== "res0" && p.kind !== "res1");
    const x = encoded(
      d,
      given.map(({ kind }, i) => (kind === "cap" || kind === "u64" ? 2n ** 63n + BigInt(i) : 2 ** 32 + i)),
    );
    expect(x[0]).toBe(BigInt(d.fid));
    given.forEach(({ kind, name, register }, i) => {
      const base = kind === "cap" || kind === "u64" ? 2n ** 63n : 2n ** 32n;
      expect(x[register], name).toBe(base + BigInt(i));
    });
    for (const p of d.inputs) {
      if (p.kind === "res0") expect(x[p.register]).toBe(0n);
      if (p.kind === "res1") expect(x[p.register]).toBe(0xffff_ffff_ffff_ffffn);
    }
    for (let i = d.inputs.length + 1; i < 18; i++) expect(x[i]).toBe(0x5555_5555_5555_5555n);
  });

  it("writes any number below 2^53 exactly, and -1 as 64 ones", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(encoded(Hypercall.vcpu_set_timeslice, [1n, value])[2]).toBe(BigInt(value));
      }),
    );
    expect(encoded(Hypercall.vcpu_set_affinity, [1n, -1])[2]).toBe(0xffff_ffff_ffff_ffffn);
  });

  it("does not compile with inputs of another kind, or too few", () => {
    const x = new BigUint64Array(18);
    const w = new Uint32Array(x.buffer);
    const space = 1n;
    const extent = 2n;
    const at = 0x8000_0000 as Ipa;
    const size = 0x1000 as Size;
    encodeHypercall(x, w, Hypercall.addrspace_unmap, space, extent, at, 1, 0x9000_0000, size);
    // @ts-expect-error a size where an IPA is meant
    encodeHypercall(x, w, Hypercall.addrspace_unmap, space, extent, size, 1, 0x9000_0000, at);
    // @ts-expect-error a capability id where flags are meant
    encodeHypercall(x, w, Hypercall.addrspace_unmap, space, extent, at, space, 0x9000_0000, size);
    // @ts-expect-error the size is missing
    encodeHypercall(x, w, Hypercall.addrspace_unmap, space, extent, at, 1, 0x9000_0000);
    expectTypeOf<HypercallArguments<typeof Hypercall.object_reset>>().toEqualTypeOf<
      [bigint & { readonly __space?: "cap" }]
    >();
  });
});
