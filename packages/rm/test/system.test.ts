import {
  GunyahError,
  Hypercall,
  HypResourceType,
  MemextentDonateType,
  Psci,
  RmError,
  VcpuRunState,
  VmExitType,
  VmState,
} from "@gunyah-ts/abi";
import type { PeScript } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { DTB_AT, DTB_SIZE, lendRequest, make } from "./host.ts";
import { bootSystem, type HostProgram, SYSTEM_BOARD } from "./system.ts";

const RAM = 0x8000_0000;
const PAGE = 0x8090_0000;
type Resource = { type: number; label: number; capId: bigint; virq: number };

describe("RM on the hypervisor", () => {
  it("boots the host, which finds the RM and talks to it", () => {
    const { host, tree, hypervisor, node, program } = bootSystem();
    expect(tree.root.string("compatible")).toBe("test,board");
    const [, tx, , , rx] = node?.cells("interrupts") ?? [];
    for (const spi of [tx, rx]) program.listen((spi as number) + 32);
    expect(host.ok("VM_GET_VMID", {})).toEqual({ vmid: SYSTEM_BOARD.hostVmid });
    // The reply rang "not empty".
    expect(program.takeInterrupts()).toContain((rx as number) + 32);
    expect(hypervisor.inspect.checkOwnership()).toBeUndefined();
  });

  it("keeps the host out of the hypervisor's and the RM's memory", () => {
    const { program } = bootSystem();
    const byte = new Uint8Array(1);
    expect(program.vcpu.read(Number(SYSTEM_BOARD.dram.base), byte)).toBe(true);
    expect(program.vcpu.read(Number(SYSTEM_BOARD.rootVm.base), byte)).toBe(false);
    expect(program.vcpu.read(Number(SYSTEM_BOARD.carveOut.base), byte)).toBe(false);
  });

  it("lends, refuses and reclaims", () => {
    const system = bootSystem();
    const { host, program } = system;
    const { vmid } = make(system, "LOAD");
    program.vcpu.write(PAGE, Uint8Array.of(1, 2, 3));
    const { handle } = host.ok("MEM_LEND", lendRequest(vmid, PAGE, 0x3000));
    const bytes = new Uint8Array(3);
    expect(program.vcpu.read(PAGE, bytes)).toBe(false);
    expect(host.call("MEM_LEND", lendRequest(vmid, PAGE - 0x1000, 0x2000)).error).toBe(RmError.MEM_INVALID);
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    expect(program.vcpu.read(PAGE, bytes)).toBe(true);
    expect([...bytes]).toEqual([1, 2, 3]);
    const acl = [
      { vmid, rights: 6 },
      { vmid: 3, rights: 4 },
    ];
    const shared = host.ok("MEM_SHARE", { ...lendRequest(vmid, PAGE, 0x1000), acl });
    expect(program.vcpu.read(PAGE, bytes)).toBe(true);
    expect(program.vcpu.write(PAGE, bytes)).toBe(false);
    host.ok("MEM_RECLAIM", { handle: shared.handle, flags: 0 });
    expect(program.vcpu.write(PAGE, bytes)).toBe(true);
  });
});

function bytesOf({ vcpu }: HostProgram, ipa: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(0xee);
  expect(vcpu.read(ipa, bytes)).toBe(true);
  return bytes;
}

/** A guest whose boot vCPU runs `script`, started. */
function withGuest(script: PeScript, cpus = 1) {
  const system = bootSystem();
  const { host, program, backend, hypervisor } = system;
  const before = hypervisor.inspect.usage();
  backend.program(RAM, script);
  const { vmid, handle } = make(system, "READY", { cpus });
  const resources: Resource[] = host.ok("VM_GET_HYP_RESOURCES", { vmid, reserved: 0 }).resources;
  const cap = (type: number, label: number): bigint =>
    resources.find((r) => r.type === type && r.label === label)?.capId as bigint;
  const run = (r0 = 0n, r1 = 0n) =>
    program.call(Hypercall.vcpu_run, {
      vcpu: cap(HypResourceType.VIRTUAL_CPU, 0),
      resume_data_0: r0,
      resume_data_1: r1,
      resume_data_2: 0n,
    });
  const guestPrivate = cap(HypResourceType.MEM_EXTENT, 0);
  const hostPrivate = cap(HypResourceType.MEM_EXTENT, 2);
  /** What the driver does on a fault: donate the page, map it. */
  const provide = (pa: number, ipa: number): void => {
    const donate = {
      options: MemextentDonateType.TO_PROTECTED,
      from: hostPrivate,
      to: guestPrivate,
      offset: pa,
      size: 0x1000,
    };
    expect(program.call(Hypercall.memextent_donate, donate).error).toBe(GunyahError.OK);
    const map = {
      addrspace: cap(HypResourceType.ADDR_SPACE, 0),
      memextent: guestPrivate,
      vbase: ipa,
      map_attrs: 0xf0077,
      map_flags: 3,
      offset: pa,
      size: 0x1000,
    };
    expect(program.call(Hypercall.addrspace_map, map).error).toBe(GunyahError.OK);
  };
  host.takeNotifications();
  return { ...system, vmid, handle, resources, cap, run, provide, before };
}

function tearDown({ host, hypervisor, vmid, handle, before }: ReturnType<typeof withGuest>): void {
  host.ok("VM_RESET", { vmid, reserved: 0 });
  expect(host.ok("VM_GET_STATE", { vmid, reserved: 0 })).toMatchObject({ vmState: VmState.RESET });
  host.ok("MEM_RECLAIM", { handle, flags: 0 });
  host.ok("VM_DEALLOCATE", { vmid, reserved: 0 });
  expect(hypervisor.inspect.checkOwnership()).toBeUndefined();
  expect(hypervisor.inspect.usage().objects).toEqual(before.objects);
}

describe("a guest on the hypervisor", () => {
  it("runs on demand-paged memory, powers off, and leaves nothing behind", () => {
    const system = withGuest(function* (cpu) {
      yield* cpu.store(RAM + 0x1_0000, 4, 0x55n);
      const value = yield* cpu.load(RAM + 0x1_0000, 4);
      yield* cpu.store(0x1000, 4, value + 1n);
      yield* cpu.call(BigInt(Psci.SYSTEM_OFF));
    });
    const { host, run, provide, program, vmid } = system;
    expect(run()).toMatchObject({ error: 0, state: VcpuRunState.POWERED_OFF });
    host.ok("VM_START", { vmid, reserved: 0 });
    expect(run()).toMatchObject({
      state: VcpuRunState.ADDRSPACE_PAGE_FAULT,
      state_data_0: BigInt(RAM + 0x1_0000),
      state_data_1: 1n,
    });
    provide(PAGE, RAM + 0x1_0000);
    const byte = new Uint8Array(1);
    expect(program.vcpu.read(PAGE, byte)).toBe(false);
    // Addresses below 1 GiB are the VMM's.
    expect(run()).toMatchObject({
      state: VcpuRunState.ADDRSPACE_VMMIO_WRITE,
      state_data_0: 0x1000n,
      state_data_1: 4n,
      state_data_2: 0x56n,
    });
    run();
    host.drain();
    const notes = host.takeNotifications();
    expect(notes.map((note) => note.name)).toEqual(["VM_STATUS", "VM_STATUS", "VM_EXITED"]);
    expect(notes[2]?.value).toEqual({ vmid, exitType: VmExitType.PLATFORM_OFF, reason: new Uint8Array(4) });
    expect(run()).toMatchObject({ state: VcpuRunState.POWERED_OFF, state_data_0: 1n });
    // The page was never taken back: the reset gives it to the host, zeroed.
    tearDown(system);
    expect(program.vcpu.read(PAGE, byte)).toBe(true);
    expect(bytesOf(program, PAGE, 0x1000).every((b) => b === 0)).toBe(true);
    // The loan of the device tree asks for zeroes too.
    expect(bytesOf(program, DTB_AT, DTB_SIZE).every((b) => b === 0)).toBe(true);
  });

  it("gives what a VM kept to the host once no other VM has demand-paged memory, and finds it without a search", () => {
    const system = withGuest(function* (cpu) {
      yield* cpu.wfi();
    });
    const { host, provide, program, vmid, handle, trace } = system;
    const secret = Uint8Array.from({ length: 0x1000 }, (_, i) => i | 1);
    // Scattered pages, so that a search among them would take many calls.
    const pages = Array.from({ length: 24 }, (_, i) => PAGE + i * 0x3000);
    for (const [i, pa] of pages.entries()) {
      program.vcpu.write(pa, secret);
      provide(pa, RAM + 0x2_0000 + i * 0x1000);
    }
    const other = make(system, "READY", { at: DTB_AT + 0x40_0000 });
    let calls = 0;
    trace.listen((event) => {
      if (event.kind === "hypercall" && event.vmid === 255) calls++;
    });
    const reset = (vm: number, parcel: number): number => {
      const before = calls;
      host.ok("VM_RESET", { vmid: vm, reserved: 0 });
      const made = calls - before;
      host.ok("MEM_RECLAIM", { handle: parcel, flags: 0 });
      host.ok("VM_DEALLOCATE", { vmid: vm, reserved: 0 });
      return made;
    };
    expect(reset(vmid, handle)).toBeLessThan(100);
    for (const pa of pages) expect(program.vcpu.read(pa, new Uint8Array(1))).toBe(false);
    expect(reset(other.vmid, other.handle)).toBeLessThan(100 + pages.length * 60);
    for (const pa of pages) expect(bytesOf(program, pa, 0x1000).every((byte) => byte === 0)).toBe(true);
    expect(system.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });

  it("sees its device tree at X0", () => {
    let magic = 0n;
    const system = withGuest(function* (cpu) {
      magic = yield* cpu.load(Number(cpu.x[0]), 4);
      yield* cpu.call(BigInt(Psci.SYSTEM_RESET));
    });
    const { host, run, vmid } = system;
    host.ok("VM_START", { vmid, reserved: 0 });
    run();
    expect(magic).toBe(0xedfe0dd0n);
    host.drain();
    expect(host.takeNotifications().at(-1)?.value).toMatchObject({ exitType: VmExitType.PLATFORM_RESET });
    tearDown(system);
  });

  it("is woken by its doorbell", () => {
    const system = withGuest(function* (cpu) {
      const gicd = 0x3fff_0000;
      const gicr = 0x3fff_0000 - 0x2_0000;
      yield* cpu.store(gicd, 4, 0x13n);
      yield* cpu.store(gicr + 0x14, 4, 0n);
      // SPI 5 is INTID 37: group 1, priority, enable; routed to affinity 0 at reset.
      yield* cpu.store(gicd + 0x84, 4, 1n << 5n);
      yield* cpu.store(gicd + 0x425, 1, 0xa0n);
      yield* cpu.store(gicd + 0xc08, 4, 2n << 10n);
      yield* cpu.store(gicd + 0x104, 4, 1n << 5n);
      cpu.setPriorityMask(0xf8);
      cpu.setGroup1Enabled(true);
      yield* cpu.wfi();
      const intid = cpu.acknowledge();
      cpu.endOfInterrupt(intid);
      yield* cpu.store(0x2000, 4, BigInt(intid));
      for (;;) yield* cpu.wfi();
    });
    const { host, run, vmid, cap, program, resources } = system;
    const wakeup = resources.find((r) => r.type === HypResourceType.VIRTUAL_CPU)?.virq as number;
    program.listen(wakeup);
    host.ok("VM_START", { vmid, reserved: 0 });
    expect(run()).toMatchObject({ state: VcpuRunState.EXPECTS_WAKEUP, state_data_0: 0n });
    program.takeInterrupts();
    const bell = cap(HypResourceType.DOORBELL_SRC, 5);
    expect(program.call(Hypercall.doorbell_send, { doorbell: bell, new_flags: 1n }).error).toBe(GunyahError.OK);
    // source-can-clear: the sender may set the masks as irqfd does for a level interrupt.
    expect(program.call(Hypercall.doorbell_mask, { doorbell: bell, enable_mask: 1n, ack_mask: 1n }).error).toBe(0);
    expect(program.takeInterrupts()).toEqual([wakeup]);
    expect(run()).toMatchObject({
      state: VcpuRunState.ADDRSPACE_VMMIO_WRITE,
      state_data_0: 0x2000n,
      state_data_2: 37n,
    });
    expect(host.call("VM_STOP", { vmid, flags: 1, reason: 3 }).error).toBe(0);
    run();
    tearDown(system);
  });

  it("may be destroyed at any point: INIT, READY, RUNNING, never run after the kill", () => {
    for (const until of ["INIT", "READY", "RUNNING"] as const) {
      const system = bootSystem();
      const { host, hypervisor } = system;
      const before = hypervisor.inspect.usage().objects;
      const { vmid, handle } = make(system, until, { cpus: 2 });
      if (until === "RUNNING") host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
      // Of a VM in INIT nothing was made: there is nothing to reset, and it may be given up as it is.
      if (until === "INIT") expect(host.call("VM_RESET", { vmid, reserved: 0 }).error).toBe(RmError.VM_STATE);
      else host.ok("VM_RESET", { vmid, reserved: 0 });
      host.ok("MEM_RECLAIM", { handle, flags: 0 });
      host.ok("VM_DEALLOCATE", { vmid, reserved: 0 });
      expect([until, hypervisor.inspect.usage().objects]).toEqual([until, before]);
      expect(hypervisor.inspect.checkOwnership()).toBeUndefined();
    }
  });

  it("starts and ends a hundred times without leaving anything behind", () => {
    const system = bootSystem();
    const { host, hypervisor } = system;
    const cycle = () => {
      const { vmid, handle } = make(system, "RUNNING");
      host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
      host.ok("VM_RESET", { vmid, reserved: 0 });
      host.ok("MEM_RECLAIM", { handle, flags: 0 });
      host.ok("VM_DEALLOCATE", { vmid, reserved: 0 });
    };
    cycle();
    const before = hypervisor.inspect.usage();
    for (let i = 0; i < 100; i++) cycle();
    expect(hypervisor.inspect.usage()).toEqual(before);
  });
});
