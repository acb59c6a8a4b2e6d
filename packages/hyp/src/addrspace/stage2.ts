/**
 * A stage-2 translation table in the carve-out: 36-bit IPA, 4 KiB granule, walk from level 1, pages at level 3 and
 * 2 MiB blocks at level 2.
 * Differs: no blocks at level 1 and no contiguous hint, which the source makes where they fit: no VM here has a GiB in one
 * piece.
 * Source: DDI 0487 K.a D8.2 (translation process), D8.14 (TLB maintenance, break-before-make);
 * gunyah-hypervisor hyp/mem/pgtable/armv8/src/pgtable.c; config/platform/qemu.conf (36-bit VM address space)
 */

import { GunyahError } from "@gunyah-ts/abi";
import { bug, type CpuBackend, type Ipa, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { CarveOut } from "../memory/carve-out.ts";
import type { OwnershipJournal } from "../ownership/journal.ts";
import {
  addressOf,
  attributesHigh,
  attributesLow,
  attributesOf,
  DESCRIPTOR_BLOCK,
  DESCRIPTOR_PAGE,
  DESCRIPTOR_TABLE,
  DESCRIPTOR_VALID,
  sameAttributes,
} from "./descriptor.ts";

/** Width of an IPA. */
export const IPA_BITS = 36;
export const IPA_LIMIT = 2 ** IPA_BITS;
const GIB = 0x4000_0000;
const BLOCK = 0x20_0000;
const ENTRIES = 512;
const HIGH = 0x1_0000_0000;

/** What `TLBI` reaches; the CPU backend, or nothing while no PE exists. */
export type Tlbi = Pick<CpuBackend, "tlbiIpa" | "tlbiVmid">;

export class Stage2 {
  readonly #carveOut: CarveOut;
  readonly #tlbi: Tlbi;
  readonly #journal: OwnershipJournal | undefined;
  readonly #words: Uint32Array;
  readonly vmid: number;
  /** Level 1 table; its 64 entries cover 1 GiB each. */
  readonly root: Pa;
  readonly #rootWord: number;
  /** Pages that a leaf maps. */
  #pages = 0;
  #tables = 1;
  /** Counts invalidations: a translation found before stays good while this is the same. */
  generation = 0;
  /**
   * Whether a wanted translation may be missing: one replaced another, one of two records of it was unmapped, or memory
   * for tables ran out.
   */
  isIncomplete = false;

  /** Result of the last `lookup` that found a leaf. */
  readonly found = { pa: 0, size: 0, attrs: 0 };

  private constructor(carveOut: CarveOut, tlbi: Tlbi, vmid: number, root: Pa, journal: OwnershipJournal | undefined) {
    this.#carveOut = carveOut;
    this.#tlbi = tlbi;
    this.#journal = journal;
    this.#words = carveOut.words;
    this.vmid = vmid;
    this.root = root;
    this.#rootWord = carveOut.wordOf(root);
  }

  /** @param journal told of every change @returns undefined when the carve-out is full */
  static create(carveOut: CarveOut, tlbi: Tlbi, vmid: number, journal?: OwnershipJournal): Stage2 | undefined {
    const root = carveOut.allocate();
    return root === -1 ? undefined : new Stage2(carveOut, tlbi, vmid, root, journal);
  }

  /** VTTBR_EL2: VMID 63:48, root table 47:1. */
  get vttbr(): bigint {
    return (BigInt(this.vmid) << 48n) | BigInt(this.root);
  }
  /**
   * VTCR_EL2: PS 36 bits (1), TG0 4 KiB (0), SH0 inner (3), ORGN0 and IRGN0 write-back (1), SL0 level 1 (1), T0SZ 28,
   * VS 16-bit VMID, RES1 bit 31.
   */
  get vtcr(): bigint {
    return (
      0x8000_0000n |
      (1n << 19n) |
      (1n << 16n) |
      (3n << 12n) |
      (1n << 10n) |
      (1n << 8n) |
      (1n << 6n) |
      BigInt(64 - IPA_BITS)
    );
  }
  /** Pages that have a translation. */
  get pages(): number {
    return this.#pages;
  }
  /** Bytes of tables. */
  get bytes(): number {
    return this.#tables * PAGE_SIZE;
  }

  /**
   * Map [ipa, ipa + size) to [pa, pa + size), over whatever was there.
   * @param attrs as in an intent: user access 2:0, kernel access 5:3, memory type 9:6
   * @returns GunyahError: NOMEM when a table cannot be allocated; nothing of the range is mapped then
   */
  map(ipa: Ipa, size: number, pa: Pa, attrs: number): GunyahError {
    const low = attributesLow(attrs);
    const high = attributesHigh(attrs);
    const end = ipa + size;
    let changed = false;
    this.#note(ipa, size, pa);
    for (let at = ipa; at < end; ) {
      const to = pa + (at - ipa);
      if (at % BLOCK === 0 && to % BLOCK === 0 && end - at >= BLOCK) {
        const entry = this.#level2Entry(at);
        if (entry < 0) return this.#undo(ipa, at, pa);
        changed = this.#setBlock(entry, at, to, low, high) || changed;
        at += BLOCK;
        continue;
      }
      const entry = this.#level2Entry(at);
      if (entry < 0) return this.#undo(ipa, at, pa);
      const table = this.#level3Table(entry, at - (at % BLOCK));
      if (table === -1) return this.#undo(ipa, at, pa);
      const stop = Math.min(end, at - (at % BLOCK) + BLOCK);
      changed = this.#setPages(table, at, stop, to, low, high) || changed;
      this.#tryMerge(entry, table, at - (at % BLOCK));
      at = stop;
    }
    if (changed) this.#invalidate(ipa, size);
    return GunyahError.OK;
  }

  /** Take away every translation of [ipa, ipa + size) that leads to [pa, pa + size). */
  unmapMatching(ipa: Ipa, size: number, pa: Pa): void {
    const end = ipa + size;
    let changed = false;
    this.#note(ipa, size, pa);
    for (let at = ipa; at < end; ) {
      const blockBase = at - (at % BLOCK);
      const stop = Math.min(end, blockBase + BLOCK);
      const entry = this.#findLevel2Entry(at);
      if (entry < 0) {
        // No level 2 table: on to the next GiB.
        at = Math.min(end, at - (at % GIB) + GIB);
        continue;
      }
      const low = this.#words[entry] as number;
      const to = pa + (at - ipa);
      if ((low & 3) === DESCRIPTOR_BLOCK) {
        if (addressOf(low, this.#words[entry + 1] as number) + (at - blockBase) === to) {
          if (stop - at === BLOCK) {
            this.#clearEntry(entry);
            this.#pages -= ENTRIES;
            changed = true;
            this.#tryFreeLevel2(at);
          } else {
            const table = this.#level3Table(entry, blockBase);
            // A block can always be taken away whole when it cannot be split; its pages then fault, which is safe.
            if (table === -1) {
              this.isIncomplete = true;
              this.#clearEntry(entry);
              this.#pages -= ENTRIES;
              this.#invalidate(blockBase, BLOCK);
            } else changed = this.#clearPages(entry, table, at, stop, to) || changed;
          }
        }
      } else if ((low & 3) === DESCRIPTOR_TABLE) {
        const table = addressOf(low, this.#words[entry + 1] as number);
        changed = this.#clearPages(entry, table, at, stop, to) || changed;
      }
      at = stop;
    }
    if (changed) this.#invalidate(ipa, size);
  }

  /**
   * Translate one address. @returns whether a leaf maps it; then `found` has the page's or block's base address as
   * output, its size in bytes, and its attributes
   */
  lookup(ipa: Ipa): boolean {
    const entry = this.#findLevel2Entry(ipa);
    if (entry < 0) return false;
    let low = this.#words[entry] as number;
    let high = this.#words[entry + 1] as number;
    let size = BLOCK;
    if ((low & 3) === DESCRIPTOR_TABLE) {
      const word = this.#carveOut.wordOf(addressOf(low, high)) + ((ipa % BLOCK) >>> 12) * 2;
      low = this.#words[word] as number;
      high = this.#words[word + 1] as number;
      size = PAGE_SIZE;
    }
    if ((low & DESCRIPTOR_VALID) === 0) return false;
    this.found.pa = addressOf(low, high);
    this.found.size = size;
    this.found.attrs = attributesOf(low, high);
    return true;
  }

  /** Every leaf that maps a byte of [from, to), whole, in order of IPA. */
  forEachLeaf(
    visit: (ipa: Ipa, pa: Pa, size: number, attrs: number) => void,
    from: Ipa = 0,
    to: Ipa = IPA_LIMIT,
  ): void {
    for (let at = from - (from % PAGE_SIZE); at < to; ) {
      const level2 = this.tableAt(at, 2);
      if (level2 === -1) {
        at += GIB - (at % GIB);
        continue;
      }
      const block = at - (at % BLOCK);
      const entry = this.#carveOut.wordOf(level2) + 2 * ((at % GIB) >>> 21);
      const low = this.#words[entry] as number;
      if ((low & 3) === DESCRIPTOR_BLOCK) {
        const high = this.#words[entry + 1] as number;
        visit(block, addressOf(low, high), BLOCK, attributesOf(low, high));
      } else if ((low & 3) === DESCRIPTOR_TABLE) this.#forEachPage(at, Math.min(to, block + BLOCK), visit);
      at = block + BLOCK;
    }
  }

  /** The pages of [from, to), which one level 3 table covers. */
  #forEachPage(from: Ipa, to: Ipa, visit: (ipa: Ipa, pa: Pa, size: number, attrs: number) => void): void {
    const table = this.tableAt(from, 3);
    if (table === -1) return;
    let word = this.#carveOut.wordOf(table) + 2 * ((from % BLOCK) >>> 12);
    for (let at = from; at < to; at += PAGE_SIZE, word += 2) {
      const low = this.#words[word] as number;
      const high = this.#words[word + 1] as number;
      if ((low & 3) === DESCRIPTOR_PAGE) visit(at, addressOf(low, high), PAGE_SIZE, attributesOf(low, high));
    }
  }

  /**
   * The table of one level that `ipa` is looked up in, wherever the descriptor above says it is.
   * @returns -1 when there is none, or when what is above it is no table of the carve-out
   */
  tableAt(ipa: Ipa, level: 2 | 3): Pa | -1 {
    const word = this.#rootWord + 2 * Math.floor(ipa / GIB);
    const level2 = this.#tableOf(word);
    if (level === 2 || level2 === -1 || !this.#carveOut.contains(level2)) return level2;
    return this.#tableOf(this.#carveOut.wordOf(level2) + 2 * ((ipa % GIB) >>> 21));
  }

  #tableOf(word: number): Pa | -1 {
    const low = this.#words[word] as number;
    return (low & 3) === DESCRIPTOR_TABLE ? addressOf(low, this.#words[word + 1] as number) : -1;
  }

  /** Physical addresses of all tables, the root first. */
  tables(): Pa[] {
    const tables = [this.root];
    const words = this.#words;
    for (let i = 0; i < IPA_LIMIT / GIB; i++) {
      const low = words[this.#rootWord + 2 * i] as number;
      if ((low & 3) !== DESCRIPTOR_TABLE) continue;
      const level2Pa = addressOf(low, words[this.#rootWord + 2 * i + 1] as number);
      tables.push(level2Pa);
      const level2 = this.#carveOut.wordOf(level2Pa);
      for (let j = 0; j < ENTRIES; j++) {
        const l = words[level2 + 2 * j] as number;
        if ((l & 3) === DESCRIPTOR_TABLE) tables.push(addressOf(l, words[level2 + 2 * j + 1] as number));
      }
    }
    return tables;
  }

  /** Forget everything and give the tables back. */
  destroy(): void {
    this.generation++;
    this.#tlbi.tlbiVmid(this.vmid);
    for (const table of this.tables()) this.#carveOut.free(table);
    this.#pages = 0;
    this.#tables = 0;
  }

  /** Word index of the level 2 entry of `ipa`, -1 when no level 2 table covers it. */
  #findLevel2Entry(ipa: Ipa): number {
    const word = this.#rootWord + 2 * Math.floor(ipa / GIB);
    const low = this.#words[word] as number;
    if ((low & DESCRIPTOR_VALID) === 0) return -1;
    const table = addressOf(low, this.#words[word + 1] as number);
    return this.#carveOut.wordOf(table) + 2 * ((ipa % GIB) >>> 21);
  }

  /** The same, with a new level 2 table if need be. @returns -1 when it cannot be allocated */
  #level2Entry(ipa: Ipa): number {
    const found = this.#findLevel2Entry(ipa);
    if (found >= 0) return found;
    const table = this.#carveOut.allocate();
    if (table === -1) return -1;
    this.#tables++;
    this.#write(this.#rootWord + 2 * Math.floor(ipa / GIB), table, DESCRIPTOR_TABLE, 0);
    return this.#carveOut.wordOf(table) + 2 * ((ipa % GIB) >>> 21);
  }

  /** Level 3 table under the level 2 entry of `block`; makes an empty one, or splits. @returns -1 without memory */
  #level3Table(entry: number, block: Ipa): Pa | -1 {
    const words = this.#words;
    const low = words[entry] as number;
    const high = words[entry + 1] as number;
    if ((low & 3) === DESCRIPTOR_TABLE) return addressOf(low, high);
    if ((low & 3) === DESCRIPTOR_BLOCK) this.#note(block, BLOCK, addressOf(low, high));
    const table = this.#carveOut.allocate();
    if (table === -1) return -1;
    this.#tables++;
    if ((low & 3) === DESCRIPTOR_BLOCK) {
      const word = this.#carveOut.wordOf(table);
      for (let k = 0; k < ENTRIES; k++) {
        // A block's address is 2 MiB-aligned, so the page offset cannot carry out of the low half.
        words[word + 2 * k] = (low + k * PAGE_SIZE) | DESCRIPTOR_PAGE;
        words[word + 2 * k + 1] = high;
      }
      this.#carveOut.used[this.#carveOut.indexOf(table)] = ENTRIES;
    } else this.#countLevel2(entry, 1);
    this.#write(entry, table, DESCRIPTOR_TABLE, 0);
    return table;
  }

  /** @returns whether something valid was replaced by something else */
  #setBlock(entry: number, ipa: Ipa, pa: Pa, attrLow: number, attrHigh: number): boolean {
    const low = this.#words[entry] as number;
    const high = this.#words[entry + 1] as number;
    const kind = low & 3;
    if (kind === DESCRIPTOR_TABLE) {
      const table = addressOf(low, high);
      this.#write(entry, pa, attrLow | DESCRIPTOR_BLOCK, attrHigh);
      this.isIncomplete ||= (this.#carveOut.used[this.#carveOut.indexOf(table)] as number) > 0;
      this.#pages += ENTRIES - (this.#carveOut.used[this.#carveOut.indexOf(table)] as number);
      this.#invalidate(ipa, BLOCK);
      this.#freeTable(table);
      return false;
    }
    if (kind === 0) {
      this.#countLevel2(entry, 1);
      this.#pages += ENTRIES;
      this.#write(entry, pa, attrLow | DESCRIPTOR_BLOCK, attrHigh);
      return false;
    }
    this.#write(entry, pa, attrLow | DESCRIPTOR_BLOCK, attrHigh);
    this.isIncomplete ||= addressOf(low, high) !== pa;
    return this.#words[entry] !== low || this.#words[entry + 1] !== high;
  }

  #setPages(table: Pa, from: Ipa, to: Ipa, pa: Pa, attrLow: number, attrHigh: number): boolean {
    const words = this.#words;
    let word = this.#carveOut.wordOf(table) + 2 * ((from % BLOCK) >>> 12);
    let changed = false;
    let fresh = 0;
    const typeLow = attrLow | DESCRIPTOR_PAGE;
    for (let at = pa; from < to; from += PAGE_SIZE, at += PAGE_SIZE, word += 2) {
      const low = ((at % HIGH) | typeLow) >>> 0;
      const high = Math.floor(at / HIGH) | attrHigh;
      const old = words[word] as number;
      if ((old & DESCRIPTOR_VALID) === 0) fresh++;
      else if (old !== low || words[word + 1] !== high) {
        changed = true;
        if (addressOf(old, words[word + 1] as number) !== at) this.isIncomplete = true;
      }
      words[word] = low;
      words[word + 1] = high;
    }
    this.#pages += fresh;
    const index = this.#carveOut.indexOf(table);
    this.#carveOut.used[index] = (this.#carveOut.used[index] as number) + fresh;
    return changed;
  }

  #clearPages(entry: number, table: Pa, from: Ipa, to: Ipa, pa: Pa): boolean {
    const words = this.#words;
    let word = this.#carveOut.wordOf(table) + 2 * ((from % BLOCK) >>> 12);
    let cleared = 0;
    for (let at = from, out = pa; at < to; at += PAGE_SIZE, out += PAGE_SIZE, word += 2) {
      const low = words[word] as number;
      if ((low & DESCRIPTOR_VALID) === 0 || addressOf(low, words[word + 1] as number) !== out) continue;
      words[word] = 0;
      words[word + 1] = 0;
      cleared++;
    }
    if (cleared === 0) return false;
    this.#pages -= cleared;
    const index = this.#carveOut.indexOf(table);
    const left = (this.#carveOut.used[index] as number) - cleared;
    this.#carveOut.used[index] = left;
    if (left === 0) {
      const base = from - (from % BLOCK);
      this.#clearEntry(entry);
      // A walk may be cached up to this table; it must go before the page is used for something else.
      this.#invalidate(base, BLOCK);
      this.#freeTable(table, true);
      this.#tryFreeLevel2(base);
      return false;
    }
    return true;
  }

  /** Make a full level 3 table that maps one aligned 2 MiB with equal attributes a block again. */
  #tryMerge(entry: number, table: Pa, ipa: Ipa): void {
    if (this.#carveOut.used[this.#carveOut.indexOf(table)] !== ENTRIES) return;
    const words = this.#words;
    const word = this.#carveOut.wordOf(table);
    const low = words[word] as number;
    const high = words[word + 1] as number;
    const pa = addressOf(low, high);
    if (pa % BLOCK !== 0) return;
    for (let k = ENTRIES - 1; k > 0; k--) {
      const l = words[word + 2 * k] as number;
      const h = words[word + 2 * k + 1] as number;
      if (l !== low + k * PAGE_SIZE || h !== high || !sameAttributes(l, h, low, high)) return;
    }
    words[entry] = (low & ~DESCRIPTOR_PAGE) | DESCRIPTOR_BLOCK;
    words[entry + 1] = high;
    this.#note(ipa, BLOCK, pa);
    this.#invalidate(ipa, BLOCK);
    this.#freeTable(table);
  }

  #tryFreeLevel2(ipa: Ipa): void {
    const word = this.#rootWord + 2 * Math.floor(ipa / GIB);
    const table = addressOf(this.#words[word] as number, this.#words[word + 1] as number);
    if (this.#carveOut.used[this.#carveOut.indexOf(table)] !== 0) return;
    this.#words[word] = 0;
    this.#words[word + 1] = 0;
    this.#invalidate(ipa - (ipa % GIB), GIB);
    this.#freeTable(table, true);
  }

  #clearEntry(entry: number): void {
    this.#words[entry] = 0;
    this.#words[entry + 1] = 0;
    this.#countLevel2(entry, -1);
  }

  /** Count the entries in use of the level 2 table that holds the word `entry`. */
  #countLevel2(entry: number, by: number): void {
    const { used } = this.#carveOut;
    const index = Math.floor((entry - this.#carveOut.wordOf(this.#carveOut.base)) / (PAGE_SIZE / 4));
    used[index] = (used[index] as number) + by;
  }

  #freeTable(table: Pa, isZero = false): void {
    this.#tables--;
    this.#carveOut.free(table, isZero);
  }

  #write(word: number, pa: Pa, low: number, high: number): void {
    if (pa >= 2 ** 48) bug("BUG_HYP_STAGE2", "output address beyond 48 bits", { pa });
    this.#words[word] = ((pa % HIGH) | low) >>> 0;
    this.#words[word + 1] = Math.floor(pa / HIGH) | high;
  }

  #note(ipa: Ipa, size: number, pa: Pa): void {
    if (this.#journal === undefined) return;
    this.#journal.translation(this, ipa / PAGE_SIZE, (ipa + size) / PAGE_SIZE);
    this.#journal.physical(pa / PAGE_SIZE, (pa + size) / PAGE_SIZE);
  }

  /** TLBI IPAS2E1IS over a range. */
  #invalidate(ipa: Ipa, size: number): void {
    this.generation++;
    this.#tlbi.tlbiIpa(this.vmid, ipa, size);
  }

  /** Take back what a map that ran out of memory did. */
  #undo(ipa: Ipa, reached: Ipa, pa: Pa): GunyahError {
    if (reached > ipa) {
      // It may have been there before, for another record.
      this.isIncomplete = true;
      this.unmapMatching(ipa, reached - ipa, pa);
    }
    if (this.#findLevel2Entry(reached) >= 0) this.#tryFreeLevel2(reached);
    return GunyahError.NOMEM;
  }
}
