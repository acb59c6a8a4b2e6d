/**
 * What a VM asks of its watchdog. W0 becomes a GunyahError.
 * Source: Linux drivers/watchdog/gunyah_wdt.c; the Android kernels' gh_virt_wdt.c
 */

import {
  GunyahError,
  WATCHDOG_KEEP_MS,
  WATCHDOG_MAX_MS,
  WatchdogCall,
  WatchdogControl,
  WatchdogStatus,
} from "@gunyah-ts/abi";
import type { Registers } from "../hypercall/registers.ts";
import type { Watchdog } from "./watchdog.ts";

/** @returns false when `fid` is no call of a watchdog; nothing was changed then */
export function watchdogCall(watchdog: Watchdog, fid: number, r: Registers): boolean {
  switch (fid) {
    case WatchdogCall.CONTROL:
      r.setError(0, control(watchdog, r.low(1)));
      return true;
    case WatchdogCall.STATUS:
      r.setError(0, GunyahError.OK);
      r.set(
        1,
        ((watchdog.isEnabled ? WatchdogStatus.ENABLED : 0) | (watchdog.bite.isDue ? WatchdogStatus.EXPIRED : 0)) >>> 0,
      );
      r.set(2, watchdog.sincePing);
      return true;
    case WatchdogCall.PING:
      watchdog.ping();
      r.setError(0, GunyahError.OK);
      return true;
    case WatchdogCall.SET_TIME:
      r.setError(0, setTimes(watchdog, r.low(1), r.low(2)));
      return true;
    default:
      return false;
  }
}

function control(watchdog: Watchdog, word: number): number {
  if ((word & ~WatchdogControl.ENABLE) !== WatchdogControl.RES1) return GunyahError.ARGUMENT_INVALID;
  return watchdog.setEnabled((word & WatchdogControl.ENABLE) !== 0);
}

function setTimes(watchdog: Watchdog, bark: number, bite: number): number {
  for (const ms of [bark, bite])
    if (ms > WATCHDOG_MAX_MS && ms !== WATCHDOG_KEEP_MS) return GunyahError.ARGUMENT_INVALID;
  watchdog.setTimes(bark === WATCHDOG_KEEP_MS ? undefined : bark, bite === WATCHDOG_KEEP_MS ? undefined : bite);
  return GunyahError.OK;
}
