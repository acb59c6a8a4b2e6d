/**
 * How a hypercall's documented errors are written down: which capabilities it looks up in which order, and what
 * else can be wrong, in the order in which the hypervisor notices.
 */

import {
  CAP_ID_INVALID,
  GunyahError,
  Hypercall,
  type HypercallName,
  ObjectRights,
  type ObjectType,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { create, createWorld, objectOf, type World } from "./fixture.ts";

export type Args = (number | bigint)[];

export interface CapLookup {
  /** Index in the arguments. */
  readonly arg: number;
  readonly type: ObjectType;
  /** Right that the capability must have, 0 for none. */
  readonly right: number;
  /**
   * "active": the object must be ACTIVE. "configure": any object is looked up first, its type compared afterwards, and
   * then it must be INIT. "any": any state.
   */
  readonly mode: "active" | "configure" | "any";
}

export interface Fault {
  readonly when: string;
  readonly error: number;
  /** Spoil the arguments, or the world. */
  apply(args: Args, world: World): void;
  /** Stands alone: later faults cannot be combined with it. */
  readonly alone?: boolean;
}

export interface CallSpec {
  readonly call: HypercallName;
  /** Arguments that succeed. */
  good(world: World): Args;
  readonly lookups: readonly CapLookup[];
  /** Noticed before any capability is looked up. */
  readonly before?: readonly Fault[];
  /** Noticed afterwards, in order. */
  readonly faults?: readonly Fault[];
  /** What the good call returns, OK unless said. */
  readonly result?: number;
  /** Skip the rows of wrong states, with the reason. */
  readonly stateless?: string;
  /** Where it runs, the bare core unless said. */
  readonly world?: () => World;
}

export interface Row {
  readonly call: HypercallName;
  readonly when: string;
  readonly error: number;
  /** A world and the arguments of this row's call. */
  prepare(): { readonly world: World; readonly args: Args };
  /** @returns what the call answers */
  run(): number;
}

/** A capability id whose slot is empty. */
export function emptyCap(world: World): CapId {
  const cap = create(world, "doorbell");
  world.root.ok(Hypercall.cspace_delete_cap_from, world.caps.cspace, cap);
  return cap;
}

/** A revoked copy of a capability. The master stays good. */
export function revokedCap(world: World): CapId {
  const master = create(world, "doorbell");
  const copy = world.root.ok(Hypercall.cspace_copy_cap_from, world.caps.cspace, master, world.caps.cspace, 0xffff_ffff);
  world.root.ok(Hypercall.cspace_revoke_caps_from, world.caps.cspace, master);
  return copy;
}

/** A copy of `cap` without some rights. */
export function weakCap(world: World, cap: CapId, without: number): CapId {
  return world.root.ok(
    Hypercall.cspace_copy_cap_from,
    world.caps.cspace,
    cap,
    world.caps.cspace,
    (0xffff_ffff & ~without) >>> 0,
  );
}

function rightName(type: ObjectType, right: number): string {
  const names = Object.entries(ObjectRights[type])
    .filter(([, value]) => (right & value) !== 0)
    .map(([name]) => name);
  return `${type}:${names.join("+")}`;
}

/** Every row of a call: each wrong capability, then each other fault with all later ones present too, then success. */
export function rowsOf(spec: CallSpec): Row[] {
  const rows: Row[] = [];
  const definition = Hypercall[spec.call];
  const add = (when: string, error: number, spoil: (args: Args, world: World) => void) => {
    const prepare = () => {
      const world = spec.world?.() ?? createWorld();
      const args = spec.good(world);
      spoil(args, world);
      return { world, args };
    };
    rows.push({
      call: spec.call,
      when,
      error,
      prepare,
      run() {
        const { world, args } = prepare();
        return world.root.call(definition, ...args);
      },
    });
  };
  const name = (lookup: CapLookup) => definition.inputs[lookup.arg]?.name ?? `in${lookup.arg}`;
  const spoilLater = (faults: readonly Fault[], from: number, args: Args, world: World) => {
    for (let i = faults.length - 1; i >= from; i--) if (faults[i]?.alone !== true) faults[i]?.apply(args, world);
  };
  const before = spec.before ?? [];
  const faults = spec.faults ?? [];

  before.forEach((fault, i) => {
    add(fault.when, fault.error, (args, world) => {
      spec.lookups.forEach((lookup) => {
        args[lookup.arg] = CAP_ID_INVALID;
      });
      if (fault.alone !== true) spoilLater(before, i + 1, args, world);
      fault.apply(args, world);
    });
  });

  spec.lookups.forEach((lookup, k) => {
    const bad = (when: string, error: number, make: (world: World, good: CapId) => CapId) =>
      add(`${name(lookup)} ${when}`, error, (args, world) => {
        // Everything that is checked later is wrong too, in another way.
        const good = args[lookup.arg] as CapId;
        const wrong = make(world, good);
        spoilLater(faults, 0, args, world);
        for (const later of spec.lookups.slice(k + 1)) args[later.arg] = emptyCap(world);
        args[lookup.arg] = wrong;
      });
    const other = lookup.type === "msgqueue" ? "doorbell" : "msgqueue";
    bad("malformed", GunyahError.ARGUMENT_INVALID, () => CAP_ID_INVALID);
    bad("empty", GunyahError.CSPACE_CAP_NULL, (world) => emptyCap(world));
    bad("revoked", GunyahError.CSPACE_CAP_REVOKED, (world) => revokedCap(world));
    bad("of another type", GunyahError.CSPACE_WRONG_OBJECT_TYPE, (world) => create(world, other));
    if (lookup.right !== 0) {
      bad(`without ${rightName(lookup.type, lookup.right)}`, GunyahError.CSPACE_INSUFFICIENT_RIGHTS, (world, good) =>
        weakCap(world, good, lookup.right),
      );
    }
    if (spec.stateless === undefined && lookup.mode === "active" && lookup.type !== "partition")
      bad("not active", GunyahError.OBJECT_STATE, (world) => create(world, lookup.type));
    if (spec.stateless === undefined && lookup.mode === "configure") {
      add(`${name(lookup)} not in INIT`, GunyahError.OBJECT_STATE, (args, world) => {
        world.root.call(definition, ...args);
        objectOf(world, args[lookup.arg] as CapId).activate();
        spoilLater(faults, 0, args, world);
      });
    }
  });

  faults.forEach((fault, i) => {
    add(fault.when, fault.error, (args, world) => {
      if (fault.alone !== true) spoilLater(faults, i + 1, args, world);
      fault.apply(args, world);
    });
  });
  add("all good", spec.result ?? GunyahError.OK, () => {});
  return rows;
}
