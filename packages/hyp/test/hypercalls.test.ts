/**
 * Every documented error of the calls of this layer, in order: each row makes one thing wrong together with everything
 * that would be noticed later.
 */

import { gunyahErrorName, Hypercall } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { rowsOf } from "./hypercall-spec.ts";
import { memorySpecs } from "./hypercalls-memory.ts";
import { objectSpecs } from "./hypercalls-objects.ts";
import { vcpuSpecs } from "./hypercalls-vcpu.ts";
import { createMachineWorld } from "./machine-world.ts";

describe("documented errors", () => {
  for (const spec of [...objectSpecs, ...memorySpecs, ...vcpuSpecs]) {
    describe(spec.call, () => {
      for (const row of rowsOf(spec))
        it(`${row.when}: ${gunyahErrorName(row.error)}`, () => {
          expect(row.run()).toBe(row.error);
        });
    });
  }

  it("covers every call that the hypervisor handles", () => {
    const { core } = createMachineWorld();
    const covered = new Set([...objectSpecs, ...memorySpecs, ...vcpuSpecs].map((s) => Hypercall[s.call].number));
    const missing = Object.values(Hypercall).filter((d) => core.hypercalls.has(d.number) && !covered.has(d.number));
    expect(missing.map((d) => d.name)).toEqual([]);
  });
});
