import { archArm64 } from "@gunyah-ts/arch-arm64";
import { firmware } from "@gunyah-ts/firmware";
import { hyp } from "@gunyah-ts/hyp";
import { createMachine, defineMachine, use, VmManager } from "@gunyah-ts/kernel";
import { rm } from "@gunyah-ts/rm";
import { vcpuProxy } from "@gunyah-ts/vcpu-proxy";
import { GunyahDevice, type HostDriver, vmManager } from "@gunyah-ts/vm-manager";
import { describe, expect, it } from "vitest";
import { guestTree } from "../../packages/vm-manager/test/support/system.ts";
import { quotaPlatform } from "./quota.ts";

const MIB = 1 << 20;
const DRAM = 0x8000_0000;
const RAM = 0x8000_0000;
const SIZE = 4 * MIB;

const machine = (bytes: number) =>
  createMachine(
    defineMachine({
      soc: {
        name: "example",
        dram: { base: DRAM, size: 64 * MIB },
        carveOut: { base: DRAM + 52 * MIB, size: 12 * MIB },
        rootVm: { base: DRAM + 50 * MIB, size: 2 * MIB },
        rootVmEntry: DRAM + 50 * MIB,
        hostEntry: DRAM + 2 * MIB,
        hostDtb: { base: DRAM, size: 0x1_0000 },
        hostVmid: 3,
        physicalCpus: 1,
        hostCpus: 1,
        hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
        timerFrequencyHz: 19_200_000,
        freeSpiStart: 960,
      },
      plugins: [archArm64, hyp, rm, firmware, vmManager, vcpuProxy, use(quotaPlatform, { bytes })],
    }),
  );

/** Try to start a VM whose device tree takes `dtbSize` bytes. @returns its errno, 0 when it started */
async function tryStart(driver: HostDriver, dtbSize: number): Promise<number> {
  const process = driver.createProcess();
  const device = GunyahDevice.open(process);
  const vm = await device.createVm();
  const memory = await device.createGuestMemory(SIZE);
  memory.load(SIZE - MIB, guestTree(RAM, 1));
  await vm.mapMemory({ guestAddress: RAM, memory, size: SIZE });
  await vm.addVcpu(0);
  await vm.setDtbConfig({ guestAddress: RAM + SIZE - MIB, size: dtbSize });
  const errno = await vm.start().then(
    () => 0,
    (error: { errno: number }) => error.errno,
  );
  await process.exit();
  return errno;
}

describe("a platform with a quota", () => {
  it("refuses a share over it, the refusal unwinds, and a smaller VM starts afterwards", async () => {
    const m = await machine(0x4_0000);
    await m.start();
    const driver = m.get(VmManager) as HostDriver;
    await driver.ready;
    const before = driver.usage;
    expect(await tryStart(driver, 0x8_0000)).toBe(-12);
    expect(driver.usage).toEqual(before);
    expect(await tryStart(driver, 0x1_0000)).toBe(0);
    expect(await tryStart(driver, 0x1_0000)).toBe(0);
    expect(driver.usage).toEqual(before);
    await m.dispose();
  }, 30_000);
});
