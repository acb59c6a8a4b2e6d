import type { BoardConfig } from "@gunyah-ts/kernel";
import { accessControlTableSize } from "./access-control-unit.ts";

const MiB = 2 ** 20;

/** CPUs of one kind that share a cluster. */
export interface CpuCluster {
  /** Compatible string of the core. */
  readonly core: string;
  /** MPIDR affinity (Aff2:Aff1:Aff0) of each CPU. */
  readonly mpidrs: readonly number[];
}

/** A SoC preset: a board to give to `defineMachine`, and facts that a user may want to copy. Plain data. */
export interface SocPreset {
  readonly board: BoardConfig;
  readonly clusters: readonly CpuCluster[];
  /** Physical GICv3: distributor, first redistributor, bytes between redistributors. */
  readonly gic: { readonly distributor: number; readonly redistributors: number; readonly stride: number };
  /** Where the vendor's device tree puts the hypervisor. */
  readonly hypervisor: { readonly base: number; readonly size: number };
  /** Security domains of the platform. */
  readonly vmids: { readonly hlos: number; readonly rmManaged: number; readonly resourceManager: number };
}

const VMIDS = { hlos: 0x3, rmManaged: 0x3a, resourceManager: 255 } as const;

/**
 * A board of `dramSize` bytes. From the top down: hypervisor, root VM, access control table.
 *
 * Differs: DRAM starts where the preset says and has the size that the user gives; the vendor's other carve-outs
 * (modem, DSPs, trusted applications) are left out, because nothing here runs in them.
 */
export function qcomBoard(soc: {
  readonly name: string;
  readonly dramBase: number;
  readonly dramSize: number;
  readonly cpus: number;
  readonly gic: SocPreset["gic"];
}): BoardConfig {
  const end = soc.dramBase + soc.dramSize;
  const carveOut = { base: end - 32 * MiB, size: 32 * MiB };
  const rootVm = { base: carveOut.base - 4 * MiB, size: 4 * MiB };
  const tableSize = accessControlTableSize(soc.dramSize);
  return {
    name: soc.name,
    dram: { base: soc.dramBase, size: soc.dramSize },
    carveOut,
    rootVm,
    rootVmEntry: rootVm.base,
    hostEntry: soc.dramBase + 2 * MiB,
    hostDtb: { base: soc.dramBase, size: 0x1_0000 },
    hostVmid: VMIDS.hlos,
    physicalCpus: soc.cpus,
    hostCpus: 1,
    hostGic: { distributor: soc.gic.distributor, redistributors: soc.gic.redistributors },
    timerFrequencyHz: 19_200_000,
    freeSpiStart: 960,
    accessControl: { base: rootVm.base - tableSize, size: tableSize },
  };
}

const cpu = (first: number, count: number, step = 0x100): number[] =>
  Array.from({ length: count }, (_, i) => first + i * step);

function preset(facts: {
  readonly name: string;
  readonly dramBase: number;
  readonly clusters: readonly CpuCluster[];
  readonly gic: SocPreset["gic"];
  readonly hypervisorSize: number;
}): SocPreset {
  const cpus = facts.clusters.reduce((sum, cluster) => sum + cluster.mpidrs.length, 0);
  return {
    board: qcomBoard({ name: facts.name, dramBase: facts.dramBase, dramSize: 1024 * MiB, cpus, gic: facts.gic }),
    clusters: facts.clusters,
    gic: facts.gic,
    hypervisor: { base: 0x8000_0000, size: facts.hypervisorSize },
    vmids: VMIDS,
  };
}

/** Snapdragon 8 Gen 2. Source: Linux arch/arm64/boot/dts/qcom/sm8550.dtsi (cpus, intc, memory, reserved-memory) */
export const SM8550: SocPreset = preset({
  name: "Qualcomm SM8550",
  dramBase: 0xa000_0000,
  clusters: [
    { core: "arm,cortex-a510", mpidrs: cpu(0x000, 3) },
    { core: "arm,cortex-a715", mpidrs: cpu(0x300, 2) },
    { core: "arm,cortex-a710", mpidrs: cpu(0x500, 2) },
    { core: "arm,cortex-x3", mpidrs: cpu(0x700, 1) },
  ],
  gic: { distributor: 0x1710_0000, redistributors: 0x1718_0000, stride: 0x4_0000 },
  hypervisorSize: 0xa0_0000,
});

/** Snapdragon 8 Gen 3. Source: Linux arch/arm64/boot/dts/qcom/sm8650.dtsi */
export const SM8650: SocPreset = preset({
  name: "Qualcomm SM8650",
  dramBase: 0xa000_0000,
  clusters: [
    { core: "arm,cortex-a520", mpidrs: cpu(0x000, 2) },
    { core: "arm,cortex-a720", mpidrs: cpu(0x200, 5) },
    { core: "arm,cortex-x4", mpidrs: cpu(0x700, 1) },
  ],
  gic: { distributor: 0x1710_0000, redistributors: 0x1718_0000, stride: 0x4_0000 },
  hypervisorSize: 0xe0_0000,
});

/** Snapdragon 8 Elite. Source: Linux arch/arm64/boot/dts/qcom/sm8750.dtsi */
export const SM8750: SocPreset = preset({
  name: "Qualcomm SM8750",
  dramBase: 0xa000_0000,
  clusters: [
    { core: "qcom,oryon", mpidrs: cpu(0x0_0000, 6) },
    { core: "qcom,oryon", mpidrs: cpu(0x1_0000, 2) },
  ],
  gic: { distributor: 0x1600_0000, redistributors: 0x1608_0000, stride: 0x4_0000 },
  hypervisorSize: 0xe0_0000,
});

/** A board of no vendor: RAM from 2 GiB on, with the access control unit. */
export const VIRT: SocPreset = preset({
  name: "virt-qcom",
  dramBase: 0x8000_0000,
  clusters: [{ core: "arm,armv8", mpidrs: cpu(0, 1, 1) }],
  gic: { distributor: 0x0800_0000, redistributors: 0x080a_0000, stride: 0x2_0000 },
  hypervisorSize: 32 * MiB,
});
