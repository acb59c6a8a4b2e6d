/**
 * Partition: owner of memory and payer of objects. Two exist: the hypervisor's own and the root VM's.
 * Source: gunyah-hypervisor hyp/core/partition_standard/src/partition.c, init.c
 */

import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";

export class Partition extends HypObject {
  static readonly TYPE = "partition";
  override readonly type = Partition.TYPE;
  /** The hypervisor's private partition, which no capability names. */
  readonly isPrivate: boolean;

  constructor(core: HypCore, isPrivate: boolean) {
    super(core, undefined, 0);
    this.isPrivate = isPrivate;
    this.activate();
  }
}
