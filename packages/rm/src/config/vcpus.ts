import { RmError } from "@gunyah-ts/abi";
import type { DeviceNode, DeviceTree } from "@gunyah-ts/devicetree";
import { check } from "../errors.ts";
import { cellsOf, stringOf, u32Of } from "./property.ts";

export type Affinity = "static" | "sticky" | "pinned" | "proxy";

export interface CpuNode {
  readonly path: string;
  readonly index: number;
  readonly boots: boolean;
}
export interface VcpusConfig {
  readonly affinity: Affinity;
  /** Physical CPU of each vCPU; empty for a proxy VM. */
  readonly affinityMap: readonly number[];
  /** Microseconds, and an offset to the owner's priority. */
  readonly timesliceUs: number | undefined;
  readonly priorityOffset: number;
  readonly cpus: readonly CpuNode[];
  readonly usesPsci: boolean;
}

/** The `vcpus` node and the CPU nodes that it names. Errors: ARGUMENT_INVALID */
export function parseVcpus(tree: DeviceTree, node: DeviceNode | undefined, hasPsciNode: boolean): VcpusConfig {
  const named = node === undefined ? undefined : stringOf(node, "affinity");
  const affinity: Affinity = named === "sticky" || named === "pinned" || named === "proxy" ? named : "static";
  const path = (node === undefined ? undefined : stringOf(node, "config")) ?? "/cpus";
  const parent = tree.find(path);
  check(parent !== undefined, RmError.ARGUMENT_INVALID, `no CPU nodes at ${path}`);

  const cpus: CpuNode[] = [];
  let anyBoots = false;
  let usesPsci = hasPsciNode;
  let idle = 0;
  for (const cpu of parent.children) {
    if (stringOf(cpu, "device_type") !== "cpu") continue;
    const status = stringOf(cpu, "status");
    if (status === "fail" || status?.startsWith("fail-")) continue;
    check(
      status === undefined || status === "okay" || status === "disabled",
      RmError.ARGUMENT_INVALID,
      `status "${status}" of ${cpu.path}`,
    );
    const boots: boolean = status === "okay" || (status === undefined && !anyBoots);
    const method = stringOf(cpu, "enable-method") ?? stringOf(parent, "enable-method");
    if (!boots)
      check(
        method === "psci" || method === "qcom,gunyah-hvc",
        RmError.ARGUMENT_INVALID,
        `enable-method of ${cpu.path}`,
      );
    if (!boots && method === "psci") usesPsci = true;
    if (cpu.has("cpu-idle-states")) idle++;
    anyBoots ||= boots;
    cpus.push({ path: cpu.path, index: cpus.length, boots });
  }
  check(anyBoots, RmError.ARGUMENT_INVALID, "no CPU boots");
  usesPsci ||= idle > 0;

  let affinityMap: number[] = [];
  if (affinity !== "proxy") {
    affinityMap = (node === undefined ? undefined : cellsOf(node, "affinity-map")) ?? [];
    check(affinityMap.length === cpus.length, RmError.ARGUMENT_INVALID, "affinity-map does not fit the CPUs");
    check(!usesPsci || idle === cpus.length, RmError.ARGUMENT_INVALID, "every CPU needs cpu-idle-states");
  }
  const priority = node === undefined ? undefined : u32Of(node, "sched-priority");
  return {
    affinity,
    affinityMap,
    timesliceUs: node === undefined ? undefined : u32Of(node, "sched-timeslice"),
    priorityOffset: priority === undefined ? 0 : priority | 0,
    cpus,
    usesPsci,
  };
}
