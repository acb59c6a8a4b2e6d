import type { BoardConfig } from "@gunyah-ts/kernel";

/** A small SoC: 512 MiB of DRAM from 1 GiB on, two CPUs of which the host has one, a 24 MHz system counter. */
export const pocketSoc: BoardConfig = {
  name: "pocket",
  dram: { base: 0x4000_0000, size: 0x2000_0000 },
  // The end of DRAM is the hypervisor's, below it lies the Resource Manager's image.
  carveOut: { base: 0x5e00_0000, size: 0x200_0000 },
  rootVm: { base: 0x5dc0_0000, size: 0x40_0000 },
  rootVmEntry: 0x5dc0_0000,
  hostEntry: 0x4020_0000,
  hostDtb: { base: 0x4000_0000, size: 0x1_0000 },
  hostVmid: 3,
  physicalCpus: 2,
  hostCpus: 1,
  hostGic: { distributor: 0x1700_0000, redistributors: 0x1710_0000 },
  timerFrequencyHz: 24_000_000,
  freeSpiStart: 960,
};
