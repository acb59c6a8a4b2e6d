import { LinuxErrno } from "@gunyah-ts/abi";
import type { HostVm, VmFunction } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { FunctionList } from "../src/gunyah/functions.ts";
import { isErrno } from "../src/index.ts";
import { started, vmWith, world } from "./support/world.ts";

describe("functions of a VM", () => {
  /** A list whose driver of type 9 notes what it is asked, and refuses arguments that begin with 99. */
  const setUp = () => {
    const log: string[] = [];
    const driver: VmFunction = {
      bind: ({ arg }) => {
        log.push(`bind ${arg[0]}`);
        return arg[0] === 99 ? -LinuxErrno.EBUSY : 0;
      },
      unbind: ({ arg }) => void log.push(`unbind ${arg[0]}`),
      compare: ({ arg }, wanted) => arg[0] === wanted[0],
    };
    const list = new FunctionList({ get: (type) => (type >= 9 ? driver : undefined), load: async () => false });
    const add = (value: number, type = 9) => list.add({} as HostVm, type, Uint8Array.of(value), () => {});
    return { log, list, add };
  };

  it("are unbound newest first when the VM goes, each once", () => {
    const { log, list, add } = setUp();
    for (const value of [1, 2, 3]) add(value);
    list.clear();
    list.clear();
    expect(log).toEqual(["bind 1", "bind 2", "bind 3", "unbind 3", "unbind 2", "unbind 1"]);
    expect(list.count).toBe(0);
  });

  it("are removed by type and argument, all that compare equal, newest first", () => {
    const { log, list, add } = setUp();
    add(1);
    add(2);
    add(1, 10);
    add(1);
    log.length = 0;
    expect(list.remove(9, Uint8Array.of(1))).toBe(2);
    expect(list.remove(9, Uint8Array.of(1))).toBe(0);
    expect([log, list.count]).toEqual([["unbind 1", "unbind 1"], 2]);
  });

  it("are not kept when bind refuses, nor when nobody drives the type", async () => {
    const { log, list, add } = setUp();
    expect(add(99)).toBe(-LinuxErrno.EBUSY);
    expect(await add(1, 3)).toBe(-LinuxErrno.ENOENT);
    expect([log, list.count]).toEqual([["bind 99"], 0]);
  });
});

describe("REMOVE_FUNCTION", () => {
  const refused = (errno: number) => (error: unknown) => isErrno(error, errno);

  it("takes a vCPU away: its descriptor answers ENODEV, and its id is free again", async () => {
    const { vm, vcpu } = await started(world());
    await vm.removeVcpu(0);
    await expect(vcpu.run()).rejects.toSatisfy(refused(LinuxErrno.ENODEV));
    await expect(vm.removeVcpu(0)).rejects.toSatisfy(refused(LinuxErrno.ENOENT));
    const other = await vmWith(world());
    await expect(other.vm.addVcpu(0)).rejects.toSatisfy(refused(LinuxErrno.EEXIST));
    await other.vm.removeVcpu(0);
    await other.vm.addVcpu(0);
  });

  it("takes an irqfd away by its label: the doorbell is rung no more", async () => {
    const w = world({ bells: [7] });
    const { vm, device, fake } = await started(w);
    const event = device.createEventFd();
    await vm.addIrqfd({ fd: event.fd, label: 7 });
    event.event.signal();
    const bell = fake.bells.get(7) as bigint;
    expect(fake.rings.get(bell)).toBe(1);
    await expect(vm.removeIrqfd(8)).rejects.toSatisfy(refused(LinuxErrno.ENOENT));
    await vm.removeIrqfd(7);
    event.event.signal();
    expect(fake.rings.get(bell)).toBe(1);
    await expect(vm.removeIrqfd(7)).rejects.toSatisfy(refused(LinuxErrno.ENOENT));
    await vm.addIrqfd({ fd: event.fd, label: 7 });
  });

  it("takes an ioeventfd away by address, length and data", async () => {
    const { vm, device } = await vmWith(world());
    const { fd } = device.createEventFd();
    const one = { address: 0x1000, length: 4, datamatch: 7n } as const;
    await vm.addIoeventfd({ fd, ...one });
    await expect(vm.addIoeventfd({ fd, ...one })).rejects.toSatisfy(refused(LinuxErrno.EEXIST));
    for (const other of [{ address: 0x1004 }, { length: 2 as const }, { datamatch: 8n }])
      await expect(vm.removeIoeventfd({ ...one, ...other })).rejects.toSatisfy(refused(LinuxErrno.ENOENT));
    await vm.removeIoeventfd(one);
    await vm.addIoeventfd({ fd, ...one });
  });
});

describe("the host kernel", () => {
  it("gives an interrupt to one at a time: EBUSY, and an old one's free takes nothing away", () => {
    const { kernel } = world().driver;
    const { requestedIrqs } = kernel;
    const free = kernel.requestIrq(990, () => {});
    expect(kernel.requestIrq(990, () => {})).toBe(-LinuxErrno.EBUSY);
    if (typeof free !== "function") throw new Error("refused");
    free();
    const again = kernel.requestIrq(990, () => {});
    expect(typeof again).toBe("function");
    free();
    expect(kernel.requestedIrqs).toBe(requestedIrqs + 1);
    expect(kernel.requestIrq(990, () => {})).toBe(-LinuxErrno.EBUSY);
  });

  it("leaves no timer behind of a call to RM that was answered in time", async () => {
    const w = world({ driver: { rmTimeoutTicks: 1_000_000 } });
    await started(w);
    expect(w.driver.usage.rmCalls).toBe(0);
    expect(w.clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("says that it has not started to whoever uses what modules are given, but for its ABI", () => {
    const { driver } = world();
    expect(driver.moduleKernel.abi).toBe("v17");
    expect(driver.moduleKernel.needResched).toBe(driver.kernel.needResched);
    expect(driver.moduleKernel.yield).toBe(driver.moduleKernel.yield);
  });
});
