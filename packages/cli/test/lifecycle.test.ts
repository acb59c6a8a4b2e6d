import { createMachine, Hypervisor, type Machine } from "@gunyah-ts/kernel";
import { ProgramConsole, type VirtualMachine, type VirtualMachineOptions, VmmService } from "@gunyah-ts/vmm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { virtBoard } from "../src/board.ts";
import { defaultPlugins } from "../src/stack.ts";

const MiB = 2 ** 20;
const RAM_BASE = 0x8000_0000;

/** Guests of a few instructions. */
const code = (...words: number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);
const SPIN = code(0x1400_0000); // b .
const SLEEP = code(0xd503_207f, 0x17ff_ffff); // wfi; b .-4
const POWER_OFF = code(0xd2b0_8000, 0xf280_0100, 0xd400_0002); // x0 = 0x84000008 (SYSTEM_OFF); hvc #0
const LOAD_NO_DEVICE = code(0xd2a1_4000, 0xb940_0001, 0x1400_0000); // x0 = 0x0a000000; ldr w1, [x0]; b .

describe("a VM's life on the whole stack", () => {
  let machine: Machine;
  let before: string;
  const objects = (): string => JSON.stringify(machine.get(Hypervisor).inspect.usage().objects);

  beforeAll(async () => {
    machine = await createMachine({ soc: virtBoard(32 * MiB), plugins: defaultPlugins() });
    await machine.start();
    before = objects();
  });
  afterAll(() => machine.dispose());

  function create(kernel: Uint8Array, options: Partial<VirtualMachineOptions> = {}): Promise<VirtualMachine> {
    return machine.get(VmmService).createVm({
      kernel,
      kernelAddress: RAM_BASE,
      memory: 16 * MiB,
      console: new ProgramConsole(),
      ...options,
    });
  }
  const soon = (action: () => void): unknown => setTimeout(action, 50);

  it.each([
    ["spins", SPIN],
    ["sleeps", SLEEP],
  ])("ends by stop while the guest %s, and gives everything back", async (_what, kernel) => {
    const vm = await create(kernel);
    soon(() => vm.stop());
    expect(await vm.run()).toEqual({ reason: "stopped", exitType: -1 });
    await vm.close();
    expect(objects()).toBe(before);
  });

  it.each([
    ["spins", SPIN],
    ["sleeps", SLEEP],
  ])("ends by close while the guest %s: run returns, nothing is left", async (_what, kernel) => {
    const vm = await create(kernel);
    const end = vm.run();
    await new Promise<void>((resolve) => soon(resolve));
    await vm.close();
    expect(await end).toEqual({ reason: "stopped", exitType: -1 });
    expect(objects()).toBe(before);
  });

  it("ends at once when it was stopped before it ran", async () => {
    const vm = await create(SPIN);
    vm.stop();
    expect(await vm.run()).toMatchObject({ reason: "stopped" });
    await vm.close();
  });

  it("can be closed without having run, and twice", async () => {
    const vm = await create(SPIN);
    await vm.close();
    await vm.close();
    expect(objects()).toBe(before);
    await expect(vm.run()).rejects.toMatchObject({ code: "VMM_STATE" });
  });

  it("runs once", async () => {
    const vm = await create(POWER_OFF);
    expect(await vm.run()).toMatchObject({ reason: "off" });
    await expect(vm.run()).rejects.toMatchObject({ code: "VMM_STATE" });
    await vm.close();
  });

  it("hears of an access that no device answers; the guest gets an abort and the VM goes on", async () => {
    const log: string[] = [];
    const vm = await create(LOAD_NO_DEVICE, { log: (_level, message) => log.push(message) });
    soon(() => vm.stop());
    expect(await vm.run()).toMatchObject({ reason: "stopped" });
    await vm.close();
    expect(log).toEqual(["the guest loaded from 0xa000000, where there is no device"]);
  });

  it("is refused with the whole chain when the driver has another ABI, and leaves nothing", async () => {
    await expect(create(SPIN, { abi: "v14" })).rejects.toMatchObject({
      code: "VMM_HOST_CALL_FAILED",
      errnoName: "-ENOTTY",
      layers: [{ layer: "ioctl", code: "-ENOTTY" }],
    });
    expect(objects()).toBe(before);
  });

  it("takes the memory that it touches: VMs of 256 MiB together run on a board of 192 MiB", async () => {
    const vms: VirtualMachine[] = [];
    try {
      while (vms.length < 16) vms.push(await create(POWER_OFF));
      const ends = await Promise.all(vms.map((vm) => vm.run()));
      expect(new Set(ends.map(({ reason }) => reason))).toEqual(new Set(["off"]));
    } finally {
      for (const vm of vms) await vm.close();
    }
    expect(objects()).toBe(before);
    expect(machine.get(Hypervisor).inspect.checkOwnership()).toBeUndefined();
  }, 60_000);
});
