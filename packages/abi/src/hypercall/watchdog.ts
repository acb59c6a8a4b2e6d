/**
 * Watchdogs of VMs.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Watchdog Management; Linux drivers/watchdog/gunyah_wdt.c and, for the
 * bits of STATUS and the unchanged times, the Android kernels' gh_virt_wdt.c
 */
import { bitfield } from "./bitfield.ts";

/** watchdog_configure flags. */
export const WatchdogOptionFlags = bitfield("watchdog_option_flags", { criticalBite: [0, 0] });
/** watchdog_bind_virq and watchdog_unbind_virq flags: the bite's interrupt, or the bark's. */
export const WatchdogBindFlags = bitfield("watchdog_bind_option_flags", { bite: [0, 0] });
/** watchdog_manage operation. */
export const WatchdogManageOp = { FREEZE: 0, FREEZE_AND_RESET: 1, UNFREEZE: 2 } as const;

/** What a VM asks of its watchdog: SMC32 fast calls of the vendor-specific hypervisor service. W0 comes back as GunyahError. */
export const WatchdogCall = {
  /** W1 `WatchdogControl`. */
  CONTROL: 0x8600_0005,
  /** Results: W1 `WatchdogStatus`, W2 milliseconds since the last ping. */
  STATUS: 0x8600_0006,
  PING: 0x8600_0007,
  /** W1 bark, W2 bite: milliseconds since the last ping, up to `WATCHDOG_MAX_MS`, or `WATCHDOG_KEEP_MS`. */
  SET_TIME: 0x8600_0008,
} as const;
/** Bit 1 is reserved, must be one. */
export const WatchdogControl = { ENABLE: 1 << 0, RES1: 1 << 1 } as const;
export const WatchdogStatus = { ENABLED: 1 << 0, EXPIRED: 1 << 31 } as const;
export const WATCHDOG_MAX_MS = 0x8000;
/** The time stays as it is. */
export const WATCHDOG_KEEP_MS = 0xffff;
