/**
 * Capability space: what the vCPUs attached to it may name, and with which rights.
 * Source: gunyah-hypervisor hyp/core/cspace_twolevel/src/cspace_twolevel.c
 */

import { ALL_RIGHTS, GunyahError, ObjectRights, ObjectState, type ObjectType } from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import type { CapArgument } from "../hypercall/arguments.ts";
import type { RegisterWord } from "../hypercall/registers.ts";
import { HypObject, type ObjectClass } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { CapSlot } from "./cap.ts";
import { CapIdCodec } from "./cap-id.ts";

/** Slots of one second-level table: 2048 bytes of 32-byte slots after the table's header. */
const SLOTS_PER_TABLE = 62;
/** First-level entries that fit the 2048 bytes of a space beside its header. */
const TABLES = 224;
/** Most capabilities that one space can hold. Differs: near the source's number, which follows from its structure sizes. */
export const CSPACE_MAX_CAPS = SLOTS_PER_TABLE * TABLES;
const TABLE_BYTES = 2048;

/** Every right that exists for a type; the master capability has them all. */
export function allRights(type: ObjectType): number {
  let mask = 0;
  for (const right of Object.values(ObjectRights[type])) mask |= right;
  return mask >>> 0;
}

export class Cspace extends HypObject {
  static readonly TYPE = "cspace";
  override readonly type = Cspace.TYPE;
  readonly #ids: CapIdCodec;
  /** By slot: a capability, or undefined (empty). */
  readonly #slots: (CapSlot | undefined)[] = [];
  readonly #free: number[] = [];
  #maxCaps = 0;
  #count = 0;
  /** Bytes charged for second-level tables. */
  #tableBytes = 0;

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 2048);
    this.#ids = new CapIdCodec(core.entropy);
  }

  /** Capabilities that it holds, revoked ones included. */
  get count(): number {
    return this.#count;
  }

  /** @returns GunyahError: ARGUMENT_INVALID above `CSPACE_MAX_CAPS` */
  configure(maxCaps: number): GunyahError {
    if (maxCaps > CSPACE_MAX_CAPS) return GunyahError.ARGUMENT_INVALID;
    this.#maxCaps = maxCaps;
    return GunyahError.OK;
  }

  protected override onActivate(): GunyahError {
    return this.#maxCaps === 0 ? GunyahError.OBJECT_CONFIG : GunyahError.OK;
  }

  protected override onCleanup(): void {
    for (const slot of this.#slots) if (slot !== undefined) this.#detach(slot);
    this.#slots.length = 0;
    this.core.heap.free(this.#tableBytes);
  }

  /**
   * The object that `cap` names, when it is ACTIVE and of the class's type, and the capability has all of `rights`.
   *
   * @returns the object, or a GunyahError in this order: ARGUMENT_INVALID (malformed id), CSPACE_CAP_NULL,
   * CSPACE_CAP_REVOKED, CSPACE_WRONG_OBJECT_TYPE, CSPACE_INSUFFICIENT_RIGHTS, OBJECT_STATE
   * Source: gunyah-hypervisor hyp/core/cspace_twolevel/src/cspace_twolevel.c, cspace_lookup_object
   */
  lookup<T extends HypObject>(
    cap: CapArgument<NoInfer<T["type"]>>,
    kind: ObjectClass<T>,
    rights: number,
  ): T | GunyahError {
    const object = this.#check(cap, kind.TYPE, rights);
    if (typeof object === "number") return object;
    return object.state === ObjectState.ACTIVE ? (object as T) : GunyahError.OBJECT_STATE;
  }

  /** As `lookup`, in any state. Source: cspace_lookup_<type>_any */
  lookupAnyState<T extends HypObject>(
    cap: CapArgument<NoInfer<T["type"]>>,
    kind: ObjectClass<T>,
    rights: number,
  ): T | GunyahError {
    return this.#check(cap, kind.TYPE, rights) as T | GunyahError;
  }

  /**
   * As `lookupAnyState`, for the calls that look for any object first and find the wrong type afterwards: a missing
   * right comes before a wrong type.
   * Source: cspace_lookup_object_any followed by a comparison of types
   */
  lookupForConfigure<T extends HypObject>(
    cap: CapArgument<NoInfer<T["type"]>>,
    kind: ObjectClass<T>,
    rights: number,
  ): T | GunyahError {
    const object = this.#check(cap, undefined, rights);
    if (typeof object === "number") return object;
    return object.type === kind.TYPE ? (object as T) : GunyahError.CSPACE_WRONG_OBJECT_TYPE;
  }

  /** An object of any type in any state. */
  lookupAny(cap: CapArgument, rights: number): HypObject | GunyahError {
    return this.#check(cap, undefined, rights);
  }

  #check(cap: RegisterWord, type: ObjectType | undefined, rights: number): HypObject | GunyahError {
    const index = this.#ids.decode(cap.low, cap.high);
    if (index < 0 || index >= CSPACE_MAX_CAPS) return GunyahError.ARGUMENT_INVALID;
    const slot = this.#slots[index];
    if (slot === undefined) return GunyahError.CSPACE_CAP_NULL;
    const object = slot.object;
    if (object === undefined) return GunyahError.CSPACE_CAP_REVOKED;
    if (type !== undefined && object.type !== type) return GunyahError.CSPACE_WRONG_OBJECT_TYPE;
    if ((slot.rights & rights) >>> 0 !== rights >>> 0) return GunyahError.CSPACE_INSUFFICIENT_RIGHTS;
    return object;
  }

  /**
   * Give the space the first capability to a new object. The object's creation reference becomes the capabilities'.
   * @returns its id, or a GunyahError: CSPACE_FULL, NOMEM
   */
  createMasterCap(object: HypObject): CapId | GunyahError {
    return this.#add(object, allRights(object.type), true);
  }

  /** A further capability to an object that has one already, for the environment of the root VM. */
  addCap(object: HypObject, rights = ALL_RIGHTS): CapId | GunyahError {
    return this.#add(object, rights & allRights(object.type), false);
  }

  /**
   * Copy `cap` of this space into another one with fewer or equal rights.
   * @returns the new id, or a GunyahError: CSPACE_FULL, NOMEM, 1, 50, 51, CSPACE_INSUFFICIENT_RIGHTS when no right is left
   * Source: cspace_copy_cap; it takes the new slot before it looks at the old capability
   */
  copyCap(cap: CapArgument, target: Cspace, rightsMask: number): CapId | GunyahError {
    if (target.#count >= target.#maxCaps) return GunyahError.CSPACE_FULL;
    const slot = this.#slot(cap);
    if (typeof slot === "number") return slot;
    if (slot.object === undefined) return GunyahError.CSPACE_CAP_REVOKED;
    const rights = (slot.rights & rightsMask) >>> 0;
    if (rights === 0) return GunyahError.CSPACE_INSUFFICIENT_RIGHTS;
    return target.#add(slot.object, rights, false);
  }

  /** @returns GunyahError: 1, 50. Deleting a revoked capability is how its slot is freed. */
  deleteCap(cap: CapArgument): GunyahError {
    const slot = this.#slot(cap);
    if (typeof slot === "number") return slot;
    const index = this.#ids.decode(cap.low, cap.high);
    this.#slots[index] = undefined;
    this.#free.push(index);
    this.#count--;
    this.#detach(slot);
    return GunyahError.OK;
  }

  /**
   * Revoke every other capability to the object of `cap`, which must be the master.
   * @returns GunyahError: 1, 50, 51, CSPACE_INSUFFICIENT_RIGHTS when it is not the master
   */
  revokeCaps(cap: CapArgument): GunyahError {
    const master = this.#slot(cap);
    if (typeof master === "number") return master;
    if (master.object === undefined) return GunyahError.CSPACE_CAP_REVOKED;
    if (!master.isMaster) return GunyahError.CSPACE_INSUFFICIENT_RIGHTS;
    const caps = master.object.caps;
    for (const slot of caps) {
      if (slot === master) continue;
      slot.object = undefined;
      caps.delete(slot);
    }
    return GunyahError.OK;
  }

  #slot(cap: RegisterWord): CapSlot | GunyahError {
    const index = this.#ids.decode(cap.low, cap.high);
    if (index < 0 || index >= CSPACE_MAX_CAPS) return GunyahError.ARGUMENT_INVALID;
    return this.#slots[index] ?? GunyahError.CSPACE_CAP_NULL;
  }

  #add(object: HypObject, rights: number, isMaster: boolean): CapId | GunyahError {
    if (this.#count >= this.#maxCaps) return GunyahError.CSPACE_FULL;
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#slots.length;
      if (index % SLOTS_PER_TABLE === 0) {
        if (!this.core.heap.take(TABLE_BYTES)) return GunyahError.NOMEM;
        this.#tableBytes += TABLE_BYTES;
      }
      this.#slots.push(undefined);
    }
    const slot = new CapSlot(this, object, rights, isMaster);
    this.#slots[index] = slot;
    this.#count++;
    object.caps.add(slot);
    return this.#ids.encode(index);
  }

  /** The capability is gone; the last one to an object drops the reference that they share. */
  #detach(slot: CapSlot): void {
    const object = slot.object;
    if (object === undefined) return;
    slot.object = undefined;
    object.caps.delete(slot);
    if (object.caps.size === 0) object.release();
  }
}
