import type { BoardConfig } from "@gunyah-ts/kernel";

const MiB = 2 ** 20;
const DRAM_BASE = 0x8000_0000;
const CARVE_OUT = 32 * MiB;
const ROOT_VM = 4 * MiB;
/** Host kernel, RM messages, page tables: what a host needs besides the guests' memory. */
const HOST = 64 * MiB;
/** WebAssembly memory ends at 4 GiB, and the CPU backend's part comes out of that. */
const MAX_DRAM = 3584 * MiB;
const HOST_CPUS = 1;

/**
 * A board that no one sells: DRAM to measure at 2 GiB, a GICv3, one CPU for the host and as many as the guests ask for.
 * For a real SoC take a preset of `@gunyah-ts/qcom-platform`.
 *
 * @param guestBytes memory of all guests together
 * @param guestCpus vCPUs of the largest guest: RM starts none with more than the board has cores
 */
export function virtBoard(guestBytes: number, guestCpus = 1): BoardConfig {
  return board(roundUp(guestBytes + HOST + CARVE_OUT + ROOT_VM, 64 * MiB), HOST_CPUS + guestCpus, HOST_CPUS);
}

/**
 * The same for a host that is a real kernel: all of it is the host's, guests get what it lends them.
 *
 * @param hostBytes DRAM of the host and its guests
 */
export function hostBoard(hostBytes: number, hostCpus: number): BoardConfig {
  return board(roundUp(hostBytes, 2 * MiB) + CARVE_OUT + ROOT_VM, hostCpus, hostCpus);
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

function board(bytes: number, physicalCpus: number, hostCpus: number): BoardConfig {
  const size = Math.min(bytes, MAX_DRAM);
  const end = DRAM_BASE + size;
  const rootVm = { base: end - CARVE_OUT - ROOT_VM, size: ROOT_VM };
  return {
    name: "virt",
    dram: { base: DRAM_BASE, size },
    carveOut: { base: end - CARVE_OUT, size: CARVE_OUT },
    rootVm,
    rootVmEntry: rootVm.base,
    hostEntry: DRAM_BASE + 0x20_0000,
    hostDtb: { base: DRAM_BASE, size: 0x1_0000 },
    hostVmid: 3,
    physicalCpus,
    hostCpus,
    hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
    timerFrequencyHz: 19_200_000,
    freeSpiStart: 960,
  };
}
