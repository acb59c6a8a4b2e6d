/**
 * Registers full of anything: every call answers with an error value, nothing throws, and who owns and sees what stays
 * consistent, also when memory for tables or objects runs out.
 */

import { GunyahError, gunyahErrorFromRegister, Hypercall, MapFlag, MemextentDonateType } from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkOwnership } from "../src/ownership/check.ts";
import { create, createAddrspace, createWorld, DRAM_BASE, derive, SPARSE_RWX, type World } from "./fixture.ts";

const NIGHTLY = process.env["GUNYAH_NIGHTLY"] === "1";
const MIB = 0x10_0000;
const KNOWN_ERRORS: ReadonlySet<number> = new Set(Object.values(GunyahError));
const CALLS = Object.values(Hypercall).filter((c) => c.number !== 0);

function smallWorld(tables: number): { world: World; caps: CapId[] } {
  const dramSize = 4 * MIB;
  const world = createWorld({
    dramSize,
    carveOut: { base: DRAM_BASE + 3 * MIB, size: tables },
    seed: "fuzz",
    quiet: true,
  });
  const host = derive(world, world.caps.ddr, 0, DRAM_BASE + 2 * MIB, SPARSE_RWX);
  const guest = derive(world, world.caps.ddr, 0, DRAM_BASE + 2 * MIB, SPARSE_RWX);
  world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, world.caps.ddr, host, DRAM_BASE, 2 * MIB);
  const as = createAddrspace(world, 7);
  world.root.ok(Hypercall.addrspace_map, as, host, DRAM_BASE, 0xf0077, MapFlag.PARTIAL, DRAM_BASE, 2 * MIB);
  const caps = [
    ...Object.values(world.caps),
    host,
    guest,
    as,
    createAddrspace(world, 8),
    ...["doorbell", "msgqueue", "cspace", "memextent", "addrspace", "vic", "thread", "virtio_mmio"].map((type) =>
      create(world, type),
    ),
  ];
  return { world, caps };
}

type Word = { readonly cap: number } | { readonly value: bigint };
const word: fc.Arbitrary<Word> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(19).map((cap) => ({ cap })) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 16 }).map((n) => ({ value: BigInt(n) })) },
  { weight: 3, arbitrary: fc.nat(1024).map((n) => ({ value: BigInt(DRAM_BASE + n * 4096) })) },
  { weight: 2, arbitrary: fc.nat(64).map((n) => ({ value: BigInt(n) * 4096n })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(0xf0077n, 0xf0066n, 0x10007n, 0x7n, 0x80000001n).map((value) => ({ value })),
  },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({ value })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        2n ** 64n - 1n,
        2n ** 64n - 4096n,
        2n ** 63n,
        2n ** 53n,
        2n ** 48n,
        2n ** 36n,
        2n ** 36n - 4096n,
        2n ** 32n,
      )
      .map((value) => ({ value })),
  },
);
const callArbitrary = fc.record({
  call: fc.nat(CALLS.length - 1),
  args: fc.array(word, { minLength: 8, maxLength: 8 }),
});

describe("hypercalls with any registers", () => {
  for (const [tables, name] of [
    [1024 * 1024, "enough memory"],
    [96 * 1024, "hardly any memory for tables and objects"],
  ] as const) {
    it(`answer and keep memory consistent, ${name}`, { timeout: NIGHTLY ? 3_600_000 : 120_000 }, () => {
      fc.assert(
        fc.property(fc.array(callArbitrary, { maxLength: 400, size: "max" }), (list) => {
          const { world, caps } = smallWorld(tables);
          const { root } = world;
          let made = 0;
          for (const { call, args } of list) {
            const definition = CALLS[call] as (typeof CALLS)[number];
            const words = args.map((w) => ("cap" in w ? (caps[w.cap % caps.length] as bigint) : w.value));
            // The root's own objects stay, so that there is something to ask.
            if (definition === Hypercall.cspace_delete_cap_from && caps.indexOf(words[1] as bigint) < 4) continue;
            const error = root.call(definition, ...words);
            if (!KNOWN_ERRORS.has(error)) throw new Error(`${definition.name} answered ${error}`);
            expect(gunyahErrorFromRegister(root.r.x[0] as bigint)).toBe(error);
            if (error === GunyahError.OK && definition.name.startsWith("partition_create"))
              caps[8 + (made++ % 12)] = root.r.x[1] as bigint;
          }
          expect(checkOwnership(world.core)).toBeUndefined();
          expect(world.ddr.isActive).toBe(true);
          expect(world.core.heap.used).toBeLessThanOrEqual(world.core.heap.capacity);
          expect(world.core.heap.used).toBeGreaterThanOrEqual(0);
        }),
        { numRuns: NIGHTLY ? 2000 : 60 },
      );
    });
  }
});
