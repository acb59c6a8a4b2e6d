/**
 * Memory database: which object owns each physical page.
 * Source: gunyah-hypervisor hyp/interfaces/memdb/include/memdb.h, hyp/mem/memdb_gpt/src/memdb.c
 */

import { GunyahError } from "@gunyah-ts/abi";
import { PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";

/** Object id of the owner; 0 where the database has no entry. */
export type OwnerId = number;
/** Told after every change, for traces. Sizes in bytes. */
export type OwnerChange = (pa: Pa, size: number, from: OwnerId, to: OwnerId) => void;

interface OwnedRange {
  /** Page numbers, `end` exclusive. */
  start: number;
  end: number;
  owner: OwnerId;
}

/** DRAM has one entry a page in a typed array; what lies outside (devices) is a short sorted list of ranges. */
export class Memdb {
  readonly #base: number;
  readonly #owners: Int32Array;
  #outside: OwnedRange[] = [];
  /** Pages that each owner has. */
  readonly #pages = new Map<OwnerId, number>();
  onChange: OwnerChange | undefined;

  /** @param dramBase page-aligned @param dramSize bytes */
  constructor(dramBase: Pa, dramSize: number) {
    this.#base = dramBase / PAGE_SIZE;
    this.#owners = new Int32Array(dramSize / PAGE_SIZE);
  }

  /** Owner of the page that holds `pa`, 0 for none. */
  owner(pa: Pa): OwnerId {
    return this.ownerOfPage(Math.floor(pa / PAGE_SIZE));
  }

  /** The same by page number. */
  ownerOfPage(page: number): OwnerId {
    const i = page - this.#base;
    if (i >= 0 && i < this.#owners.length) return this.#owners[i] as number;
    for (const range of this.#outside) if (page >= range.start && page < range.end) return range.owner;
    return 0;
  }

  /** How many pages an object owns. */
  pagesOwned(owner: OwnerId): number {
    return this.#pages.get(owner) ?? 0;
  }

  /**
   * First entry for a range. @param pa @param size page-aligned, bytes
   * @returns GunyahError: MEMDB_NOT_OWNER when part of it has an owner
   */
  insert(pa: Pa, size: number, owner: OwnerId): GunyahError {
    return this.update(pa, size, owner, 0);
  }

  /**
   * Move a range from one owner to another, all or nothing.
   * @returns GunyahError: MEMDB_NOT_OWNER when `from` does not own all of it
   */
  update(pa: Pa, size: number, to: OwnerId, from: OwnerId): GunyahError {
    const start = pa / PAGE_SIZE;
    const end = start + size / PAGE_SIZE;
    if (!this.#owns(start, end, from)) return GunyahError.MEMDB_NOT_OWNER;
    const dramStart = Math.max(start - this.#base, 0);
    const dramEnd = Math.min(end - this.#base, this.#owners.length);
    if (dramEnd === dramStart + 1) this.#owners[dramStart] = to;
    else if (dramEnd > dramStart) this.#owners.fill(to, dramStart, dramEnd);
    if (start < this.#base) this.#setOutside(start, Math.min(end, this.#base), to);
    const top = this.#base + this.#owners.length;
    if (end > top) this.#setOutside(Math.max(start, top), end, to);
    const pages = end - start;
    if (from !== 0) this.#pages.set(from, this.pagesOwned(from) - pages);
    if (to !== 0) this.#pages.set(to, this.pagesOwned(to) + pages);
    this.onChange?.(pa, size, from, to);
    return GunyahError.OK;
  }

  /** Whether one owner has all of [pa, pa + size). */
  owns(owner: OwnerId, pa: Pa, size: number): boolean {
    return this.#owns(pa / PAGE_SIZE, (pa + size) / PAGE_SIZE, owner);
  }

  /** Call `visit` for every maximal run of [pa, pa + size) that `owner` has, in order, until it returns false. */
  walk(owner: OwnerId, pa: Pa, size: number, visit: (pa: Pa, size: number) => boolean | undefined): void {
    // Extents reach over all of DRAM and often own little of it: stop when everything was seen.
    let left = this.pagesOwned(owner);
    const end = (pa + size) / PAGE_SIZE;
    for (let page = pa / PAGE_SIZE; page < end && left > 0; ) {
      const run = this.runEnd(page, end);
      if (this.ownerOfPage(page) === owner) {
        if (visit(page * PAGE_SIZE, (run - page) * PAGE_SIZE) === false) return;
        left -= run - page;
      }
      page = run;
    }
  }

  /** First page after `page`, at most `end`, that has another owner. */
  runEnd(page: number, end: number): number {
    const owners = this.#owners;
    const i = page - this.#base;
    if (i >= 0 && i < owners.length) {
      const owner = owners[i];
      const stop = Math.min(end - this.#base, owners.length);
      let j = i + 1;
      while (j < stop && owners[j] === owner) j++;
      return j + this.#base;
    }
    let next = i < 0 ? Math.min(end, this.#base) : end;
    for (const range of this.#outside) {
      if (range.start > page) next = Math.min(next, range.start);
      else if (range.end > page) next = Math.min(next, range.end);
    }
    return next;
  }

  #owns(start: number, end: number, owner: OwnerId): boolean {
    const owners = this.#owners;
    const dramStart = Math.max(start - this.#base, 0);
    const dramEnd = Math.min(end - this.#base, owners.length);
    for (let i = dramStart; i < dramEnd; i++) if (owners[i] !== owner) return false;
    for (let page = start; page < end; ) {
      const i = page - this.#base;
      if (i >= 0 && i < owners.length) {
        page = this.#base + owners.length;
        continue;
      }
      if (this.ownerOfPage(page) !== owner) return false;
      page = this.runEnd(page, end);
    }
    return true;
  }

  #setOutside(start: number, end: number, owner: OwnerId): void {
    const next: OwnedRange[] = [];
    for (const range of this.#outside) {
      if (range.end <= start || range.start >= end) {
        next.push(range);
        continue;
      }
      if (range.start < start) next.push({ start: range.start, end: start, owner: range.owner });
      if (range.end > end) next.push({ start: end, end: range.end, owner: range.owner });
    }
    if (owner !== 0) next.push({ start, end, owner });
    next.sort((a, b) => a.start - b.start);
    const merged: OwnedRange[] = [];
    for (const range of next) {
      const last = merged.at(-1);
      if (last !== undefined && last.end === range.start && last.owner === range.owner) last.end = range.end;
      else merged.push({ ...range });
    }
    this.#outside = merged;
  }
}
