import type { BoardConfig } from "@gunyah-ts/kernel";

const MIB = 2 ** 20;
const BASE = 0x8000_0000;

/** 192 MiB of DRAM and as many CPUs as a test wants, all of them the host's. */
export function board(cpus: number): BoardConfig {
  const end = BASE + 192 * MIB;
  return {
    name: "test",
    dram: { base: BASE, size: 192 * MIB },
    carveOut: { base: end - 32 * MIB, size: 32 * MIB },
    rootVm: { base: end - 36 * MIB, size: 4 * MIB },
    rootVmEntry: end - 36 * MIB,
    hostEntry: BASE + 2 * MIB,
    hostDtb: { base: BASE, size: 0x1_0000 },
    hostVmid: 3,
    physicalCpus: cpus,
    hostCpus: cpus,
    hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
    timerFrequencyHz: 19_200_000,
    freeSpiStart: 960,
  };
}
