/**
 * hypervisor_identify. Source: gunyah-hypervisor hyp/interfaces/hypercalls/identify.tc; docs/api/gunyah_api.md
 */

import { ApiFeature, GunyahError, Hypercall, QEMU_API_FLAGS0, QEMU_API_INFO } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";

/** Differs: the QEMU build of the source has no watchdog objects. */
const WATCHDOG = 1n << BigInt(ApiFeature.WATCHDOG);

/** X0 API information, X1-X3 feature flags. The one call without an error slot. */
export function addIdentifyCall(core: HypCore): void {
  core.hypercalls.add(Hypercall.hypervisor_identify, (_caller, _args, results) => {
    results.api_info.value = QEMU_API_INFO;
    results.flags0.value = core.factories.has("watchdog") ? QEMU_API_FLAGS0 | WATCHDOG : QEMU_API_FLAGS0;
    results.flags1.value = 0n;
    results.flags2.value = 0n;
    return GunyahError.OK;
  });
}
