import { AbiProfiles, FnIrqfdArg, FnType } from "@gunyah-ts/abi";
import { createEventFd } from "@gunyah-ts/kernel";
import {
  fakeHostKernel,
  fakeHostVm,
  fakeHypercalls,
  type VmFunctionWorld,
  vmFunctionConformance,
} from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { Irqfd } from "../src/index.ts";

type Arg = Parameters<typeof FnIrqfdArg.encode>[0];
const arg = (w: VmFunctionWorld, over: Partial<Arg> = {}) =>
  FnIrqfdArg.encode({ fd: w.kernel.open(createEventFd()), label: 4, flags: 0, padding: 0, ...over });
const create = (w: VmFunctionWorld, profile = AbiProfiles.v17) => new Irqfd(w.kernel, w.hypercalls, profile);
const world = (): VmFunctionWorld => ({ vm: fakeHostVm(), kernel: fakeHostKernel(), hypercalls: fakeHypercalls() });

vmFunctionConformance({
  describe,
  it,
  name: "irqfd",
  type: FnType.IRQFD,
  create,
  arg: (w, n) => arg(w, { label: n + 4 }),
  refused: [
    { why: "an unknown flag", arg: (w) => arg(w, { flags: 2 }), errno: -22 },
    { why: "a descriptor that is not open", arg: (w) => arg(w, { fd: 99 }), errno: -9 },
    { why: "a descriptor that is no eventfd", arg: (w) => arg(w, { fd: w.kernel.open("other") }), errno: -22 },
  ],
});

describe("irqfd", () => {
  const bound = (flags = 0, profile = AbiProfiles.v17) => {
    const w = world();
    const driver = create(w, profile);
    const event = createEventFd();
    const instance = { type: FnType.IRQFD, vm: w.vm, arg: arg(w, { fd: w.kernel.open(event), flags }) };
    expect(driver.bind(instance)).toBe(0);
    return { w, driver, event, instance };
  };
  const start = (w: VmFunctionWorld, masks = true) => {
    if (masks) w.hypercalls.bells.set(7n, { flags: 0n, enableMask: 0n, ackMask: 0n });
    return w.vm.populate({ type: 0, label: 4, capId: 7n, intid: undefined });
  };

  it("rings the doorbell with flag 1 on every write and leaves the count alone", () => {
    const { w, event } = bound();
    expect(start(w)).toBe(true);
    event.write(5n);
    event.signal();
    expect(w.hypercalls.calls).toEqual([
      { name: "bell_send", args: [7n, 1n] },
      { name: "bell_send", args: [7n, 1n] },
    ]);
    expect(event.read()).toBe(6n);
  });

  it("loses a signal that comes before the doorbell is known, and says so once", () => {
    const { w, event } = bound();
    event.signal();
    event.signal();
    start(w);
    expect(w.hypercalls.calls).toEqual([]);
    expect(w.kernel.messages.filter((m) => m.message.includes("premature"))).toHaveLength(1);
  });

  it("sets the doorbell's masks for a level interrupt and goes on when that is refused", () => {
    const good = bound(1);
    start(good.w);
    expect(good.w.hypercalls.calls).toEqual([{ name: "bell_set_mask", args: [7n, 1n, 1n] }]);
    const refused = bound(1);
    expect(start(refused.w, false)).toBe(true);
    expect(refused.w.kernel.messages.at(-1)?.message).toContain("level doorbell");
  });

  it("refuses a second irqfd of the label", () => {
    const { w, driver } = bound();
    expect(driver.bind({ type: FnType.IRQFD, vm: w.vm, arg: arg(w) })).toBe(-17);
  });

  it("rings no more once unbound; v16 keeps the waiter of a VM that never started", () => {
    const { w, driver, event, instance } = bound();
    driver.unbind(instance);
    start(w);
    event.signal();
    expect(w.kernel.messages).toEqual([]);
    const old = bound(0, AbiProfiles.v16);
    old.driver.unbind(old.instance);
    old.event.signal();
    expect(old.w.kernel.messages.at(-1)?.message).toContain("premature");
  });

  it("rings one doorbell: a second of the label is refused, and none is rung after the VM is reset", () => {
    const { w, event, driver, instance } = bound();
    start(w);
    const ticket = w.vm.tickets[0];
    expect(ticket?.populate({ type: 0, label: 4, capId: 8n, intid: undefined })).toBe(false);
    event.signal();
    expect(w.hypercalls.calls).toEqual([{ name: "bell_send", args: [7n, 1n] }]);
    w.vm.unpopulate();
    event.signal();
    expect(w.hypercalls.calls).toHaveLength(1);
    driver.unbind(instance);
    driver.unbind(instance);
    expect([driver.count, w.vm.tickets.length]).toEqual([0, 0]);
  });

  it("detaches what v16 had attached once the VM started", () => {
    const old = bound(0, AbiProfiles.v16);
    start(old.w);
    old.driver.unbind(old.instance);
    old.event.signal();
    expect(old.w.hypercalls.calls).toEqual([]);
    expect(old.w.kernel.messages).toEqual([]);
  });

  it("says when a doorbell cannot be rung, and when its eventfd was signalled before", () => {
    const { w, event } = bound();
    start(w, false);
    event.signal();
    expect(w.kernel.messages).toEqual([{ level: "error", message: "irqfd 4: failed to ring, error 50" }]);
    const early = world();
    const signalled = createEventFd(1n);
    create(early).bind({ type: FnType.IRQFD, vm: early.vm, arg: arg(early, { fd: early.kernel.open(signalled) }) });
    expect(early.kernel.messages[0]?.message).toContain("before the irqfd was added");
    expect(early.hypercalls.calls).toEqual([]);
  });

  it("compares labels only", () => {
    const { w, driver, instance } = bound();
    expect(driver.compare(instance, arg(w, { flags: 1, fd: 0 }))).toBe(true);
    expect(driver.compare(instance, arg(w, { label: 5 }))).toBe(false);
  });
});
