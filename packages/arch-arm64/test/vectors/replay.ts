/** Runs a recorded case without a system side, EL1, MMU off: on the interpreter alone, or compiled as a region. */

import { INTERP } from "../../src/interp/layout.ts";
import type { Description } from "../../src/isa/description.ts";
import { Flow } from "../../src/isa/description.ts";
import { InlineCompiler } from "../../src/jit/compiler.ts";
import { Jit } from "../../src/jit/jit.ts";
import { L } from "../../src/state/layout.ts";
import { FlatMachine } from "../../src/testing/flat-machine.ts";
import { CODE_ENTRY, FIELD, MAX_WORDS, WINDOW, WINDOW_SIZE } from "./state.ts";

const BRK = 0xd4200000;
const ZEROS = new Uint8Array(0x3000);

export class Replay {
  readonly machine: FlatMachine;
  readonly #bytes: Uint8Array;
  readonly #jit: Jit | undefined;

  constructor(machine = new FlatMachine(), tier: "interpreter" | "jit" = "interpreter") {
    this.machine = machine;
    const { memory, exports } = machine;
    if (tier === "jit")
      this.#jit = new Jit({
        memory,
        exports,
        compiler: new InlineCompiler({ memory, features: { has: () => true } }),
        threshold: 1,
        codeBytes: 1 << 20,
        patience: Number.POSITIVE_INFINITY,
      });
    this.#bytes = new Uint8Array(machine.memory.buffer);
    machine.writeWords(CODE_ENTRY - 0x2000, new Array(0x1000).fill(BRK));
  }

  /**
   * Run the state's words, and replace the state by the one after them.
   * @returns whether the instruction was UNDEFINED; anything else that stops early shows in PC
   */
  run(state: DataView, description: Description | undefined): boolean {
    const { machine } = this;
    const { data, s } = machine;
    const count = state.getUint32(FIELD.WORD_COUNT, true);
    machine.writeWords(
      CODE_ENTRY,
      Array.from({ length: MAX_WORDS + 1 }, (_, i) => (i < count ? state.getUint32(FIELD.WORDS + 4 * i, true) : BRK)),
    );
    if (this.#jit !== undefined) {
      // once to decode the words, find them hot and fill the TLB; what it does is undone below
      this.#start(state);
      machine.run(count + 1);
      this.#jit.poll();
    }
    this.#start(state);
    // straight-line code runs into the BRK; a branch is stepped, because its target holds nothing
    const branches = description !== undefined && description.flow !== Flow.NEXT && this.#jit === undefined;
    data.setUint32(s + L.STEPPING, branches ? 1 : 0, true);
    const stop = machine.run(branches ? 1 : count + 1);
    data.setUint32(s + L.STEPPING, 0, true);
    const source = new Uint8Array(state.buffer, state.byteOffset, FIELD.BYTES);
    source.set(this.#bytes.subarray(s + L.X, s + L.X + 31 * 8), FIELD.X);
    source.set(this.#bytes.subarray(s + L.V, s + L.V + 512), FIELD.V);
    state.setBigUint64(FIELD.SP, data.getBigUint64(s + L.SP, true), true);
    state.setBigUint64(FIELD.PC, stop.pc, true);
    state.setUint32(FIELD.NZCV, (machine.nzcv << 28) >>> 0, true);
    state.setUint32(FIELD.FPSR, data.getUint32(s + L.FPSR, true), true);
    source.set(machine.read(WINDOW, WINDOW_SIZE), FIELD.WINDOW);
    return stop.what === "undefined";
  }

  /** Instructions that regions retired. */
  get retiredByRegions(): number {
    return Number(this.machine.data.getBigUint64(this.machine.s + INTERP.REGION_RETIRED, true));
  }

  /** The state that the case begins with. */
  #start(state: DataView): void {
    const { machine } = this;
    const { data, s } = machine;
    // the recorder starts each case with zeros around the window
    machine.write(WINDOW - 0x1800, ZEROS);
    machine.write(WINDOW, new Uint8Array(state.buffer, state.byteOffset + FIELD.WINDOW, WINDOW_SIZE));
    const source = new Uint8Array(state.buffer, state.byteOffset, FIELD.BYTES);
    this.#bytes.set(source.subarray(FIELD.X, FIELD.X + 31 * 8), s + L.X);
    this.#bytes.set(source.subarray(FIELD.V, FIELD.V + 512), s + L.V);
    data.setBigUint64(s + L.SP, state.getBigUint64(FIELD.SP, true), true);
    data.setUint32(s + L.FPCR, state.getUint32(FIELD.FPCR, true), true);
    data.setUint32(s + L.FPSR, state.getUint32(FIELD.FPSR, true), true);
    data.setBigInt64(s + L.EXCL_ADDRESS, -1n, true);
    machine.nzcv = state.getUint32(FIELD.NZCV, true) >>> 28;
    machine.pc = BigInt(CODE_ENTRY);
  }
}
