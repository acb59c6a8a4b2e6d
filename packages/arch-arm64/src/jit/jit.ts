/**
 * The second tier of one backend: takes the words that the interpreter found hot, has regions compiled, puts them where
 * the interpreter finds them, and takes them away again.
 *
 * A region is entered through the record of its first instruction, whose handler becomes `HANDLER.REGION`. It is stale as
 * soon as a word that it covers is stored to: the page's REGION_VERSION moves on, and nobody enters it any longer. What
 * happens here afterwards is tidying up. So it does not matter to the guest when anything here happens.
 */
import { CODE_PAGE, ENTRY, HANDLER, HOT, MAX_REGIONS, SHARED } from "../interp/layout.ts";
import { L } from "../state/layout.ts";
import { stateBase } from "../state/region.ts";
import type { BatchRegion } from "./batch.ts";
import type { CompiledBatch, Compiler } from "./compiler.ts";

export interface JitOptions {
  readonly memory: WebAssembly.Memory;
  /** Exports of the interpreter's module. */
  readonly exports: WebAssembly.Exports;
  readonly compiler: Compiler;
  /** Branches to a word that make it hot. */
  readonly threshold: number;
  /** Most bytes of machine code, as far as they can be estimated. */
  readonly codeBytes: number;
  /** A page whose regions went stale so often is left to the interpreter for a while. Default 8. */
  readonly patience?: number;
}

/** What the JIT did so far. */
export interface JitStatistics {
  /** Regions that may be entered now. */
  readonly regions: number;
  /** Estimate of their machine code. */
  readonly codeBytes: number;
  readonly compiled: number;
  readonly evicted: number;
  /** Compiled in vain: the code changed meanwhile. */
  readonly discarded: number;
  /** Not compiled because the compiler is wrong: a bug, but not of the guest. */
  readonly failed: number;
  readonly compileMs: number;
}

/** Machine code that V8 makes of a byte of a region's binary: an estimate, the bound of the code memory rests on it. */
const CODE_PER_BYTE = 6;
/** Batches after which stale regions are looked for. */
const BATCHES_PER_SWEEP = 16;
const PATIENCE = 8;
/** Requests refused because of that, after which changes of long ago count half. */
const REFUSALS_TO_FORGIVE = 64;
/** Of the bound, what is kept when the least used have to go. */
const KEPT = 0.75;

interface InstalledEntry {
  readonly index: number;
  readonly record: number;
  readonly sideAddress: number;
  readonly side: number;
}
interface InstalledRegion {
  readonly functionIndex: number;
  readonly entries: readonly InstalledEntry[];
  readonly pages: readonly { readonly slot: number; readonly regionVersion: number }[];
}
interface InstalledModule {
  readonly codeBytes: number;
  readonly regions: Set<InstalledRegion>;
  /** Sweep at which one of its regions had been used last. */
  lastUsed: number;
}

export class Jit {
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;
  readonly #options: JitOptions;
  readonly #table: WebAssembly.Table;
  readonly #pagesStart: number;
  #modules = new Set<InstalledModule>();
  #freeFunctions: number[] = [];
  #freeEntries: number[] = [];
  #nextEntry = 0;
  #flushes: number;
  #outstanding = 0;
  #refused = 0;
  /** By code page: how often requests found it changed; halved from time to time. */
  readonly #churn = new Map<number, { version: number; count: number }>();
  #sweeps = 0;
  #batchesToSweep = BATCHES_PER_SWEEP;
  #codeBytes = 0;
  #compiled = 0;
  #evicted = 0;
  #discarded = 0;
  #failed = 0;
  #compileMs = 0;

  constructor(options: JitOptions) {
    const { buffer } = options.memory;
    this.#options = options;
    this.#words = new Int32Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#table = options.exports["regions"] as WebAssembly.Table;
    this.#pagesStart = this.#get(SHARED.PAGES_START);
    this.#flushes = this.#get(SHARED.FLUSHES);
    this.#set(SHARED.THRESHOLD, options.threshold);
  }

  #get(address: number): number {
    return this.#words[address >>> 2] as number;
  }
  #set(address: number, value: number): void {
    this.#words[address >>> 2] = value;
  }

  get statistics(): JitStatistics {
    let regions = 0;
    for (const module of this.#modules) regions += module.regions.size;
    return {
      regions,
      codeBytes: this.#codeBytes,
      compiled: this.#compiled,
      evicted: this.#evicted,
      discarded: this.#discarded,
      failed: this.#failed,
      compileMs: this.#compileMs,
    };
  }

  /** Between two calls of `execute`: take what is hot, install what is done. */
  poll(): void {
    const hot = this.#get(SHARED.HOT_COUNT);
    if (hot === 0 && this.#outstanding === 0) return;
    if (this.#get(SHARED.FLUSHES) !== this.#flushes) this.#forgetAll();
    for (let i = 0; i < hot; i++) this.#request(this.#get(SHARED.HOT) + (i << HOT.BYTES_LOG2));
    this.#set(SHARED.HOT_COUNT, 0);
    for (let done = this.#options.compiler.finished(); done !== undefined; done = this.#options.compiler.finished())
      this.#install(done);
  }

  dispose(): void {
    this.#set(SHARED.THRESHOLD, 0);
    this.#options.compiler.dispose();
  }

  // ---------------------------------------------------------------------------------------------------- requests

  #request(note: number): void {
    const record = this.#get(note + HOT.RECORD);
    const who = this.#get(note + HOT.WHO);
    const slot = this.#pagesStart + Math.floor((record - this.#pagesStart) / CODE_PAGE.BYTES) * CODE_PAGE.BYTES;
    const later = () => this.#set(slot + CODE_PAGE.SIDE + ((record - slot) >>> 2), 0);
    if (this.#churns(slot)) {
      later();
      if (++this.#refused % REFUSALS_TO_FORGIVE === 0) this.#forgive();
      return;
    }
    const va = (BigInt(this.#get(note + HOT.VA + 4)) << 32n) | BigInt(this.#get(note + HOT.VA) >>> 0);
    const tlbSet = stateBase(who >>> 1) + ((who & 1) !== 0 ? L.TLB_EL1 : L.TLB_EL0);
    if (this.#options.compiler.request({ va, slot, tlbSet, flushes: this.#flushes })) this.#outstanding++;
    // it becomes hot again
    else later();
  }

  /** Whether a page changes so much that compiling it is in vain. Code that changes for ever costs no more than this. */
  #churns(slot: number): boolean {
    const version = this.#get(slot + CODE_PAGE.REGION_VERSION);
    const page = this.#churn.get(slot);
    if (page === undefined) this.#churn.set(slot, { version, count: 0 });
    else if (page.version !== version) {
      page.version = version;
      page.count++;
    }
    return page !== undefined && page.count >= (this.#options.patience ?? PATIENCE);
  }

  #forgive(): void {
    for (const [slot, page] of this.#churn)
      if (page.count === 0) this.#churn.delete(slot);
      else page.count >>= 1;
  }

  // -------------------------------------------------------------------------------------------------- installing

  #install({ requests, module, batch, size, ms }: CompiledBatch): void {
    this.#outstanding -= requests.length;
    this.#compileMs += ms;
    this.#failed += batch.failures.length;
    const { memory, exports } = this.#options;
    const installed: InstalledModule = { codeBytes: size * CODE_PER_BYTE, regions: new Set(), lastUsed: this.#sweeps };
    let instance: WebAssembly.Instance | undefined;
    batch.regions.forEach((region, i) => {
      if (region === undefined) return;
      if (requests[i]?.flushes !== this.#flushes || !this.#isCurrent(region)) {
        this.#discarded++;
        return;
      }
      instance ??= new WebAssembly.Instance(module, {
        env: { memory },
        helpers: Object.fromEntries(
          batch.helpers.map((name) => [name, exports[`helper.${name}`] as WebAssembly.ExportValue]),
        ),
      });
      const own = this.#enter(region, instance.exports[`r${i}`]);
      if (own !== undefined) installed.regions.add(own);
    });
    if (installed.regions.size > 0) {
      this.#modules.add(installed);
      this.#codeBytes += installed.codeBytes;
    }
    if (--this.#batchesToSweep <= 0 || this.#codeBytes > this.#options.codeBytes) this.#sweep();
  }

  #isCurrent({ pages }: BatchRegion): boolean {
    return pages.every(
      ({ slot, version, regionVersion }) =>
        this.#get(slot + CODE_PAGE.VERSION) === version && this.#get(slot + CODE_PAGE.REGION_VERSION) === regionVersion,
    );
  }

  #enter(region: BatchRegion, code: unknown): InstalledRegion | undefined {
    const functionIndex = this.#freeFunctions.pop() ?? this.#growTable();
    if (functionIndex === undefined) return undefined;
    const slotAt = new Map(region.pages.map(({ offset, slot, regionVersion }) => [offset, { slot, regionVersion }]));
    const entries: InstalledEntry[] = [];
    for (const { offset, number, need } of region.entries) {
      const page = slotAt.get(offset & -4096) as { slot: number; regionVersion: number };
      const record = page.slot + ((offset & 4095) << 2);
      const handler = this.#halves[record >>> 1] as number;
      // not decoded yet, or another region begins here
      if (handler < HANDLER.FIRST) continue;
      const index = this.#takeEntry();
      if (index === undefined) continue;
      const entry = this.#get(SHARED.ENTRIES) + (index << ENTRY.BYTES_LOG2);
      this.#set(entry + ENTRY.FUNCTION, functionIndex);
      this.#set(entry + ENTRY.NUMBER, number);
      this.#set(entry + ENTRY.NEED, need);
      this.#set(entry + ENTRY.PAGE, page.slot);
      this.#set(entry + ENTRY.VERSION, page.regionVersion);
      this.#set(entry + ENTRY.USED, 1);
      this.#set(entry + ENTRY.PAGE_OFFSET, offset & -4096);
      const sideAddress = page.slot + CODE_PAGE.SIDE + (offset & 4095);
      const side = (handler << 16) | index;
      this.#set(sideAddress, side);
      this.#halves[record >>> 1] = HANDLER.REGION;
      entries.push({ index, record, sideAddress, side });
    }
    if (entries.length === 0) {
      this.#freeFunctions.push(functionIndex);
      return undefined;
    }
    for (const [offset, count] of region.covers)
      for (let word = offset; word < offset + 4 * count; word += 4) {
        const { slot } = slotAt.get(word & -4096) as { slot: number };
        const n = (word & 4095) >>> 2;
        this.#bytes[slot + CODE_PAGE.COVERED + (n >>> 3)]! |= 1 << (n & 7);
      }
    this.#table.set(functionIndex, code);
    this.#compiled++;
    return { functionIndex, entries, pages: region.pages };
  }

  #growTable(): number | undefined {
    const { length } = this.#table;
    if (length >= MAX_REGIONS) return undefined;
    const more = Math.min(Math.max(256, length), MAX_REGIONS - length);
    this.#table.grow(more);
    for (let index = length + more - 1; index > length; index--) this.#freeFunctions.push(index);
    return length;
  }
  #takeEntry(): number | undefined {
    return this.#freeEntries.pop() ?? (this.#nextEntry < this.#get(SHARED.ENTRY_COUNT) ? this.#nextEntry++ : undefined);
  }

  // ---------------------------------------------------------------------------------------------------- removing

  /** Remove what is stale; then, while there is too much, modules that were not used for the longest time. */
  #sweep(): void {
    this.#batchesToSweep = BATCHES_PER_SWEEP;
    this.#sweeps++;
    this.#forgive();
    const entries = this.#get(SHARED.ENTRIES);
    for (const module of this.#modules) {
      for (const region of module.regions) {
        for (const { index } of region.entries) {
          const used = entries + (index << ENTRY.BYTES_LOG2) + ENTRY.USED;
          if (this.#get(used) === 0) continue;
          module.lastUsed = this.#sweeps;
          this.#set(used, 0);
        }
        if (
          region.pages.some(({ slot, regionVersion }) => this.#get(slot + CODE_PAGE.REGION_VERSION) !== regionVersion)
        )
          this.#remove(module, region);
      }
      if (module.regions.size === 0) this.#drop(module);
    }
    if (this.#codeBytes <= this.#options.codeBytes) return;
    for (const module of [...this.#modules].sort((a, b) => a.lastUsed - b.lastUsed)) {
      if (this.#codeBytes <= this.#options.codeBytes * KEPT) return;
      this.#evicted += module.regions.size;
      for (const region of module.regions) this.#remove(module, region);
      this.#drop(module);
    }
  }

  #drop(module: InstalledModule): void {
    this.#modules.delete(module);
    this.#codeBytes -= module.codeBytes;
  }

  #remove(module: InstalledModule, region: InstalledRegion): void {
    for (const { index, record, sideAddress, side } of region.entries) {
      if (this.#get(sideAddress) === side) {
        this.#set(sideAddress, 0);
        this.#halves[record >>> 1] = side >>> 16;
      }
      this.#freeEntries.push(index);
    }
    this.#table.set(region.functionIndex, null);
    this.#freeFunctions.push(region.functionIndex);
    module.regions.delete(region);
  }

  /** The code cache started anew: its records are gone, and with them every way into a region. */
  #forgetAll(): void {
    this.#flushes = this.#get(SHARED.FLUSHES);
    for (const module of this.#modules)
      for (const { functionIndex } of module.regions) {
        this.#table.set(functionIndex, null);
        this.#freeFunctions.push(functionIndex);
      }
    this.#modules = new Set();
    this.#codeBytes = 0;
    this.#freeEntries = [];
    this.#nextEntry = 0;
    this.#churn.clear();
  }
}
