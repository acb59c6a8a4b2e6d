/**
 * trace_update_class_flags: which classes the hypervisor's own trace records. The flags are state that reads back;
 * the model's trace is the `Trace` contract and records everything that someone listens to.
 * Differs: the flags have no other effect.
 * Source: gunyah-hypervisor hyp/misc/trace_standard/src/hypercalls.c, trace.c
 */

import { GunyahError, Hypercall } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";

/** ERROR (bit 0), DEBUG (1) and INFO (6) are what the public interface names. Source: hyp/interfaces/trace/trace.tc */
export const TRACE_CLASSES = 0b100_0011n;

/** A bit that is both set and cleared ends up set. */
export function addTraceCall(table: HypercallTable): void {
  let flags = 1n;
  table.add(Hypercall.trace_update_class_flags, (_caller, args, results) => {
    const set = args.set_flags.value & TRACE_CLASSES;
    const clear = args.clear_flags.value & TRACE_CLASSES;
    flags = (flags & ~clear) | set;
    results.flags.value = flags;
    return GunyahError.OK;
  });
}
