import { GicFrame, RmError } from "@gunyah-ts/abi";
import type { DeviceNode, DeviceTree } from "@gunyah-ts/devicetree";
import { check } from "../errors.ts";
import { numberOf, regOf, stringOf, stringsOf, u32Of } from "./property.ts";

/** Where the virtual GIC goes when the tree leaves it to us: below 1 GiB, as VMMs put it. */
const DEFAULT_GICD = 0x3fff_0000;

export interface GicConfig {
  readonly path: string;
  readonly distributor: number;
  /** First redistributor, and the distance to the next. */
  readonly redistributors: number;
  readonly stride: number;
  /** The tree has no `reg`: the overlay writes it. */
  readonly isAllocated: boolean;
}

/**
 * The guest's GICv3 node. Errors: ARGUMENT_INVALID
 * Source: gunyah-resource-manager platform/qemu/src/vgic.c, platform_vgic_parse_dt
 */
export function parseGic(tree: DeviceTree, interrupts: DeviceNode | undefined, cpus: number): GicConfig {
  const node = find(tree, interrupts);
  check(node !== undefined, RmError.ARGUMENT_INVALID, "no interrupt controller");
  check(stringsOf(node, "compatible")?.includes("arm,gic-v3") === true, RmError.ARGUMENT_INVALID, "not a GICv3");
  check(node.has("interrupt-controller"), RmError.ARGUMENT_INVALID, "not an interrupt controller");
  check(u32Of(node, "#interrupt-cells") === 3, RmError.ARGUMENT_INVALID, "#interrupt-cells is not 3");
  const regions = u32Of(node, "#redistributor-regions");
  check(!node.has("#redistributor-regions") || regions === 1, RmError.ARGUMENT_INVALID, "#redistributor-regions");
  let stride: number = GicFrame.REDISTRIBUTOR;
  if (node.has("redistributor-stride")) {
    stride = numberOf(node, "redistributor-stride", 2) ?? u32Of(node, "redistributor-stride") ?? 0;
    check(
      stride >= GicFrame.REDISTRIBUTOR && stride % 0x1_0000 === 0,
      RmError.ARGUMENT_INVALID,
      "redistributor-stride",
    );
  }
  if (!node.has("reg")) {
    const redistributors = DEFAULT_GICD - cpus * stride;
    return { path: node.path, distributor: DEFAULT_GICD, redistributors, stride, isAllocated: true };
  }
  const reg = regOf(node);
  const [gicd, gicr] = reg ?? [];
  check(gicd !== undefined && gicr !== undefined, RmError.ARGUMENT_INVALID, "reg of the interrupt controller");
  return { path: node.path, distributor: gicd.base, redistributors: gicr.base, stride, isAllocated: false };
}

/** `config` is a path; VMMs also write a phandle. Without it, the root's interrupt parent. */
function find(tree: DeviceTree, interrupts: DeviceNode | undefined): DeviceNode | undefined {
  const phandle = (interrupts && u32Of(interrupts, "config")) ?? undefined;
  const path = interrupts === undefined ? undefined : stringOf(interrupts, "config");
  if (path?.startsWith("/")) return tree.find(path);
  if (phandle !== undefined) return tree.byPhandle(phandle);
  const parent = u32Of(tree.root, "interrupt-parent");
  return parent === undefined ? undefined : tree.byPhandle(parent);
}
