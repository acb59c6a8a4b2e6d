import { GicFrame } from "@gunyah-ts/abi";
import { cells64, DeviceTree } from "@gunyah-ts/devicetree";
import type { BoardConfig, MemoryRange } from "@gunyah-ts/kernel";

const PPI = 1;
const LEVEL_HIGH = 4;
/** Secure, non-secure, virtual and hypervisor timer. Source: Arm BSA, PPI assignment. */
const TIMER_PPIS = [13, 14, 11, 10] as const;

/**
 * What the boot loader tells the host's kernel about the board. The Resource Manager adds `/hypervisor` to it.
 * Source: Linux Documentation/devicetree/bindings (arm/cpus, arm/psci, interrupt-controller/arm,gic-v3,
 * timer/arm,arch_timer); Devicetree Specification v0.4, §3.4 and §3.5.
 *
 * @param memory the host's DRAM
 * @param reserved parts of it that the host's allocator must leave alone
 */
export function buildHostTree(
  board: BoardConfig,
  memory: readonly MemoryRange[],
  reserved: readonly (MemoryRange & { readonly name: string })[] = [],
): DeviceTree {
  const tree = new DeviceTree();
  const { root } = tree;
  root.set("#address-cells", 2).set("#size-cells", 2).set("model", board.name).set("compatible", "gunyah-ts,board");

  const { distributor, redistributors } = board.hostGic;
  const intc = root.addChild(`interrupt-controller@${distributor.toString(16)}`, {
    compatible: "arm,gic-v3",
    "#interrupt-cells": 3,
    "interrupt-controller": true,
    reg: cells64(distributor, GicFrame.DISTRIBUTOR, redistributors, GicFrame.REDISTRIBUTOR * board.hostCpus),
  });
  root.set("interrupt-parent", tree.phandleOf(intc));
  root.addChild("chosen");

  root.addChild(`memory@${(memory[0]?.base ?? 0).toString(16)}`, {
    device_type: "memory",
    reg: cells64(...memory.flatMap(({ base, size }) => [base, size])),
  });
  if (reserved.length > 0) {
    const parent = root.addChild("reserved-memory", { "#address-cells": 2, "#size-cells": 2, ranges: true });
    for (const { name, base, size } of reserved)
      parent.addChild(`${name}@${base.toString(16)}`, { reg: cells64(base, size), "no-map": true });
  }

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
