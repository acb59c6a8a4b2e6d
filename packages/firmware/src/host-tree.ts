import { cells64, DeviceTree } from "@gunyah-ts/devicetree";
import type { BoardConfig } from "@gunyah-ts/kernel";

const DISTRIBUTOR_SIZE = 0x1_0000;
const REDISTRIBUTOR_SIZE = 0x2_0000;
const PPI = 1;
const LEVEL_HIGH = 4;
/** Secure, non-secure, virtual and hypervisor timer. Source: Arm BSA, PPI assignment. */
const TIMER_PPIS = [13, 14, 11, 10] as const;

/**
 * What the boot loader tells the host's kernel about the board. The Resource Manager adds `/hypervisor` to it.
 *
 * Memory is DRAM without the hypervisor's and the root VM's parts; the host's image and this tree are reserved in it.
 * Source: Linux Documentation/devicetree/bindings (arm/cpus, arm/psci, interrupt-controller/arm,gic-v3,
 * timer/arm,arch_timer); Devicetree Specification v0.4, §3.4 and §3.5.
 *
 * @param imageSize bytes at `hostEntry` that the host's image occupies
 */
export function buildHostTree(board: BoardConfig, imageSize: number): DeviceTree {
  const tree = new DeviceTree();
  const { root } = tree;
  root.set("#address-cells", 2).set("#size-cells", 2).set("model", board.name).set("compatible", "gunyah-ts,board");

  const { distributor, redistributors } = board.hostGic;
  const intc = root.addChild(`interrupt-controller@${distributor.toString(16)}`, {
    compatible: "arm,gic-v3",
    "#interrupt-cells": 3,
    "interrupt-controller": true,
    reg: cells64(distributor, DISTRIBUTOR_SIZE, redistributors, REDISTRIBUTOR_SIZE * board.hostCpus),
  });
  root.set("interrupt-parent", tree.phandleOf(intc));
  root.addChild("chosen");

  const memory = hostMemory(board);
  root.addChild(`memory@${(memory[0]?.base ?? 0).toString(16)}`, {
    device_type: "memory",
    reg: cells64(...memory.flatMap(({ base, size }) => [base, size])),
  });
  const reserved = root.addChild("reserved-memory", { "#address-cells": 2, "#size-cells": 2, ranges: true });
  reserved.addChild(`image@${board.hostEntry.toString(16)}`, {
    reg: cells64(board.hostEntry, imageSize),
    "no-map": true,
  });
  reserved.addChild(`dtb@${board.hostDtb.base.toString(16)}`, {
    reg: cells64(board.hostDtb.base, board.hostDtb.size),
    "no-map": true,
  });

  const cpus = root.addChild("cpus", { "#address-cells": 1, "#size-cells": 0 });
  for (let cpu = 0; cpu < board.hostCpus; cpu++)
    cpus.addChild(`cpu@${cpu.toString(16)}`, {
      device_type: "cpu",
      compatible: "arm,armv8",
      "enable-method": "psci",
      reg: cpu,
    });
  root.addChild("psci", { compatible: ["arm,psci-1.0", "arm,psci-0.2"], method: "smc" });
  root.addChild("timer", {
    compatible: "arm,armv8-timer",
    interrupts: TIMER_PPIS.flatMap((ppi) => [PPI, ppi, LEVEL_HIGH]),
  });
  return tree;
}

/** DRAM that is neither the hypervisor's, the root VM's nor the access control unit's, in order. */
function hostMemory(board: BoardConfig): { readonly base: number; readonly size: number }[] {
  const ranges: { base: number; size: number }[] = [];
  let at: number = board.dram.base;
  const others = [board.carveOut, board.rootVm, ...(board.accessControl === undefined ? [] : [board.accessControl])];
  for (const taken of others.sort((a, b) => a.base - b.base)) {
    if (taken.base > at) ranges.push({ base: at, size: taken.base - at });
    at = Math.max(at, taken.base + taken.size);
  }
  const end = board.dram.base + board.dram.size;
  if (at < end) ranges.push({ base: at, size: end - at });
  return ranges;
}
