/**
 * The memory rules in their simplest form: a page has an owner, an extent has wishes, and a VM sees a page where the
 * owner wishes it. An address shows one page, that of the newest wish; the first wish that is taken back takes the
 * page away, even if another wish for it is left. Nothing here is shared with the implementation.
 */

export interface Wish {
  /** Units, see `MemoryModel.unit`. */
  readonly ipa: number;
  readonly access: number;
}

/** What a VM sees at one address. */
export interface Sight {
  readonly unit: number;
  readonly access: number;
}

export interface ModelSlot {
  vm: number;
  readonly wishes: Map<number, Wish>;
}

export class ModelExtent {
  readonly parent: ModelExtent | undefined;
  readonly start: number;
  readonly end: number;
  readonly access: number;
  readonly children = new Set<ModelExtent>();
  readonly slots: (ModelSlot | undefined)[] = [undefined, undefined, undefined, undefined];
  /** Whether a capability still names it. */
  named = true;
  alive = true;

  constructor(parent: ModelExtent | undefined, start: number, end: number, access: number) {
    this.parent = parent;
    this.start = start;
    this.end = end;
    this.access = access;
  }
}

export const MODEL_OK = 0;
export const MODEL_INVALID = 1;
export const MODEL_ADDR_INVALID = 22;
export const MODEL_NOT_OWNER = 111;
export const MODEL_FULL = 120;

export class MemoryModel {
  /** Owner of each unit; undefined while the partition has it. */
  readonly owner: (ModelExtent | undefined)[];
  readonly extents: ModelExtent[] = [];
  readonly content: number[];
  /** What each VM sees: "vm:ipa" to unit and access. */
  readonly view = new Map<string, Sight>();

  constructor(units: number, root: ModelExtent) {
    this.owner = new Array<ModelExtent | undefined>(units).fill(root);
    this.content = new Array<number>(units).fill(0);
    this.extents.push(root);
  }

  derive(parent: ModelExtent, start: number, end: number, access: number): ModelExtent {
    const child = new ModelExtent(parent, start, end, access);
    parent.children.add(child);
    parent.slots.forEach((slot, i) => {
      if (slot === undefined) return;
      const wishes = new Map<number, Wish>();
      for (const [unit, wish] of slot.wishes)
        if (unit >= start && unit < end) wishes.set(unit, { ipa: wish.ipa, access: wish.access & access });
      if (wishes.size > 0) child.slots[i] = { vm: slot.vm, wishes };
    });
    this.extents.push(child);
    return child;
  }

  donate(from: ModelExtent, to: ModelExtent, start: number, end: number): number {
    const inside = (e: ModelExtent) => start >= e.start && end <= e.end;
    if (!inside(from) || !inside(to)) return MODEL_INVALID;
    for (let unit = start; unit < end; unit++) if (this.owner[unit] !== from) return MODEL_NOT_OWNER;
    for (let unit = start; unit < end; unit++) this.#move(unit, from, to);
    return MODEL_OK;
  }

  /** A unit changes its owner. What both wish stays, with the access of the new one. */
  #move(unit: number, from: ModelExtent, to: ModelExtent): void {
    this.owner[unit] = to;
    const old = wishesFor(from, unit);
    const now = wishesFor(to, unit);
    for (const wish of old)
      if (!now.some((w) => w.vm === wish.vm && w.ipa === wish.ipa)) this.#hide(wish.vm, wish.ipa, unit);
    for (const { vm, ipa, access } of now) {
      const same = old.filter((w) => w.vm === vm && w.ipa === ipa);
      if (same.length === 0 || same.some((w) => w.access !== access)) this.view.set(`${vm}:${ipa}`, { unit, access });
    }
  }

  #hide(vm: number, ipa: number, unit: number): void {
    if (this.view.get(`${vm}:${ipa}`)?.unit === unit) this.view.delete(`${vm}:${ipa}`);
  }

  map(extent: ModelExtent, vm: number, start: number, end: number, ipa: number, access: number): number {
    if ((access & ~extent.access) !== 0) return MODEL_INVALID;
    let slot = extent.slots.find((s) => s?.vm === vm && isFree(s, start, end));
    if (slot === undefined) {
      const index = extent.slots.indexOf(undefined);
      if (index < 0) return MODEL_FULL;
      slot = { vm, wishes: new Map() };
      extent.slots[index] = slot;
    }
    for (let unit = start; unit < end; unit++) {
      const at = ipa + unit - start;
      slot.wishes.set(unit, { ipa: at, access });
      if (this.owner[unit] === extent) this.view.set(`${vm}:${at}`, { unit, access });
    }
    return MODEL_OK;
  }

  unmap(extent: ModelExtent, vm: number, start: number, end: number, ipa: number): number {
    const index = extent.slots.findIndex((s) => {
      if (s?.vm !== vm) return false;
      for (let unit = start; unit < end; unit++) if (s.wishes.get(unit)?.ipa !== ipa + unit - start) return false;
      return true;
    });
    const slot = extent.slots[index];
    if (slot === undefined) return MODEL_ADDR_INVALID;
    for (let unit = start; unit < end; unit++) {
      slot.wishes.delete(unit);
      if (this.owner[unit] === extent) this.#hide(vm, ipa + unit - start, unit);
    }
    if (slot.wishes.size === 0) extent.slots[index] = undefined;
    return MODEL_OK;
  }

  unmapAll(extent: ModelExtent): void {
    for (const slot of extent.slots)
      if (slot !== undefined)
        for (const [unit, { ipa }] of slot.wishes) if (this.owner[unit] === extent) this.#hide(slot.vm, ipa, unit);
    extent.slots.fill(undefined);
  }

  /** The last capability goes; children keep an extent alive. */
  drop(extent: ModelExtent): void {
    extent.named = false;
    this.#collect(extent);
  }

  #collect(extent: ModelExtent): void {
    if (extent.named || extent.children.size > 0 || !extent.alive) return;
    extent.alive = false;
    this.extents.splice(this.extents.indexOf(extent), 1);
    const { parent } = extent;
    if (parent === undefined) return;
    this.owner.forEach((owner, unit) => {
      if (owner === extent) this.#move(unit, extent, parent);
    });
    parent.children.delete(extent);
    this.#collect(parent);
  }

  /** The address space of a VM goes, and every wish for it. */
  kill(vm: number): void {
    for (const extent of this.extents)
      extent.slots.forEach((slot, i) => {
        if (slot?.vm === vm) extent.slots[i] = undefined;
      });
    for (const at of this.view.keys()) if (at.startsWith(`${vm}:`)) this.view.delete(at);
  }

  /** Units at which a VM has a wish of any extent. */
  isWished(vm: number, ipa: number, count: number): boolean {
    for (const extent of this.extents)
      for (const slot of extent.slots)
        if (slot?.vm === vm)
          for (const wish of slot.wishes.values()) if (wish.ipa >= ipa && wish.ipa < ipa + count) return true;
    return false;
  }
}

/** Wishes of an extent for a unit, in the order of its slots. */
function wishesFor(extent: ModelExtent, unit: number): (Wish & { vm: number })[] {
  return extent.slots.flatMap((slot) => {
    const wish = slot?.wishes.get(unit);
    return slot === undefined || wish === undefined ? [] : [{ ...wish, vm: slot.vm }];
  });
}

function isFree(slot: ModelSlot, start: number, end: number): boolean {
  for (let unit = start; unit < end; unit++) if (slot.wishes.has(unit)) return false;
  return true;
}
