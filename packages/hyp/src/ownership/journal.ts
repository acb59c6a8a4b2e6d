/**
 * What changed since somebody looked last: owners, intents and translations, as ranges of pages. Kept only where the
 * ownership invariant is watched; without a watch the code that changes memory tests one field that is undefined.
 */

import type { Stage2 } from "../addrspace/stage2.ts";

/** Ranges of page numbers as pairs: first, end (exclusive). */
export type PageRanges = readonly number[];

export interface Changes {
  readonly physical: PageRanges;
  readonly translations: ReadonlyMap<Stage2, PageRanges>;
  /** Ids of owners that lost pages, and of extents that went. */
  readonly extents: ReadonlySet<number>;
}

export class OwnershipJournal {
  #physical: number[] = [];
  #translations = new Map<Stage2, number[]>();
  #extents = new Set<number>();
  #spaces = false;

  /** Whether nothing changed. */
  get isEmpty(): boolean {
    return this.#physical.length === 0 && this.#translations.size === 0 && this.#extents.size === 0 && !this.#spaces;
  }

  /** Physical pages [first, end) had an owner, `from` (0 for none), that they may have lost. */
  owner(first: number, end: number, from: number): void {
    append(this.#physical, first, end);
    if (from !== 0) this.#extents.add(from);
  }

  /** Physical pages [first, end) got an intent, or a translation that leads to them changed. */
  physical(first: number, end: number): void {
    append(this.#physical, first, end);
  }

  /** What [first, end), pages of an IPA, translates to changed, or should have. */
  translation(stage2: Stage2, first: number, end: number): void {
    let ranges = this.#translations.get(stage2);
    if (ranges === undefined) {
      ranges = [];
      this.#translations.set(stage2, ranges);
    }
    append(ranges, first, end);
  }

  /** An extent, by object id, may be active no longer: then nothing can be its own. */
  extent(id: number): void {
    this.#extents.add(id);
  }

  /** An address space came or went. */
  spacesChanged(): void {
    this.#spaces = true;
  }

  /** Everything noted, ranges in order and merged; the journal is empty afterwards. */
  take(): Changes {
    const translations = new Map<Stage2, PageRanges>();
    for (const [stage2, ranges] of this.#translations) translations.set(stage2, merged(ranges));
    const taken = { physical: merged(this.#physical), translations, extents: this.#extents };
    this.#physical = [];
    this.#translations = new Map();
    this.#extents = new Set();
    this.#spaces = false;
    return taken;
  }
}

/** One call often names the same pages three times, or the next ones: grow the last range where that is enough. */
function append(ranges: number[], first: number, end: number): void {
  const last = ranges.length - 2;
  if (last >= 0 && first <= ranges[last + 1]! && end >= ranges[last]!) {
    ranges[last] = Math.min(first, ranges[last]!);
    ranges[last + 1] = Math.max(end, ranges[last + 1]!);
  } else ranges.push(first, end);
}

function merged(ranges: readonly number[]): PageRanges {
  if (ranges.length <= 2) return ranges;
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i]!, ranges[i + 1]!]);
  pairs.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [first, end] of pairs) append(out, first, end);
  return out;
}
