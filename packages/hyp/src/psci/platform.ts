/**
 * Power of the board: what the host VM asks of PSCI concerns the whole SoC, so the hypervisor hands it to secure firmware.
 * Source: gunyah-hypervisor hyp/vm/psci/src/psci_common.c and hyp/platform/*: platform_system_off, platform_system_reset
 */

import type { SecureMonitor } from "@gunyah-ts/kernel";
import type { Registers } from "../hypercall/registers.ts";

/** VMID under which the hypervisor makes calls of its own. */
const HYPERVISOR_VMID = 0;

/** SMC with the registers of the host's own SYSTEM_OFF, SYSTEM_RESET or SYSTEM_RESET2. */
export function powerBoard(monitors: readonly SecureMonitor[], r: Registers): void {
  const x = r.x.slice();
  for (const monitor of monitors) if (monitor.smc(HYPERVISOR_VMID, x)) return;
}
