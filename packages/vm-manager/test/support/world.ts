import { type AbiProfileName, AbiProfiles, FnType } from "@gunyah-ts/abi";
import { Ioeventfd } from "@gunyah-ts/ioeventfd";
import { Irqfd } from "@gunyah-ts/irqfd";
import { createVirtualClock, type VmFunction } from "@gunyah-ts/kernel";
import { VcpuFunction } from "@gunyah-ts/vcpu-proxy";
import { GunyahDevice, HostDriver, type HostDriverOptions, type PlatformOps } from "../../src/index.ts";
import { FakeGunyah, type FakeGunyahOptions, type FakeVm } from "./fake-gunyah.ts";

export interface WorldOptions extends FakeGunyahOptions {
  readonly abi?: AbiProfileName;
  readonly platform?: PlatformOps;
  readonly fault?: (point: string) => boolean;
  readonly driver?: Partial<HostDriverOptions>;
}

/** A booted host with the driver and the three functions of the series, on a scripted Gunyah. */
export function world(options: WorldOptions = {}) {
  const abi = options.abi ?? "v17";
  const clock = createVirtualClock();
  const messages: string[] = [];
  const drivers = new Map<number, VmFunction>();
  const functions = {
    get: (type: number) => drivers.get(type),
    load: async (type: number) => drivers.has(type),
  };
  const driver = new HostDriver({
    clock,
    profile: AbiProfiles[abi],
    log: (level, message) => messages.push(`${level}: ${message}`),
    functions,
    ...(options.platform !== undefined && { platform: options.platform }),
    ...(options.fault !== undefined && { fault: options.fault }),
    ...options.driver,
  });
  const { moduleKernel: kernel, moduleHypercalls: hypercalls } = driver;
  drivers.set(FnType.VCPU, new VcpuFunction(kernel, hypercalls, AbiProfiles[abi]));
  drivers.set(FnType.IRQFD, new Irqfd(kernel, hypercalls, AbiProfiles[abi]));
  drivers.set(FnType.IOEVENTFD, new Ioeventfd(kernel, AbiProfiles[abi]));
  const gunyah = new FakeGunyah(driver.program, options);
  gunyah.boot();
  return { driver, gunyah, clock, messages, drivers, functions };
}
export type World = ReturnType<typeof world>;

export const RAM = 0x8000_0000;
export const RAM_SIZE = 4 << 20;

/** A VM as a VMM makes it: memory with a device tree at its end, one vCPU, not started. */
export async function vmWith(
  w: World,
  options: { readonly access?: "lend" | "share"; readonly hugePages?: boolean; readonly vcpus?: number } = {},
) {
  const process = w.driver.createProcess();
  const device = GunyahDevice.open(process);
  const vm = await device.createVm();
  const memory = await device.createGuestMemory(RAM_SIZE, { hugePages: options.hugePages === true });
  memory.load(RAM_SIZE - 8192, new Uint8Array(64).fill(0xdb));
  await vm.mapMemory({ guestAddress: RAM, memory, size: RAM_SIZE, access: options.access ?? "lend" });
  const vcpus = [];
  for (let id = 0; id < (options.vcpus ?? 1); id++) vcpus.push(await vm.addVcpu(id));
  await vm.setDtbConfig({ guestAddress: RAM + RAM_SIZE - 8192, size: 8192 });
  return { process, device, vm, memory, vcpus, vcpu: vcpus[0] as (typeof vcpus)[number] };
}

export async function started(w: World, options: Parameters<typeof vmWith>[1] = {}) {
  const made = await vmWith(w, options);
  await made.vm.start();
  const fake = [...w.gunyah.vms.values()].at(-1) as FakeVm;
  return { ...made, fake };
}
