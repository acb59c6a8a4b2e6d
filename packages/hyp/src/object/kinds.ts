/**
 * Object types whose classes live above this layer, as hypercalls of memory, capabilities and messages need them.
 */

import type { VdeviceOwner } from "../addrspace/addrspace.ts";
import type { Cspace } from "../cspace/cspace.ts";
import type { Vic } from "../virq/vic.ts";
import type { HypObject, ObjectClass } from "./object.ts";

/** A vCPU object, to which a capability space and an address space are attached before it is activated. */
export interface ThreadObject extends HypObject {
  readonly type: "thread";
  cspace: Cspace | undefined;
  addrspace: unknown;
}
/** A virtual interrupt controller object. */
export interface VicLike extends HypObject, Vic, VdeviceOwner {
  readonly type: "vic";
}

export const THREAD = { TYPE: "thread" } as ObjectClass<ThreadObject>;
export const VIC = { TYPE: "vic" } as ObjectClass<VicLike>;
