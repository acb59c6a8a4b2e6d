/**
 * A VM's watchdog as a hypervisor object: bark, then bite, when the VM does not pet it. This platform has no watchdog
 * registers for a VM to pet, so partition_create_watchdog answers UNIMPLEMENTED, as the QEMU build of the hypervisor
 * does; only its hypercalls exist, and they find no object.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Watchdog Management
 */

import { GunyahError, Hypercall, type HypercallDefinition } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";

/** Every capability that a watchdog call could name is of another type or none. */
export function addWatchdogCalls(table: HypercallTable): void {
  const calls: readonly HypercallDefinition[] = [
    Hypercall.watchdog_configure,
    Hypercall.watchdog_attach_vcpu,
    Hypercall.watchdog_bind_virq,
    Hypercall.watchdog_unbind_virq,
    Hypercall.watchdog_manage,
  ];
  for (const call of calls) table.add(call, () => GunyahError.UNIMPLEMENTED);
}
