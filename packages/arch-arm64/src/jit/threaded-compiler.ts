/**
 * Compiles beside the CPU: a helper thread reads the machine's shared memory, emits and compiles; the CPU's thread sends
 * requests and asks for what is done, which costs it less than a microsecond.
 */
import { HelperThread } from "#host";
import { ALL_FEATURES, type Feature } from "../cpu/features.ts";
import type { RegionRequest } from "./batch.ts";
import { BATCH, type CompiledBatch, type Compiler, type CompilerNeeds, InlineCompiler } from "./compiler.ts";

/** What the thread is told first. */
export interface HelperData {
  readonly memory: WebAssembly.Memory;
  readonly features: readonly Feature[];
}

/** Batches that the thread has at one time: one to work at, one to go on with. */
const IN_FLIGHT = 2;
/** Requests that wait at one time; what becomes hot beyond that has to become hot again. */
const MOST_WAITING = 1024;

export class ThreadedCompiler implements Compiler {
  readonly #needs: CompilerNeeds;
  readonly #entry: URL | undefined;
  #helper: HelperThread | undefined;
  #waiting: RegionRequest[] = [];
  /** What the thread has, oldest first. */
  #sent: (readonly RegionRequest[])[] = [];
  /** Takes over when there is no thread. */
  #inline: InlineCompiler | undefined;

  /** @param entry see `HelperThread` */
  constructor(needs: CompilerNeeds, entry?: URL) {
    this.#needs = needs;
    this.#entry = entry;
  }

  request(request: RegionRequest): boolean {
    if (this.#inline !== undefined) return this.#inline.request(request);
    if (this.#waiting.length >= MOST_WAITING) return false;
    this.#waiting.push(request);
    return true;
  }

  finished(): CompiledBatch | undefined {
    if (this.#inline !== undefined) return this.#inline.finished();
    const helper = this.#start();
    if (helper === undefined || helper.hasFailed) return this.#goInline();
    const done = helper.receive() as CompiledBatch | undefined;
    if (done !== undefined) this.#sent.shift();
    while (this.#sent.length < IN_FLIGHT && this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      this.#sent.push(batch);
      helper.post(batch);
    }
    return done;
  }

  /** The thread starts when there is something to compile. */
  #start(): HelperThread | undefined {
    if (this.#helper !== undefined) return this.#helper;
    const { memory, features } = this.#needs;
    const data: HelperData = { memory, features: ALL_FEATURES.filter((feature) => features.has(feature)) };
    try {
      this.#helper = new HelperThread(data, this.#entry);
    } catch {
      // a host without threads
    }
    return this.#helper;
  }

  #goInline(): undefined {
    this.#inline = new InlineCompiler(this.#needs, INLINE_SHARE);
    for (const request of [...this.#sent.flat(), ...this.#waiting]) this.#inline.request(request);
    this.#sent = [];
    this.#waiting = [];
  }

  dispose(): void {
    this.#helper?.dispose();
    this.#inline?.dispose();
    this.#waiting = [];
  }
}

/** Of the time that passes, what compiling may take on the CPU's own thread. */
const INLINE_SHARE = 0.2;
