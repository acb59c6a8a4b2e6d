/**
 * Who compiles: requests go in, modules come out, perhaps later.
 */
import { type Batch, type BatchSource, compileBatch, type Features, type RegionRequest } from "./batch.ts";
import { Decoder } from "./blocks.ts";

export interface CompiledBatch {
  readonly requests: readonly RegionRequest[];
  readonly module: WebAssembly.Module;
  readonly batch: Omit<Batch, "bytes">;
  /** Bytes of the module's binary. */
  readonly size: number;
  /** Time that it took, by the wall. */
  readonly ms: number;
}

/** Regions of one module. */
export const BATCH = 16;

/** What compiling depends on, of one machine. */
export interface CompilerNeeds {
  readonly memory: WebAssembly.Memory;
  readonly features: Features;
}

export interface Compiler {
  /** Take a request; false when there are too many already. */
  request(request: RegionRequest): boolean;
  /** The next batch that is done, if any. Called often. */
  finished(): CompiledBatch | undefined;
  dispose(): void;
}

export function compile(requests: readonly RegionRequest[], source: BatchSource): CompiledBatch {
  const start = performance.now();
  const { bytes, ...batch } = compileBatch(requests, source);
  const module = new WebAssembly.Module(bytes);
  return { requests, module, batch, size: bytes.length, ms: performance.now() - start };
}

/** Before it has used so many milliseconds, nobody counts them. */
const FREE_MS = 100;

/** Compiles when it is asked for what is done: on the thread of the CPU. */
export class InlineCompiler implements Compiler {
  readonly #source: BatchSource;
  readonly #share: number;
  readonly #start = performance.now();
  #spent = 0;
  #queue: RegionRequest[] = [];

  /** @param share of the time that passes, what it may use; 1: whatever it takes */
  constructor({ memory, features }: CompilerNeeds, share = 1) {
    this.#source = { words: new Int32Array(memory.buffer), features, decoder: new Decoder() };
    this.#share = share;
  }
  request(request: RegionRequest): boolean {
    this.#queue.push(request);
    return true;
  }
  finished(): CompiledBatch | undefined {
    if (this.#queue.length === 0) return undefined;
    if (this.#share < 1 && this.#spent > FREE_MS + this.#share * (performance.now() - this.#start)) return undefined;
    const done = compile(this.#queue.splice(0, BATCH), this.#source);
    this.#spent += done.ms;
    return done;
  }
  dispose(): void {
    this.#queue = [];
  }
}
