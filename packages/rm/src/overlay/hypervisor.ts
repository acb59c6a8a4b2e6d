import type { DeviceNode, DeviceTree } from "@gunyah-ts/devicetree";

/** The nodes that host and guest have in common. Source: gunyah-resource-manager src/vm_dt/vm_dt.c */
export function hypervisorNode(tree: DeviceTree, first: readonly string[]): DeviceNode {
  return tree
    .ensure("/hypervisor")
    .set("#address-cells", 2)
    .set("#size-cells", 0)
    .set("compatible", [...first, "qcom,gunyah-hypervisor-1.0", "qcom,gunyah-hypervisor", "simple-bus"]);
}

export function vmIdNode(hypervisor: DeviceNode, vmid: number, vendor = "Qualcomm"): DeviceNode {
  return hypervisor
    .ensureChild("qcom,gunyah-vm")
    .set("compatible", ["qcom,gunyah-vm-id-1.0", "qcom,gunyah-vm-id"])
    .set("qcom,vendor", vendor)
    .set("qcom,vmid", vmid);
}
