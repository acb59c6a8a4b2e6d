/**
 * partition_create_<type>. Source: gunyah-hypervisor hyp/core/partition_standard/templates/hypercalls.c.tmpl
 */

import { CspaceRight, GunyahError, Hypercall, type ObjectType, PartitionRight } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";
import { Cspace } from "../cspace/cspace.ts";
import type { HypercallHandler } from "../hypercall/table.ts";
import { Partition } from "./partition.ts";

/** The capability space of the call gets the new object's master capability. */
function create(core: HypCore, type: ObjectType): HypercallHandler<typeof Hypercall.partition_create_cspace> {
  return (caller, args, results) => {
    const partition = caller.cspace.lookup(args.partition, Partition, PartitionRight.OBJECT_CREATE);
    if (typeof partition === "number") return partition;
    const cspace = caller.cspace.lookup(args.cspace, Cspace, CspaceRight.CAP_CREATE);
    if (typeof cspace === "number") return cspace;
    const object = core.create(type, partition);
    if (typeof object === "number") return object;
    const cap = cspace.createMasterCap(object);
    if (typeof cap === "number") {
      object.release();
      return cap;
    }
    results.new_cap.value = cap;
    return GunyahError.OK;
  };
}

/** One call for each type that has a factory; partitions cannot be created. */
export function addPartitionCalls(core: HypCore): void {
  const table = core.hypercalls;
  table.add(Hypercall.partition_create_partition, () => GunyahError.UNIMPLEMENTED);
  table.add(Hypercall.partition_create_cspace, create(core, "cspace"));
  table.add(Hypercall.partition_create_addrspace, create(core, "addrspace"));
  table.add(Hypercall.partition_create_memextent, create(core, "memextent"));
  table.add(Hypercall.partition_create_thread, create(core, "thread"));
  table.add(Hypercall.partition_create_doorbell, create(core, "doorbell"));
  table.add(Hypercall.partition_create_msgqueue, create(core, "msgqueue"));
  table.add(Hypercall.partition_create_watchdog, create(core, "watchdog"));
  table.add(Hypercall.partition_create_vic, create(core, "vic"));
  table.add(Hypercall.partition_create_vpm_group, create(core, "vpm_group"));
  table.add(Hypercall.partition_create_virtio_mmio, create(core, "virtio_mmio"));
}
