import { RM_MESSAGE_SIZE, RM_QUEUE_DEPTH } from "@gunyah-ts/abi";
import { cells64, type DeviceTree, EMPTY } from "@gunyah-ts/devicetree";
import type { BoardConfig } from "@gunyah-ts/kernel";
import { specifier } from "../config/property.ts";
import type { Line } from "../rpc/connect.ts";
import { queueProperties } from "./guest.ts";
import { hypervisorNode, vmIdNode } from "./hypervisor.ts";

/**
 * What the RM adds to the host's tree.
 *
 * Differs: `gunyah-hypervisor` is added to the compatible list of /hypervisor, because the mainline driver binds to
 * nothing else and the source leaves it out.
 * Source: gunyah-resource-manager platform/qemu/src/vm_dt.c, src/vm_creation/vm_creation.c (HLOS overlay)
 */
export function writeHostOverlay(tree: DeviceTree, board: BoardConfig, line: Line): void {
  const hypervisor = hypervisorNode(tree, ["gunyah-hypervisor"]);
  vmIdNode(hypervisor, board.hostVmid);
  const node = hypervisor
    .ensureChild(`qcom,resource-manager-rpc@${line.txCap.toString(16).padStart(16, "0")}`)
    .set("compatible", ["gunyah-resource-manager", "qcom,resource-manager-1-0", "qcom,resource-manager"])
    .set("reg", cells64(line.txCap, line.rxCap))
    .set("interrupts", new Uint8Array([...specifier(line.txVirq), ...specifier(line.rxVirq)]))
    .set("qcom,free-irq-start", board.freeSpiStart)
    .set("qcom,is-full-duplex", EMPTY);
  queueProperties(node, RM_MESSAGE_SIZE, RM_QUEUE_DEPTH);
}
