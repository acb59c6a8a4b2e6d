import { AbiProfiles, FnIoeventfdArg, FnType } from "@gunyah-ts/abi";
import { createEventFd } from "@gunyah-ts/kernel";
import {
  fakeHostKernel,
  fakeHostVm,
  fakeHypercalls,
  type VmFunctionWorld,
  vmFunctionConformance,
} from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { Ioeventfd } from "../src/index.ts";

type Arg = Parameters<typeof FnIoeventfdArg.encode>[0];
const arg = (w: VmFunctionWorld, over: Partial<Arg> = {}) =>
  FnIoeventfdArg.encode({
    datamatch: 0n,
    addr: 0x1000n,
    len: 4,
    fd: w.kernel.open(createEventFd()),
    flags: 0,
    padding: 0,
    ...over,
  });
const create = (w: VmFunctionWorld) => new Ioeventfd(w.kernel, AbiProfiles.v17);

vmFunctionConformance({
  describe,
  it,
  name: "ioeventfd",
  type: FnType.IOEVENTFD,
  create,
  arg: (w, n) => arg(w, { addr: 0x1000n + BigInt(n) * 8n }),
  refused: [
    { why: "a length of 3", arg: (w) => arg(w, { len: 3 }), errno: -22 },
    { why: "a length of 16", arg: (w) => arg(w, { len: 16 }), errno: -22 },
    { why: "an address that wraps", arg: (w) => arg(w, { addr: 0xffff_ffff_ffff_fffen, len: 8 }), errno: -22 },
    { why: "an unknown flag", arg: (w) => arg(w, { flags: 2 }), errno: -22 },
    { why: "datamatch of any length", arg: (w) => arg(w, { flags: 1, len: 0 }), errno: -22 },
    { why: "a descriptor that is not open", arg: (w) => arg(w, { fd: 99 }), errno: -9 },
    { why: "a descriptor that is no eventfd", arg: (w) => arg(w, { fd: w.kernel.open("other") }), errno: -22 },
  ],
});

describe("ioeventfd", () => {
  const bound = (over: Partial<Arg> = {}, profile = AbiProfiles.v17) => {
    const w: VmFunctionWorld = { vm: fakeHostVm(), kernel: fakeHostKernel(), hypercalls: fakeHypercalls() };
    const driver = new Ioeventfd(w.kernel, profile);
    const event = createEventFd();
    const bytes = arg(w, { fd: w.kernel.open(event), ...over });
    const instance = { type: FnType.IOEVENTFD, vm: w.vm, arg: bytes };
    expect(driver.bind(instance)).toBe(0);
    return { w, driver, event, instance, bytes };
  };

  it("signals on a store of any length when there is no datamatch, whatever length was given", () => {
    const { w, event } = bound({ len: 4 });
    expect(w.vm.mmioWrite(0x1000, 1, 9, 0)).toBe(0);
    expect(w.vm.mmioWrite(0x1000, 8, 9, 0)).toBe(0);
    expect(event.read()).toBe(2n);
    expect(w.vm.mmioWrite(0x1002, 1, 9, 0)).toBe(-2);
  });

  it("signals on the data that match, of the length that was given", () => {
    const { w, event } = bound({ flags: 1, datamatch: 7n, len: 2 });
    expect(w.vm.mmioWrite(0x1000, 2, 8, 0)).toBe(-2);
    expect(w.vm.mmioWrite(0x1000, 4, 7, 0)).toBe(-2);
    expect(w.vm.mmioWrite(0x1000, 2, 7, 0)).toBe(0);
    expect(event.read()).toBe(1n);
  });

  it("tells 64-bit data apart by either half", () => {
    const { w, event } = bound({ flags: 1, datamatch: 0x1_0000_0007n, len: 8 });
    expect(w.vm.mmioWrite(0x1000, 8, 7, 0)).toBe(-2);
    expect(w.vm.mmioWrite(0x1000, 8, 6, 1)).toBe(-2);
    expect(w.vm.mmioWrite(0x1000, 8, 7, 1)).toBe(0);
    expect(event.read()).toBe(1n);
  });

  it.each([
    [2n ** 64n - 1n, 0, 0],
    [2n ** 64n - 9n, 8, 0],
    [2n ** 64n - 8n, 8, -22],
    [2n ** 64n - 2n, 1, 0],
    [2n ** 64n - 1n, 1, -22],
  ])("takes the last address below 2^64 and refuses the sum that wraps: 0x%x + %i is %i", (addr, len, result) => {
    const w: VmFunctionWorld = { vm: fakeHostVm(), kernel: fakeHostKernel(), hypercalls: fakeHypercalls() };
    expect(create(w).bind({ type: FnType.IOEVENTFD, vm: w.vm, arg: arg(w, { addr, len }) })).toBe(result);
    expect(w.vm.ioHandlers).toHaveLength(result === 0 ? 1 : 0);
  });

  it("takes its handler away when it is unbound, and only its own", () => {
    const { driver, w, event, instance } = bound();
    const other = createEventFd();
    const second = { type: FnType.IOEVENTFD, vm: w.vm, arg: arg(w, { addr: 0x2000n, fd: w.kernel.open(other) }) };
    expect(driver.bind(second)).toBe(0);
    driver.unbind(instance);
    driver.unbind(instance);
    expect([w.vm.mmioWrite(0x1000, 4, 0, 0), w.vm.mmioWrite(0x2000, 4, 0, 0), driver.count]).toEqual([-2, 0, 1]);
    expect([event.read(), other.read()]).toEqual([undefined, 1n]);
    expect(driver.compare(instance, arg(w))).toBe(false);
  });

  it("compares address, length, flags and data; before v16 the address alone", () => {
    const { driver, instance, w } = bound({ flags: 1, datamatch: 7n, len: 2 });
    expect(driver.compare(instance, arg(w, { flags: 1, datamatch: 8n, len: 2 }))).toBe(false);
    expect(driver.compare(instance, arg(w, { flags: 0, len: 2 }))).toBe(false);
    expect(driver.compare(instance, arg(w, { flags: 1, datamatch: 7n, len: 4 }))).toBe(false);
    expect(driver.compare(instance, arg(w, { flags: 1, datamatch: 7n, len: 2, fd: -1 }))).toBe(true);
    const old = bound({}, AbiProfiles.v15);
    expect(old.driver.compare(old.instance, arg(old.w, { flags: 1, datamatch: 8n, len: 2 }))).toBe(true);
    expect(old.driver.compare(old.instance, arg(old.w, { addr: 0x1001n }))).toBe(false);
  });

  it("refuses a second handler that would answer the same store", () => {
    const { driver, w } = bound({ len: 4 });
    const again = (over: Partial<Arg>) => driver.bind({ type: FnType.IOEVENTFD, vm: w.vm, arg: arg(w, over) });
    expect(again({ len: 8 })).toBe(-17);
    expect(again({ len: 4, flags: 1, datamatch: 1n })).toBe(-17);
    expect(again({ addr: 0x1004n })).toBe(0);
    expect(driver.count).toBe(2);
  });
});
