/**
 * Hypercalls of watchdogs. Source: gunyah-hypervisor docs/api/gunyah_api.md, Watchdog Management
 */

import {
  GunyahError,
  Hypercall,
  OBJECT_ACTIVATE,
  VicRight,
  WatchdogBindFlags,
  WatchdogManageOp,
  WatchdogOptionFlags,
  WatchdogRight,
} from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { Vcpu } from "../vcpu/vcpu.ts";
import { VicObject } from "../vgic/vic-object.ts";
import { Watchdog } from "./watchdog.ts";

export function addWatchdogCalls(table: HypercallTable): void {
  table.add(Hypercall.watchdog_configure, (caller, args) => {
    if (WatchdogOptionFlags.reserved(args.flags) !== 0 || args.word("flags").high !== 0)
      return GunyahError.ARGUMENT_INVALID;
    const watchdog = caller.cspace.lookupForConfigure(args.watchdog, Watchdog, OBJECT_ACTIVATE);
    if (typeof watchdog === "number") return watchdog;
    if (!watchdog.isInit) return GunyahError.OBJECT_STATE;
    watchdog.flags = args.flags;
    return GunyahError.OK;
  });
  table.add(Hypercall.watchdog_attach_vcpu, (caller, args) => {
    const watchdog = caller.cspace.lookup(args.watchdog, Watchdog, WatchdogRight.ATTACH_VCPU);
    if (typeof watchdog === "number") return watchdog;
    const vcpu = caller.cspace.lookupForConfigure(args.vcpu, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    if (vcpu.isHlos) return GunyahError.ARGUMENT_INVALID;
    watchdog.retain();
    vcpu.watchdog?.release();
    vcpu.watchdog = watchdog;
    return GunyahError.OK;
  });
  table.add(Hypercall.watchdog_bind_virq, (caller, args) => {
    if (WatchdogBindFlags.reserved(args.flags) !== 0 || args.word("flags").high !== 0)
      return GunyahError.ARGUMENT_INVALID;
    const watchdog = caller.cspace.lookup(args.watchdog, Watchdog, WatchdogRight.BIND_VIRQ);
    if (typeof watchdog === "number") return watchdog;
    const vic = caller.cspace.lookup(args.vic, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vic.bind(alarmOf(watchdog, args.flags).virq, args.virq_info);
  });
  table.add(Hypercall.watchdog_unbind_virq, (caller, args) => {
    if (WatchdogBindFlags.reserved(args.flags) !== 0 || args.word("flags").high !== 0)
      return GunyahError.ARGUMENT_INVALID;
    const watchdog = caller.cspace.lookup(args.watchdog, Watchdog, WatchdogRight.BIND_VIRQ);
    if (typeof watchdog === "number") return watchdog;
    alarmOf(watchdog, args.flags).virq.unbind();
    return GunyahError.OK;
  });
  // Differs: no right is documented for this call; any capability to the watchdog will do.
  table.add(Hypercall.watchdog_manage, (caller, args) => {
    const watchdog = caller.cspace.lookup(args.watchdog, Watchdog, 0);
    if (typeof watchdog === "number") return watchdog;
    switch (args.operation) {
      case WatchdogManageOp.FREEZE:
        return watchdog.freeze(false);
      case WatchdogManageOp.FREEZE_AND_RESET:
        return watchdog.freeze(true);
      case WatchdogManageOp.UNFREEZE:
        return watchdog.unfreeze();
      default:
        return GunyahError.ARGUMENT_INVALID;
    }
  });
}

function alarmOf(watchdog: Watchdog, flags: number): Watchdog["bark"] {
  return WatchdogBindFlags.unpack(flags).bite !== 0 ? watchdog.bite : watchdog.bark;
}
