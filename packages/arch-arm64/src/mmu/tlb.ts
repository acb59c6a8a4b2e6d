/**
 * TLB maintenance on one PE's arrays. Over-invalidation is allowed everywhere; what is asked for always goes.
 * Source: DDI 0487 K.a, D8.16 (TLB maintenance), C5.5 (TLBI instructions).
 */
import type { StateBlock } from "../state/block.ts";
import { L, PENDING, TLB } from "../state/layout.ts";
import { M, META } from "./layout.ts";

const META_DISTANCE = (L.TLB_META - L.TLB_EL0) >> 2;
const ENTRY_WORDS = TLB.ENTRY_BYTES >> 2;
const ENTRIES = 6 * TLB.ENTRIES;
/** `dropIpa` looks at every entry: whoever takes a whole VM's memory back page by page has emptied the arrays by then. */
const SCANS_BEFORE_DROP_ALL = 16;

export class Tlb {
  readonly #state: StateBlock;
  readonly #first: number;
  /** Code is executed: entries are filled. */
  #running = false;
  /** Calls of `dropIpa` since code was last executed. */
  #scans = 0;

  constructor(state: StateBlock) {
    this.#state = state;
    this.#first = (state.base + L.TLB_EL0) >> 2;
  }

  /** Around everything that may fill entries: `Pe.run`. */
  enter(): void {
    this.#running = true;
    this.#scans = 0;
  }
  leave(): void {
    this.#running = false;
  }

  /** Every entry. */
  dropAll(): void {
    const { bytes, base } = this.#state;
    bytes.fill(0xff, base + L.TLB_EL0, base + L.TLB_META);
    bytes.fill(0, base + M.BLOCKS_2M, base + M.BLOCKS_1G + 256);
    this.#state.set(M.NG_COUNT, 0);
    this.#state.set(M.PAN_COUNT, 0);
    this.#state.raise(PENDING.SYNC);
  }

  /** Every entry of a non-global page: the ASID changed, or TLBI ASIDE1. */
  dropNonGlobal(): void {
    const state = this.#state;
    const count = state.get(M.NG_COUNT);
    if (count >= M.NG_LOG_ENTRIES) {
      this.dropAll();
      return;
    }
    const words = state.i32;
    for (let i = 0; i < count; i++) {
      const entry = state.get(M.NG_LOG + i * 4) >>> 2;
      words[entry] = -1;
      words[entry + 1] = -1;
    }
    state.set(M.NG_COUNT, 0);
    state.raise(PENDING.SYNC);
  }

  /**
   * TLBI VAE1 and friends, whatever the ASID.
   * @param pageLow bits 43:12 of the address, as the operand's bits 31:0
   * @param pageHigh bits 55:44 of the address, as the operand's bits 43:32
   */
  dropVa(pageLow: number, pageHigh: number): void {
    const state = this.#state;
    const words = state.i32;
    const low = pageLow << 12;
    const high = ((pageHigh & 0xfff) << 12) | (pageLow >>> 20);
    const index = this.#first + (pageLow & (TLB.ENTRIES - 1)) * ENTRY_WORDS;
    for (let array = 0; array < 6; array++) {
      const entry = index + array * TLB.ENTRIES * ENTRY_WORDS;
      if (words[entry] === low && (((words[entry + 1] as number) ^ high) & 0x00ff_ffff) === 0) {
        words[entry] = -1;
        words[entry + 1] = -1;
      }
    }
    const key2m = (high << 11) | (low >>> 21);
    const key1g = (high << 2) | (low >>> 30);
    if (this.#marked(M.BLOCKS_2M, key2m) || this.#marked(M.BLOCKS_1G, key1g)) this.#dropBlock(low, high);
    state.raise(PENDING.SYNC);
  }

  /** Entries whose IPA lies in [ipa, ipa + size). */
  dropIpa(ipa: number, size: number): void {
    if (!this.#running && ++this.#scans >= SCANS_BEFORE_DROP_ALL) {
      // Nothing fills them between runs, so they stay empty.
      if (this.#scans === SCANS_BEFORE_DROP_ALL) this.dropAll();
      return;
    }
    const words = this.#state.i32;
    const end = ipa + size;
    for (let i = 0; i < ENTRIES; i++) {
      const entry = this.#first + i * ENTRY_WORDS;
      if (words[entry] === -1) continue;
      const meta = entry + META_DISTANCE;
      const page = (words[meta + 1] as number) * 0x1_0000_0000 + (((words[meta] as number) & -4096) >>> 0);
      if (page + 4096 > ipa && page < end) {
        words[entry] = -1;
        words[entry + 1] = -1;
      }
    }
    this.#state.raise(PENDING.SYNC);
  }

  #marked(bitmap: number, key: number): boolean {
    return ((this.#state.get(bitmap + ((key >>> 5) & 63) * 4) >>> (key & 31)) & 1) !== 0;
  }

  /** Entries that came from a block or large page which contains the address. */
  #dropBlock(low: number, high: number): void {
    const words = this.#state.i32;
    for (let i = 0; i < ENTRIES; i++) {
      const entry = this.#first + i * ENTRY_WORDS;
      if (words[entry] === -1) continue;
      const size = ((words[entry + META_DISTANCE] as number) >>> META.SIZE_SHIFT) & 0x3f;
      if (size <= 12) continue;
      const differLow = (words[entry] as number) ^ low;
      const differHigh = ((words[entry + 1] as number) ^ high) & 0x00ff_ffff;
      const outside = size >= 32 ? differHigh >>> (size - 32) !== 0 : differHigh !== 0 || differLow >>> size !== 0;
      if (!outside) {
        words[entry] = -1;
        words[entry + 1] = -1;
      }
    }
  }
}
