/**
 * Intents: where, and how, an extent wants each of its pages to appear in one address space. A page that the extent
 * does not own keeps its intent; the translation exists only while the extent owns the page.
 * Source: gunyah-hypervisor hyp/mem/memextent_sparse/memextent_sparse.tc (memextent_gpt_map), hyp/misc/gpt
 */

/** Pages of one 2 MiB chunk. */
const CHUNK = 512;
/** Largest distance of virtual and physical page number, 36 bits each way (2^48 bytes). */
const BIAS = 2 ** 36;
/** Values of `Attrs`. */
const ATTRS = 1024;

/**
 * One intent as a number, 0 for none: the distance from physical to virtual page (so that neighbours of one mapping
 * have equal values), then its `Attrs`.
 */
export type Intent = number;

/** Attributes of an intent and of a translation: user access 2:0, kernel access 5:3, memory type 9:6. */
export type Attrs = number;

/** @param user,kernel `Access` @param memtype `VmMemtype` */
export function makeAttrs(user: number, kernel: number, memtype: number): Attrs {
  return user | (kernel << 3) | (memtype << 6);
}
export function userAccess(attrs: Attrs): number {
  return attrs & 7;
}
export function kernelAccess(attrs: Attrs): number {
  return (attrs >>> 3) & 7;
}
export function memtypeOf(attrs: Attrs): number {
  return attrs >>> 6;
}
/** Whether neither EL0 nor EL1 gets more than `access`. */
export function isWithin(attrs: Attrs, access: number): boolean {
  return ((userAccess(attrs) | kernelAccess(attrs)) & ~access) === 0;
}
/** The same with no more than `access`. */
export function restrict(attrs: Attrs, access: number): Attrs {
  return makeAttrs(userAccess(attrs) & access, kernelAccess(attrs) & access, memtypeOf(attrs));
}

/** From the map_attrs word of addrspace_map: user 2:0, kernel 6:4, memory type 23:16. */
export function attrsOfMap(mapAttrs: number): Attrs {
  return makeAttrs(mapAttrs & 7, (mapAttrs >>> 4) & 7, (mapAttrs >>> 16) & 15);
}
/** To a map_attrs word. */
export function mapAttrsOf(attrs: Attrs): number {
  return userAccess(attrs) | (kernelAccess(attrs) << 4) | (memtypeOf(attrs) << 16);
}
/** @param delta virtual page number - physical page number */
export function makeIntent(delta: number, attrs: Attrs): Intent {
  return (delta + BIAS) * ATTRS + attrs + 1;
}
export function intentDelta(intent: Intent): number {
  return Math.floor((intent - 1) / ATTRS) - BIAS;
}
export function attrsOfIntent(intent: Intent): Attrs {
  return (intent - 1) % ATTRS;
}

interface Chunk {
  readonly values: Float64Array;
  /** Entries that are not 0. */
  used: number;
}

/**
 * Intents by physical page: 2 MiB chunks that are either one value or a table of 512. A 1:1 map of all DRAM is one
 * number for each 2 MiB, and taking one page out costs one table.
 */
export class IntentMap {
  readonly #chunks = new Map<number, number | Chunk>();
  #pages = 0;
  /** The last table that became empty, for the next one: single pages come and go while a VM runs. */
  #spare: Chunk | undefined;

  get isEmpty(): boolean {
    return this.#pages === 0;
  }
  /** Pages that have an intent. */
  get pages(): number {
    return this.#pages;
  }
  /** Bytes of the tables, for accounting. */
  get bytes(): number {
    let bytes = 0;
    for (const chunk of this.#chunks.values()) bytes += typeof chunk === "number" ? 16 : 16 + CHUNK * 8;
    return bytes;
  }

  /** Intent of a physical page number. */
  get(page: number): Intent {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK));
    if (chunk === undefined) return 0;
    return typeof chunk === "number" ? chunk : (chunk.values[page % CHUNK] as number);
  }

  /** First page after `page`, at most `end`, whose intent differs from that of `page`. */
  runEnd(page: number, end: number): number {
    const value = this.get(page);
    let at = page + 1;
    while (at < end) {
      const index = Math.floor(at / CHUNK);
      const chunk = this.#chunks.get(index);
      const stop = Math.min(end, (index + 1) * CHUNK);
      if (chunk === undefined || typeof chunk === "number") {
        if ((chunk ?? 0) !== value) return at;
        at = stop;
      } else {
        const { values } = chunk;
        while (at < stop) {
          if (values[at % CHUNK] !== value) return at;
          at++;
        }
      }
    }
    return end;
  }

  /** Whether every page of [start, end) has an intent of this distance. */
  matches(start: number, end: number, delta: number): boolean {
    for (let page = start; page < end; ) {
      const value = this.get(page);
      if (value === 0 || intentDelta(value) !== delta) return false;
      page = this.runEnd(page, end);
    }
    return true;
  }

  /** Whether a page of [start, end) has an intent of this distance. */
  touches(start: number, end: number, delta: number): boolean {
    for (let page = start; page < end; ) {
      const value = this.get(page);
      if (value !== 0 && intentDelta(value) === delta) return true;
      page = this.runEnd(page, end);
    }
    return false;
  }

  /** Whether no page of [start, end) has an intent. */
  isFree(start: number, end: number): boolean {
    if (end === start + 1) return this.get(start) === 0;
    for (let page = start; page < end; ) {
      if (this.get(page) !== 0) return false;
      page = this.runEnd(page, end);
    }
    return true;
  }

  /** Give every page of [start, end) one intent; 0 takes it away. */
  fill(start: number, end: number, intent: Intent): void {
    for (let at = start; at < end; ) {
      const index = Math.floor(at / CHUNK);
      const first = index * CHUNK;
      const stop = Math.min(end, first + CHUNK);
      const old = this.#chunks.get(index);
      if (at === first && stop === first + CHUNK) {
        this.#pages +=
          (intent === 0 ? 0 : CHUNK) - (old === undefined ? 0 : typeof old === "number" ? CHUNK : old.used);
        if (intent === 0) this.#chunks.delete(index);
        else this.#chunks.set(index, intent);
      } else {
        this.#fillPart(index, old, at - first, stop - first, intent);
      }
      at = stop;
    }
  }

  clear(): void {
    this.#chunks.clear();
    this.#pages = 0;
  }

  /** Every maximal run with an intent, by physical page number, `end` exclusive. In order of no particular kind. */
  forEach(visit: (start: number, end: number, intent: Intent) => void): void {
    for (const [index, chunk] of this.#chunks) {
      const first = index * CHUNK;
      if (typeof chunk === "number") {
        visit(first, first + CHUNK, chunk);
        continue;
      }
      for (let i = 0; i < CHUNK; ) {
        const value = chunk.values[i] as number;
        let j = i + 1;
        while (j < CHUNK && chunk.values[j] === value) j++;
        if (value !== 0) visit(first + i, first + j, value);
        i = j;
      }
    }
  }

  #fillPart(index: number, old: number | Chunk | undefined, from: number, to: number, intent: Intent): void {
    let chunk: Chunk;
    if (old === undefined || typeof old === "number") {
      if ((old ?? 0) === intent) return;
      chunk = this.#spare ?? { values: new Float64Array(CHUNK), used: 0 };
      this.#spare = undefined;
      if (old !== undefined) {
        chunk.values.fill(old);
        chunk.used = CHUNK;
      }
      this.#chunks.set(index, chunk);
    } else {
      chunk = old;
    }
    const { values } = chunk;
    const before = chunk.used;
    for (let i = from; i < to; i++) {
      if (values[i] !== 0) chunk.used--;
      values[i] = intent;
    }
    if (intent !== 0) chunk.used += to - from;
    this.#pages += chunk.used - before;
    if (chunk.used === 0) {
      this.#chunks.delete(index);
      this.#spare = chunk;
    } else if (chunk.used === CHUNK && values[0] === values[CHUNK - 1] && values.every((v) => v === values[0]))
      this.#chunks.set(index, values[0] as number);
  }
}
