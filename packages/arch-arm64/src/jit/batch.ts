/**
 * A module of several regions: V8 keeps 20 to 50 KB for each module, however small.
 */

import type { Feature } from "../cpu/features.ts";
import { TARGET_MISS_PARAMS } from "../interp/code-cache.ts";
import { BRANCH_TARGET, CODE_PAGE, SHARED } from "../interp/layout.ts";
import type { Description, StaticValues } from "../isa/description.ts";
import { TLB } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { isPlainRead } from "../sysreg/plain-read.ts";
import { type Callable, I32, ModuleBuilder } from "../wasm/index.ts";
import { type CodeReader, type Decoder, findBlocks, type Graph } from "./blocks.ts";
import { LAZY_PARAMS } from "./flags.ts";
import { compileRegion, type Region } from "./region.ts";

/** Compile the code at a virtual address, as one PE sees it. Plain data: it may travel to another thread. */
export interface RegionRequest {
  /** Virtual address of the first instruction. */
  readonly va: bigint;
  /** Its code page. */
  readonly slot: number;
  /** Address of the TLB set that fetched it. */
  readonly tlbSet: number;
  /** SHARED.FLUSHES: in another code cache the region would have no place. */
  readonly flushes: number;
}

/** A page that a region was compiled from. */
export interface SourcePage {
  /** Distance from the page of the region's start, bytes. */
  readonly offset: number;
  readonly slot: number;
  /** CODE_PAGE.VERSION and REGION_VERSION before the first word was read. */
  readonly version: number;
  readonly regionVersion: number;
}

export interface BatchEntry {
  /** Offset from the page of the start. */
  readonly offset: number;
  readonly number: number;
  readonly need: number;
}
export interface BatchRegion {
  readonly pages: readonly SourcePage[];
  readonly entries: readonly BatchEntry[];
  /** Offsets of the instructions that it has, for each the start and the number of consecutive words. */
  readonly covers: readonly (readonly [offset: number, words: number])[];
  readonly instructions: number;
}
export interface Batch {
  /** Exports r0, r1, …; imports env.memory and helpers. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By request; undefined where nothing could be compiled. */
  readonly regions: readonly (BatchRegion | undefined)[];
  /** Messages of the compiler's own mistakes: those regions stay interpreted. */
  readonly failures: readonly string[];
  /** Names of the helpers that the module imports from "helpers". */
  readonly helpers: readonly string[];
}

/** Offsets are 32 bits, and nothing near their ends is worth a thought. */
const FARTHEST = 2 ** 30;

/** Instructions that look like others but belong to the interpreter. */
function isRegionMaterial(
  description: Description,
  statics: StaticValues,
  dispatch: () => number,
  features: Features,
): boolean {
  const feature = description.feature?.(statics);
  if (feature !== undefined && !features.has(feature)) return false;
  switch (description.name) {
    case "HINT":
      return statics["kind"] === 0;
    case "MRS":
      return isPlainRead(dispatch());
    case "SYSL":
      return false;
    default:
      return true;
  }
}

/**
 * Pages around a request, found in the fetch entries of its PE. Where somebody stores to them at the same time the
 * versions tell whoever installs the region.
 */
class SourcePages {
  readonly #words: Int32Array;
  readonly #request: RegionRequest;
  readonly #base: bigint;
  readonly #pages = new Map<number, SourcePage | undefined>();

  constructor(words: Int32Array, request: RegionRequest) {
    this.#words = words;
    this.#request = request;
    this.#base = request.va & ~0xfffn;
    this.#pages.set(0, this.#describe(0, request.slot));
  }
  #get(address: number): number {
    return this.#words[address >>> 2] as number;
  }
  #describe(offset: number, slot: number): SourcePage {
    return {
      offset,
      slot,
      version: this.#get(slot + CODE_PAGE.VERSION),
      regionVersion: this.#get(slot + CODE_PAGE.REGION_VERSION),
    };
  }
  /** @param offset a multiple of 4096 */
  page(offset: number): SourcePage | undefined {
    if (this.#pages.has(offset)) return this.#pages.get(offset);
    const va = BigInt.asIntN(64, this.#base + BigInt(offset));
    const entry = this.#request.tlbSet + TLB.FETCH + Number((va >> 8n) & 0x3ff0n);
    const isHere = this.#get(entry) === Number(BigInt.asIntN(32, va)) && this.#get(entry + 4) === Number(va >> 32n);
    const found = isHere ? this.#describe(offset, this.#get(entry + 12)) : undefined;
    this.#pages.set(offset, found);
    return found;
  }
  word(offset: number): number | undefined {
    const page = this.page(offset & -4096);
    if (page === undefined) return undefined;
    return this.#get((this.#get(page.slot + CODE_PAGE.HOST) >>> 0) + (offset & 4095));
  }
  /** See `CodeReader`. */
  targets(offset: number): readonly number[] {
    const page = this.page(offset & -4096);
    if (page === undefined) return [];
    const record = page.slot + ((offset & 4095) << 2);
    const index = (record >>> 4) & (BRANCH_TARGET.ENTRIES - 1);
    const site = this.#get(SHARED.TARGETS) + (index << BRANCH_TARGET.BYTES_LOG2);
    if (this.#get(site + BRANCH_TARGET.RECORD) !== record) return [];
    const targets = [BRANCH_TARGET.LAST, BRANCH_TARGET.OTHER].map((field) => {
      const low = BigInt(this.#get(site + field) >>> 0);
      return Number((BigInt(this.#get(site + field + 4)) << 32n) + low - this.#base);
    });
    return [...new Set(targets)].filter((target) => target % 4 === 0 && Math.abs(target) < FARTHEST);
  }
  /** Those that blocks are in. */
  used({ blocks }: Graph): SourcePage[] {
    const offsets = new Set(blocks.flatMap((block) => block.instructions.map(({ offset }) => offset & -4096)));
    return [...offsets].map((offset) => this.page(offset) as SourcePage);
  }
}

function covers(graph: Graph): (readonly [number, number])[] {
  return graph.blocks.map(({ offset, instructions }) => [offset, instructions.length] as const);
}

/** Features of the CPU model: what it lacks belongs to the interpreter. */
export type Features = Pick<ReadonlySet<Feature>, "has">;

/** Of one machine, what compiling depends on. */
export interface BatchSource {
  /** The whole linear memory. */
  readonly words: Int32Array;
  readonly features: Features;
  readonly decoder: Decoder;
}

/** Generate a module for the requests. */
export function compileBatch(requests: readonly RegionRequest[], { words, features, decoder }: BatchSource): Batch {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { min: 1, max: 65536, shared: true });
  const helpers = new Map<string, Callable>();
  // types of helpers are what the function that makes them says; it makes them in a module that nobody encodes
  const scratch = new ModuleBuilder();
  const helper = (name: string, make?: (module: ModuleBuilder) => Callable): Callable => {
    const known = helpers.get(name);
    if (known !== undefined) return known;
    const { params, results } = make?.(scratch) ?? ownType(name);
    const made = module.importFunction("helpers", name, params, results);
    helpers.set(name, made);
    return made;
  };
  const dispatchWord = (word: number) =>
    (word & (1 << 20)) === 0 ? 0 : (words[(REGION.SYSREG_DISPATCH + ((word >>> 3) & 0x1fffc)) >> 2] as number);

  const failures: string[] = [];
  const regionOf = (request: RegionRequest, index: number): BatchRegion | undefined => {
    const source = new SourcePages(words, request);
    const reader: CodeReader = {
      word: (offset) => source.word(offset),
      decode: (word) => decoder.decode(word),
      targets: (offset) => source.targets(offset),
      canCompile: (description, statics, word) =>
        isRegionMaterial(description, statics, () => dispatchWord(word), features),
    };
    const graph = findBlocks(reader, Number(request.va & 0xfffn));
    if (graph === undefined) return undefined;
    const page = (offset: number) => {
      const { slot, regionVersion } = source.page(offset) as SourcePage;
      return { slot, version: regionVersion };
    };
    const region: Region = compileRegion(`r${index}`, { graph, page, helper, dispatchWord });
    module.export(`r${index}`, module.adopt(region.f));
    const instructions = graph.blocks.reduce((sum, block) => sum + block.instructions.length, 0);
    return { pages: source.used(graph), entries: region.entries, covers: covers(graph), instructions };
  };
  const regions = requests.map((request, index) => {
    try {
      return regionOf(request, index);
    } catch (error) {
      failures.push(String(error));
      return undefined;
    }
  });
  return { bytes: module.encode(), regions, failures, helpers: [...helpers.keys()] };
}

/** Types of the functions that regions import and no description makes. */
function ownType(name: string): Pick<Callable, "params" | "results"> {
  if (name === "targetMiss") return { params: TARGET_MISS_PARAMS, results: [] };
  return { params: LAZY_PARAMS, results: name === "lazyNzcv" ? [I32] : [] };
}
