import { type AbiProfileName, AbiProfiles, FnType, hypercallByNumber, selectHypercall } from "@gunyah-ts/abi";
import { cells64, DeviceTree, writeDtb } from "@gunyah-ts/devicetree";
import { powerOn } from "@gunyah-ts/firmware";
import { createHypervisor } from "@gunyah-ts/hyp";
import { Ioeventfd } from "@gunyah-ts/ioeventfd";
import { Irqfd } from "@gunyah-ts/irqfd";
import {
  createPhysicalMemory,
  createSeededEntropy,
  type NativeProgram,
  type NativeVcpu,
  type VmFunction,
} from "@gunyah-ts/kernel";
import { fakeClock, fakeCpuBackend, fakeTrace } from "@gunyah-ts/kernel/testing";
import { GunyahResourceManager } from "@gunyah-ts/rm";
import { VcpuFunction } from "@gunyah-ts/vcpu-proxy";
import { HostDriver, type PlatformOps } from "../../src/index.ts";

const MIB = 1 << 20;
const DRAM = 0x8000_0000;

/** The real hypervisor and RM below the driver; guests are scripts on the CPU backend's fake. */
export function system(
  options: {
    readonly abi?: AbiProfileName;
    readonly platform?: PlatformOps;
    /** Called for each hypercall of the RM. @returns a GunyahError to answer with instead, or 0 */
    readonly rmHypercall?: (name: string) => number;
  } = {},
) {
  const abi = options.abi ?? "v17";
  const board = {
    name: "test",
    dram: { base: DRAM, size: 96 * MIB },
    carveOut: { base: DRAM + 84 * MIB, size: 12 * MIB },
    rootVm: { base: DRAM + 82 * MIB, size: 2 * MIB },
    rootVmEntry: DRAM + 82 * MIB,
    hostEntry: DRAM + 2 * MIB,
    hostDtb: { base: DRAM, size: 0x1_0000 },
    hostVmid: 3,
    physicalCpus: 2,
    hostCpus: 1,
    hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
    timerFrequencyHz: 19_200_000,
    freeSpiStart: 960,
  };
  const memory = createPhysicalMemory({
    dramBase: board.dram.base,
    dramSize: board.dram.size,
    reservedBytes: 65536,
  });
  const clock = fakeClock();
  const trace = fakeTrace();
  const backend = fakeCpuBackend({ memory, clock });
  const entropy = createSeededEntropy(7);
  const hypervisor = createHypervisor({ board, backend, memory, clock, entropy, trace, checkOwnership: true });
  const messages: string[] = [];
  const drivers = new Map<number, VmFunction>();
  const driver = new HostDriver({
    clock,
    trace,
    profile: AbiProfiles[abi],
    functions: { get: (type) => drivers.get(type), load: async (type) => drivers.has(type) },
    log: (level, message) => messages.push(`${level}: ${message}`),
    ...(options.platform !== undefined && { platform: options.platform }),
  });
  const { moduleKernel: kernel, moduleHypercalls: hypercalls } = driver;
  drivers.set(FnType.VCPU, new VcpuFunction(kernel, hypercalls, AbiProfiles[abi]));
  drivers.set(FnType.IRQFD, new Irqfd(kernel, hypercalls, AbiProfiles[abi]));
  drivers.set(FnType.IOEVENTFD, new Ioeventfd(kernel, AbiProfiles[abi]));
  const resourceManager = { program: withHypercalls(new GunyahResourceManager(trace), options.rmHypercall) };
  powerOn({ board, memory, hypervisor, resourceManager }, driver.program);
  return { board, memory, clock, trace, backend, hypervisor, driver, messages };
}

/** A native program whose hypercalls `refuse` may answer before they are made. */
function withHypercalls(program: NativeProgram, refuse: ((name: string) => number) | undefined): NativeProgram {
  if (refuse === undefined) return program;
  const over = (vcpu: NativeVcpu): NativeVcpu =>
    new Proxy(vcpu, {
      get(target, key) {
        if (key === "hvc")
          return (x: BigUint64Array): void => {
            const selected = selectHypercall(Number(x[0]));
            const name = selected.kind === "hypercall" ? hypercallByNumber[selected.number]?.name : undefined;
            const error = name === undefined ? 0 : refuse(name);
            if (error === 0) target.hvc(x);
            else x.fill(0n)[0] = BigInt(error);
          };
        const value = Reflect.get(target, key, target) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (target, key, value) => Reflect.set(target, key, value, target),
    });
  return {
    name: program.name,
    start: (vcpu, context) => program.start(over(vcpu), context),
    interrupt: (vcpu) => program.interrupt(over(vcpu)),
    ...(program.stopped !== undefined && { stopped: (vcpu) => program.stopped?.(vcpu) }),
  };
}

/** A guest's device tree as VMMs write it. */
export function guestTree(ram: number, cpus: number, bells: readonly number[] = []): Uint8Array {
  const tree = new DeviceTree();
  const { root } = tree;
  root.set("#address-cells", 2).set("#size-cells", 2).set("interrupt-parent", 1).set("compatible", "linux,dummy-virt");
  root.addChild("memory", { device_type: "memory", reg: cells64(ram, 0) });
  root.addChild("chosen");
  const cpuNodes = root.addChild("cpus", { "#address-cells": 1, "#size-cells": 0 });
  for (let i = 0; i < cpus; i++)
    cpuNodes.addChild(`cpu@${i}`, { device_type: "cpu", compatible: "arm,armv8", "enable-method": "psci", reg: i });
  root.addChild("psci", { compatible: ["arm,psci-1.0", "arm,psci-0.2"], method: "hvc" });
  root.addChild("intc", {
    compatible: "arm,gic-v3",
    "#interrupt-cells": 3,
    "interrupt-controller": true,
    phandle: 1,
    reg: cells64(0x3fff_0000, 0x1_0000, 0x3fff_0000 - 0x2_0000 * cpus, 0x2_0000 * cpus),
  });
  const config = root.addChild("gunyah-vm-config", { "image-name": "test-vm", "os-type": "linux" });
  config.addChild("memory", { "#address-cells": 2, "#size-cells": 2, "base-address": cells64(ram) });
  config.addChild("interrupts", { config: 1 });
  config.addChild("vcpus", { affinity: "proxy" });
  const vdevices = config.addChild("vdevices", { generate: "/hypervisor" });
  for (const label of bells)
    vdevices.addChild(`bell-${label.toString(16)}`, {
      "vdevice-type": "doorbell",
      generate: `/hypervisor/bell-${label.toString(16)}`,
      label,
      "peer-default": true,
      "source-can-clear": true,
      interrupts: [0, label, 1],
    });
  return writeDtb(tree);
}
