/**
 * What each call does, seen in the hypervisor's state: translations, a TLB, owners, contents, rights, interrupts. The
 * rows of `hypercalls.test.ts` look at answers alone.
 */

import { Hypercall, type HypercallName } from "@gunyah-ts/abi";
import type { AccessControl } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { checkOwnership } from "../src/ownership/check.ts";
import type { Effects } from "./effects.ts";
import { memoryEffects } from "./effects-memory.ts";
import { objectEffects } from "./effects-objects.ts";
import { vcpuEffects } from "./effects-vcpu.ts";
import { createWorld, type World } from "./fixture.ts";
import { memorySpecs } from "./hypercalls-memory.ts";
import { objectSpecs } from "./hypercalls-objects.ts";
import { vcpuSpecs } from "./hypercalls-vcpu.ts";
import { BOARD } from "./machine.ts";
import { createMachineWorld, machineOf } from "./machine-world.ts";

const sets: readonly (readonly [Effects, () => World])[] = [
  [objectEffects, createWorld],
  [memoryEffects, createWorld],
  [vcpuEffects, createMachineWorld],
];

for (const [effects, make] of sets) {
  describe.each(Object.entries(effects))("%s", (_call, cases) => {
    it.each(Object.entries(cases))("%s", (_what, effect) => {
      const world = make();
      effect(world);
      expect(checkOwnership(world.core)).toBeUndefined();
    });
  });
}

it("covers every call that can succeed", () => {
  const covered = new Set(sets.flatMap(([effects]) => Object.keys(effects)));
  const fails = new Set<HypercallName>();
  for (const { call, result } of [...objectSpecs, ...memorySpecs, ...vcpuSpecs])
    if (result !== undefined) fails.add(call);
  const { core } = createMachineWorld();
  const missing = Object.values(Hypercall).filter(
    ({ name, number }) => core.hypercalls.has(number) && !covered.has(name) && !fails.has(name as HypercallName),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});

describe("access control of the SoC", () => {
  it("holds for what the hypervisor copies on behalf of a VM", () => {
    const world = createMachineWorld();
    const m = machineOf(world);
    const secret = BOARD.rootVm.base + 0x2000;
    const open = BOARD.rootVm.base + 0x3000;
    const queue = m.createMsgqueue(4, 64);
    let isClosed = false;
    const listeners: (() => void)[] = [];
    const control = {
      allows: (_domain: number, pa: number) => !(isClosed && pa >= secret && pa < secret + 0x1000),
      onChange: (listener: () => void) => {
        listeners.push(listener);
        return () => {};
      },
    } as unknown as AccessControl;
    m.memory.accessControl = control;
    m.memory.write(secret, Uint8Array.of(1, 2, 3, 4));
    isClosed = true;
    for (const listener of listeners) listener();
    // A message that cannot be read is dropped; one that cannot be written stays.
    m.root.ok(Hypercall.msgqueue_send, queue, 4, secret, 0);
    expect(m.root.call(Hypercall.msgqueue_receive, queue, open, 64)).not.toBe(0);
    m.memory.write(open, Uint8Array.of(9, 9, 9, 9));
    m.root.ok(Hypercall.msgqueue_send, queue, 4, open, 0);
    expect(m.root.ok(Hypercall.msgqueue_receive, queue, secret, 64)).toBe(0n);
    expect([...m.memory.view(secret, 4)]).toEqual([1, 2, 3, 4]);
    expect(m.root.ok(Hypercall.msgqueue_receive, queue, open, 64)).toBe(4n);
  });
});
