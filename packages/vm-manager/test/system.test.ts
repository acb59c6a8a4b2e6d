import { describe, expect, it } from "vitest";
import { ExitReason, GunyahDevice } from "../src/index.ts";
import { guestTree, system } from "./support/system.ts";

const RAM = 0x8000_0000;
const SIZE = 8 << 20;
const DTB = SIZE - (1 << 20);
const DTB_SIZE = 0x1_0000;

/** A VM that is started, whose boot vCPU runs what `backend.program(RAM, …)` says. */
async function boot(s: ReturnType<typeof system>, options: { access?: "lend" | "share"; hugePages?: boolean } = {}) {
  const process = s.driver.createProcess();
  const device = GunyahDevice.open(process);
  const vm = await device.createVm();
  const memory = await device.createGuestMemory(SIZE, { hugePages: options.hugePages === true });
  memory.load(0, new TextEncoder().encode("from the host"));
  memory.load(DTB, guestTree(RAM, 1, [7]));
  await vm.mapMemory({ guestAddress: RAM, memory, size: SIZE, access: options.access ?? "lend" });
  const vcpu = await vm.addVcpu(0);
  await vm.setDtbConfig({ guestAddress: RAM + DTB, size: DTB_SIZE });
  await vm.setBootContext("PC", BigInt(RAM));
  await vm.start();
  return { process, device, vm, memory, vcpu };
}

describe("on the real hypervisor and RM", () => {
  it("probes, and refuses nothing", async () => {
    const s = system();
    await s.driver.ready;
    expect(s.driver.identity?.version).toBe(1);
    expect(s.messages).toEqual([]);
  });

  it.each([
    ["4 KiB folios", false],
    ["2 MiB folios", true],
  ] as const)("runs a guest on demand-paged lent memory (%s) and gets all of it back", async (_name, hugePages) => {
    const s = system();
    const before = s.driver.usage;
    const seen: bigint[] = [];
    s.backend.program(RAM, function* (cpu) {
      seen.push(yield* cpu.load(RAM, 8));
      yield* cpu.store(RAM + 0x40_0000, 8, 0x1234n);
      seen.push(yield* cpu.load(RAM + 0x40_0000, 8));
      yield* cpu.store(0x3_f800, 4, 0x41n);
      seen.push(yield* cpu.load(0x3_f804, 4));
      yield* cpu.call(0x8400_0008n);
    });
    const { process, vm, memory, vcpu } = await boot(s, { hugePages });
    const writes: number[] = [];
    let status = -1;
    await vcpu.serve((exit) => {
      if (exit.reason === ExitReason.MMIO && exit.isWrite) writes.push(exit.value);
      else if (exit.reason === ExitReason.MMIO) exit.value = 0x55;
      else {
        status = exit.exitType;
        return true;
      }
    });
    expect(seen).toEqual([
      new DataView(new TextEncoder().encode("from the").buffer).getBigUint64(0, true),
      0x1234n,
      0x55n,
    ]);
    expect(writes).toEqual([0x41]);
    expect(status).toBe(1);
    expect(s.hypervisor.inspect.checkOwnership()).toBeUndefined();
    // What was lent comes back with its contents when the host touches it.
    const back = new Uint8Array(8);
    memory.map(0x40_0000, 0x20_0000).read(0, back);
    expect(back[0]).toBe(0x34);
    await vm.close();
    await process.exit();
    expect(s.driver.usage).toEqual(before);
    expect(s.hypervisor.inspect.vms().map((v) => v.vmid)).not.toContain(0x80);
    expect(s.hypervisor.inspect.checkOwnership()).toBeUndefined();
    expect(s.messages).toEqual([]);
  });

  // A share binding is not announced to RM, so a first touch is seen only where RM opened the MMIO range.
  it("shares memory in the MMIO range: both see each other's stores at once", async () => {
    const s = system();
    const shared = 0x2000_0000;
    let seen = 0n;
    s.backend.program(RAM, function* (cpu) {
      yield* cpu.store(shared + 0x1000, 8, 0xabcn);
      yield* cpu.store(0x3_f800, 4, 0n);
      seen = yield* cpu.load(shared + 0x1008, 8);
      yield* cpu.call(0x8400_0008n);
    });
    const { device, vm, vcpu, process } = await boot(s);
    const memory = await device.createGuestMemory(0x1_0000);
    await vm.mapMemory({ guestAddress: shared, memory, size: 0x1_0000, access: "share", permissions: "rw" });
    const window = memory.map(0x1000, 0x1000);
    const first = await vcpu.run();
    expect([first.reason, first.address]).toEqual([ExitReason.MMIO, 0x3_f800]);
    const bytes = window.bytes(0, 16);
    expect(bytes?.[0]).toBe(0xbc);
    if (bytes !== undefined) bytes[8] = 9;
    const exit = await vcpu.run();
    expect([seen, exit.reason]).toEqual([9n, ExitReason.STATUS]);
    await process.exit();
    expect(s.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });

  it("interrupts the guest through an irqfd, and hears it through an ioeventfd", async () => {
    const s = system();
    const order: string[] = [];
    s.backend.program(RAM, function* (cpu) {
      yield* cpu.store(0x1000, 4, 1n);
      order.push("notified");
      yield* cpu.wfi();
      yield* cpu.call(0x8400_0008n);
    });
    const { device, vm, vcpu, process } = await boot(s);
    const kick = device.createEventFd();
    const call = device.createEventFd();
    await vm.addIoeventfd({ fd: kick.fd, address: 0x1000, length: 4 });
    await vm.addIrqfd({ fd: call.fd, label: 7 });
    const worker = kick.event.wait().then((count) => {
      order.push(`kicked ${count}`);
      call.event.signal();
    });
    const running = vcpu.run();
    await worker;
    expect(order).toContain("kicked 1");
    const rung = s.trace.of("hypercall").filter((call) => call.name === "doorbell_send");
    expect(rung).toHaveLength(1);
    await process.exit();
    await running;
    expect(s.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });

  it("loses a page to nobody when the VM is killed between fault and retry", async () => {
    const s = system();
    s.backend.program(RAM, function* (cpu) {
      for (let page = 0; ; page++) yield* cpu.store(RAM + 0x10_0000 + (page % 1024) * 4096, 8, 1n);
    });
    const { vcpu, process } = await boot(s);
    const before = s.driver.usage.usedPages;
    const running = vcpu.run();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    await process.exit();
    await running;
    expect(before).toBeGreaterThan(0);
    expect(s.driver.usage).toMatchObject({ vms: 0, kernelPages: 0, rmCalls: 0 });
    expect(s.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });
});
