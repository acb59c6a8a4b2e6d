/** The same machine twice, one interpreted and one with a JIT: whatever is done to both, they stay equal. */
import { PeExit } from "@gunyah-ts/kernel";
import { expect } from "vitest";
import type { Arm64BackendOptions } from "../../src/backend.ts";
import type { CompiledBatch, Compiler, CompilerNeeds } from "../../src/jit/compiler.ts";
import { InlineCompiler } from "../../src/jit/compiler.ts";
import { DATA, Stage, WINDOW } from "../support/probe.ts";
import type { Prng } from "../vectors/state.ts";

export const PROGRAM = DATA + 0x10_0000;
const VECTORS = DATA + 0x20_0000;
const DATA_BYTES = 0x10_0000;
const HVC = (imm: number) => (0xd400_0002 | (imm << 5)) >>> 0;
const ERET = 0xd69f_03e0;
/** HCR_EL2.VI. */
const VI = 1n << 7n;

/** Gives what is compiled after a random number of questions. */
export class SlowCompiler implements Compiler {
  readonly #inner: InlineCompiler;
  readonly #random: () => number;
  readonly #done: CompiledBatch[] = [];
  constructor(needs: CompilerNeeds, random: () => number) {
    this.#inner = new InlineCompiler(needs);
    this.#random = random;
  }
  request(request: Parameters<Compiler["request"]>[0]): boolean {
    return this.#random() % 8 !== 0 && this.#inner.request(request);
  }
  finished(): CompiledBatch | undefined {
    if (this.#random() % 3 === 0) {
      const batch = this.#inner.finished();
      if (batch !== undefined) this.#done.push(batch);
    }
    return this.#random() % 3 === 0 ? this.#done.shift() : undefined;
  }
  dispose(): void {
    this.#inner.dispose();
  }
}

export class Twins {
  readonly plain = new Stage({ backend: { tier: "interpreter" } });
  readonly fast: Stage;
  readonly both: readonly Stage[];

  constructor(jit: NonNullable<Arm64BackendOptions["jit"]> = { threshold: 2 }) {
    this.fast = new Stage({ backend: { tier: "jit", jit } });
    this.both = [this.plain, this.fast];
  }

  /** Put the program in place. Exceptions skip what caused them, interrupts go to EL2 by HVC #0x77. */
  load(words: Uint32Array, registers: readonly bigint[]): void {
    for (const stage of this.both) {
      const { physical } = stage.el2;
      stage.reset();
      physical.write(PROGRAM, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
      physical.write(DATA, new Uint8Array(DATA_BYTES));
      // mrs x29, elr_el1; add x29, x29, #4; msr elr_el1, x29; eret
      const skip = [0xd53e_0000, 0, 0, 0];
      skip[0] = 0xd538_403d;
      skip[1] = 0x9100_13bd;
      skip[2] = 0xd518_403d;
      skip[3] = ERET;
      const irq = [0x9100_079c, HVC(0x77), ERET];
      for (let vector = 0; vector < 16; vector++)
        physical.write(VECTORS + vector * 128, new Uint8Array(Uint32Array.from(vector % 4 === 0 ? skip : irq).buffer));
      const { pe } = stage;
      pe.write("VBAR_EL1", BigInt(VECTORS));
      pe.write("SP_EL1", BigInt(WINDOW + 0x5_0000));
      registers.forEach((value, n) => {
        pe.x[n] = value;
      });
      pe.v.forEach((_, i) => {
        pe.v[i] = (i * 73) & 255;
      });
      pe.write("ELR_EL2", BigInt(PROGRAM));
      pe.write("SPSR_EL2", 0x345n);
    }
  }

  /** Run both, and see that they end at the same place in the same state. @returns why they ended */
  run(budget: number): PeExit {
    const [plain, fast] = this.both.map((stage) => ({ exit: stage.pe.run(budget), esr: stage.pe.esr })) as [
      { exit: PeExit; esr: number },
      { exit: PeExit; esr: number },
    ];
    expect(fast).toEqual(plain);
    expect(this.fast.pe.retired).toBe(this.plain.pe.retired);
    expect(this.fast.pe.save()).toEqual(this.plain.pe.save());
    expect(this.fast.el2.clock.now()).toBe(this.plain.el2.clock.now());
    return plain.exit;
  }

  /** A virtual interrupt becomes pending, or no longer. */
  interrupt(pending: boolean): void {
    for (const { pe } of this.both) {
      const hcr = pe.read("HCR_EL2");
      pe.write("HCR_EL2", pending ? hcr | VI : hcr & ~VI);
    }
  }

  each(action: (stage: Stage) => void): void {
    for (const stage of this.both) action(stage);
  }

  /** Data, code and tables. */
  expectSameMemory(): void {
    const [plain, fast] = this.both.map(({ el2 }) =>
      Buffer.from(el2.physical.memory.buffer, el2.physical.dramOffset, el2.guestBytes),
    ) as [Buffer, Buffer];
    expect(Buffer.compare(plain, fast)).toBe(0);
  }

  /** Run to the end of a number of instructions in random pieces, with interrupts at random places. */
  runInPieces(r: Prng, instructions: number): void {
    const end = this.plain.pe.retired + instructions;
    while (this.plain.pe.retired < end) {
      const long = r.below(3) === 0;
      const exit = this.run(1 + r.below(long ? 4000 : 150));
      const isInterrupt = exit === PeExit.SYNC && (this.plain.pe.esr & 0xffff) === 0x77;
      if (isInterrupt) this.interrupt(false);
      else if (exit === PeExit.SYNC) {
        // nobody knows this place: skip it
        const { plain } = this;
        const isCall = plain.pe.esr >>> 26 === 0x16;
        if (!isCall) this.each(({ pe }) => pe.write("ELR_EL2", BigInt.asUintN(64, pe.read("ELR_EL2") + 4n)));
      }
      if (r.below(6) === 0) this.interrupt(true);
    }
  }
}
