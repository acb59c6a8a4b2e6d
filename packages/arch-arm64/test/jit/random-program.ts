/**
 * Random programs: blocks of random instructions joined by random branches, calls, returns and jumps through registers,
 * some of them storing to their own code, faulting, masking interrupts or changing translations. All of it at EL1.
 *
 * x0-x12 and x30 are anybody's; x16 points to data, x18 to the code, x19 to nothing, x20 to a block; x28 counts interrupts,
 * x29 is the vectors'.
 */
import { decode } from "../../src/disasm/disassemble.ts";
import { type Description, Flow } from "../../src/isa/description.ts";
import { INTEGER_DESCRIPTIONS, SIMD_FP_DESCRIPTIONS } from "../../src/isa/index.ts";
import type { Prng } from "../vectors/state.ts";

export const BLOCKS = 40;
/** The program's pages: blocks lie anywhere in them. */
export const CODE_BYTES = 3 * 4096;
const WORDS = CODE_BYTES / 4;
const NOP = 0xd503_201f;

const material = (descriptions: readonly Description[]) => descriptions.filter((d) => d.flow === Flow.NEXT);
/** System accesses that would only end the program. */
const DULL: ReadonlySet<string> = new Set(["HINT", "MRS", "SYSL"]);
const INTEGER = material(INTEGER_DESCRIPTIONS).filter((d) => !DULL.has(d.name));
const VECTOR = material(SIMD_FP_DESCRIPTIONS);
const MEMORY = /LD|ST|CAS|SWP|Load|PRFM|DC ZVA/i;

/** An allocated word whose registers are the program's. */
function randomWord(r: Prng, descriptions: readonly Description[]): number {
  for (;;) {
    const d = r.pick(descriptions);
    let word = ((r.next() & ~d.pattern.mask) | d.pattern.value) >>> 0;
    for (const { name, shift, width } of d.pattern.fields.values()) {
      if (!/^R[a-z]\d?$/.test(name)) continue;
      let register = r.below(16) === 0 ? 31 : r.below(13);
      if (name === "Rn" && MEMORY.test(d.name)) register = r.below(8) === 0 ? r.below(32) : 16;
      if (width < 5) register = r.below(6);
      word = ((word & ~(((1 << width) - 1) << shift)) | (register << shift)) >>> 0;
    }
    if (decode(word)?.description === d) return word;
  }
}

/** Stores to the code: 1, 2, 4, 8 and 16 bytes of x0, or of v0, at x18 + a multiple of the size. */
function storeToCode(r: Prng): number {
  const offset = r.below(0x400);
  switch (r.below(5)) {
    case 0:
      return (0x3900_0240 | (offset << 10)) >>> 0;
    case 1:
      return (0x7900_0240 | (offset << 10)) >>> 0;
    case 2:
      return (0xb900_0240 | (offset << 10)) >>> 0;
    case 3:
      return (0xf900_0240 | (offset << 10)) >>> 0;
    default:
      return (0x3d80_0240 | (r.below(0x200) << 10)) >>> 0;
  }
}

/** MSR DAIFSet #2, DAIFClr #2, ISB, DSB, TLBI VMALLE1, MRS x0 of TPIDR_EL1, MSR, MRS DAIF, NZCV, CNTVCT, IC IALLU. */
const SYSTEM = [
  0xd503_42df, 0xd503_42ff, 0xd503_3fdf, 0xd503_3f9f, 0xd508_871f, 0xd538_d080, 0xd518_d080, 0xd53b_4221, 0xd53b_4203,
  0xd53b_e045, 0xd508_751f, 0xd538_4106,
];

export interface ProgramOptions {
  readonly vector: boolean;
  readonly selfModifying: boolean;
}

/** Words of `CODE_BYTES`, and where blocks begin. */
export function randomProgram(
  r: Prng,
  options: ProgramOptions,
): { readonly words: Uint32Array; readonly starts: number[] } {
  const words = new Uint32Array(WORDS).fill(NOP);
  const starts = Array.from({ length: BLOCKS }, (_, i) =>
    // half of them close together, the rest anywhere, some at the end of a page
    i < BLOCKS / 2 ? i * 8 : i % 7 === 0 ? 1024 * (1 + (i % 2)) - 1 - r.below(6) : r.below(WORDS - 16),
  );
  for (const start of starts) {
    let at = start;
    const count = 1 + r.below(6);
    for (let i = 0; i < count; i++) {
      const kind = r.below(40);
      if (kind === 0) words[at++] = r.pick(SYSTEM);
      else if (kind === 1 && options.selfModifying) words[at++] = storeToCode(r);
      else if (kind === 2)
        words[at++] = (0xf940_0260 | (r.below(8) << 10)) >>> 0; // ldr x0, [x19]: faults
      else words[at++] = randomWord(r, options.vector && kind % 4 === 0 ? VECTOR : INTEGER);
    }
    for (const word of randomEnd(r, at, starts)) words[at++] = word;
  }
  return { words, starts };
}

function randomEnd(r: Prng, at: number, starts: readonly number[]): number[] {
  const to = r.pick(starts) - at;
  switch (r.below(10)) {
    case 0:
      return [(0x1400_0000 | (to & 0x3ff_ffff)) >>> 0];
    case 1:
    case 2:
      return [(0x9400_0000 | (to & 0x3ff_ffff)) >>> 0];
    case 3:
      return [0xd65f_03c0];
    case 4:
      return [r.below(2) === 0 ? 0xd61f_0280 : 0xd63f_0280]; // br x20, blr x20
    case 5:
      return [(0xb500_0000 | ((to & 0x7_ffff) << 5) | r.below(13)) >>> 0];
    case 6:
      return [(0x3600_0000 | (r.below(32) << 19) | ((to & 0x3fff) << 5) | r.below(13)) >>> 0];
    case 7:
      return []; // falls into what is next
    default:
      return [(0x5400_0000 | ((to & 0x7_ffff) << 5) | r.below(15)) >>> 0];
  }
}
