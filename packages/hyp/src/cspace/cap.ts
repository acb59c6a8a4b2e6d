/**
 * One capability: an object, rights, and whether it is the master that can revoke the others.
 * Source: gunyah-hypervisor hyp/core/cspace_twolevel/cspace.tc, cap_data, cap_info
 */

import type { HypObject } from "../object/object.ts";
import type { Cspace } from "./cspace.ts";

export class CapSlot {
  readonly cspace: Cspace;
  /** Undefined when the capability was revoked. */
  object: HypObject | undefined;
  /** 32-bit mask. */
  readonly rights: number;
  readonly isMaster: boolean;

  constructor(cspace: Cspace, object: HypObject, rights: number, isMaster: boolean) {
    this.cspace = cspace;
    this.object = object;
    this.rights = rights >>> 0;
    this.isMaster = isMaster;
  }
}
