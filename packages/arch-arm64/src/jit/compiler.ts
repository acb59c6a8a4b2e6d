/**
 * Who compiles: requests go in, modules come out, perhaps later.
 */
import { type Batch, compileBatch, type Features, type RegionRequest } from "./batch.ts";

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

export function compile(requests: readonly RegionRequest[], words: Int32Array, features: Features): CompiledBatch {
  const start = performance.now();
  const { bytes, ...batch } = compileBatch(requests, words, features);
  const module = new WebAssembly.Module(bytes);
  return { requests, module, batch, size: bytes.length, ms: performance.now() - start };
}

/** Compiles when it is asked for what is done: where there is no other thread. */
export class InlineCompiler implements Compiler {
  readonly #words: Int32Array;
  readonly #features: Features;
  #queue: RegionRequest[] = [];
  constructor({ memory, features }: CompilerNeeds) {
    this.#words = new Int32Array(memory.buffer);
    this.#features = features;
  }
  request(request: RegionRequest): boolean {
    this.#queue.push(request);
    return true;
  }
  finished(): CompiledBatch | undefined {
    return this.#queue.length === 0 ? undefined : compile(this.#queue.splice(0, BATCH), this.#words, this.#features);
  }
  dispose(): void {
    this.#queue = [];
  }
}
