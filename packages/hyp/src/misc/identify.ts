/**
 * hypervisor_identify. Source: gunyah-hypervisor hyp/interfaces/hypercalls/identify.tc; docs/api/gunyah_api.md
 */

import { GunyahError, Hypercall, QEMU_API_FLAGS0, QEMU_API_INFO } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";

/** X0 API information, X1-X3 feature flags. The one call without an error slot. */
export function addIdentifyCall(table: HypercallTable): void {
  table.add(Hypercall.hypervisor_identify, (_caller, _args, results) => {
    results.api_info.value = QEMU_API_INFO;
    results.flags0.value = QEMU_API_FLAGS0;
    results.flags1.value = 0n;
    results.flags2.value = 0n;
    return GunyahError.OK;
  });
}
