/**
 * What every hypervisor object has: a type, a state, an owner partition, a reference count and the capabilities to it.
 * Source: gunyah-hypervisor hyp/core/object_standard, hyp/interfaces/object
 */

import { GunyahError, ObjectState, type ObjectType } from "@gunyah-ts/abi";
import { bug } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import type { CapSlot } from "../cspace/cap.ts";
import type { Partition } from "../partition/partition.ts";

/**
 * Base of all objects. Life: INIT at creation, ACTIVE or FAILED after `activate`, DESTROYING when the last reference
 * goes. The capabilities to an object share one reference, taken at creation; other objects that point to it hold
 * one each (`retain`, `release`).
 */
export abstract class HypObject {
  abstract readonly type: ObjectType;
  readonly core: HypCore;
  /** Who pays for it; undefined for the two partitions that exist at boot. */
  readonly partition: Partition | undefined;
  /** Unique in a machine, never reused, from 1. */
  readonly id: number;
  /** Bytes of the partition's heap that the object takes. */
  readonly bytes: number;
  /** Capabilities to it, in order of creation. For `Cspace` alone. */
  readonly caps = new Set<CapSlot>();
  #state: ObjectState = ObjectState.INIT;
  #references = 1;

  constructor(core: HypCore, partition: Partition | undefined, bytes: number) {
    this.core = core;
    this.partition = partition;
    this.bytes = bytes;
    this.id = core.adopt(this);
  }

  get state(): ObjectState {
    return this.#state;
  }
  get isActive(): boolean {
    return this.#state === ObjectState.ACTIVE;
  }
  get isInit(): boolean {
    return this.#state === ObjectState.INIT;
  }
  get references(): number {
    return this.#references;
  }

  retain(): this {
    if (this.#references === 0) bug("BUG_HYP_REFERENCE", `${this.type} ${this.id} revived`);
    this.#references++;
    return this;
  }

  /**
   * Drop a reference; the last one deactivates and frees the object.
   * Differs: at once, not after an RCU grace period: one thread leaves nobody who still looks at it.
   */
  release(): void {
    if (this.#references === 0) bug("BUG_HYP_REFERENCE", `${this.type} ${this.id} released twice`);
    if (--this.#references > 0) return;
    const wasActive = this.#state === ObjectState.ACTIVE;
    this.#state = ObjectState.DESTROYING;
    if (wasActive) this.onDeactivate();
    this.onCleanup();
    this.core.forget(this);
  }

  /**
   * INIT to ACTIVE, or to FAILED when the type refuses.
   * @returns GunyahError: OBJECT_STATE when not INIT, else what the type says
   * Source: gunyah-hypervisor hyp/core/object_standard/templates/object.c.tmpl, object_activate
   */
  activate(): GunyahError {
    if (this.#state !== ObjectState.INIT) return GunyahError.OBJECT_STATE;
    const error = this.onActivate();
    this.#state = error === GunyahError.OK ? ObjectState.ACTIVE : ObjectState.FAILED;
    return error;
  }

  /** What activation does for this type. @returns GunyahError */
  protected onActivate(): GunyahError {
    return GunyahError.OK;
  }
  /** The last reference to an ACTIVE object went: leave every structure that others can see. */
  protected onDeactivate(): void {}
  /** Free what the object holds, whatever its state was. Runs after `onDeactivate`. */
  protected onCleanup(): void {}
}

/** The constructor of an object type, as lookups name it. */
export interface ObjectClass<T extends HypObject> {
  readonly TYPE: T["type"];
  readonly prototype: T;
}
