/**
 * Every documented error of the calls of this layer, in order: each row makes one thing wrong together with everything
 * that would be noticed later.
 */

import { gunyahErrorName, Hypercall } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { createWorld } from "./fixture.ts";
import { rowsOf } from "./hypercall-spec.ts";
import { memorySpecs } from "./hypercalls-memory.ts";
import { objectSpecs } from "./hypercalls-objects.ts";

describe("documented errors", () => {
  for (const spec of [...objectSpecs, ...memorySpecs]) {
    describe(spec.call, () => {
      for (const row of rowsOf(spec))
        it(`${row.when}: ${gunyahErrorName(row.error)}`, () => {
          expect(row.run()).toBe(row.error);
        });
    });
  }

  it("covers every call that this layer handles", () => {
    const { core } = createWorld();
    const covered = new Set([...objectSpecs, ...memorySpecs].map((s) => Hypercall[s.call].number));
    // A watchdog does not exist on this platform; vpm groups are made by another part.
    covered.add(Hypercall.partition_create_watchdog.number).add(Hypercall.partition_create_vpm_group.number);
    const missing = Object.values(Hypercall).filter((d) => core.hypercalls.has(d.number) && !covered.has(d.number));
    expect(missing.map((d) => d.name)).toEqual([]);
  });
});
