/** Makes test cases from the instruction descriptions: legal words, with states that suit them. */
import { type Description, Flow, type StaticValues, Word } from "../../src/isa/description.ts";
import { fieldValue, matches } from "../../src/isa/pattern.ts";
import { constValue, type Expr, type I32, i32 } from "../../src/wasm/index.ts";
import type { VectorCase } from "./format.ts";
import { CODE_ENTRY, type Prng, Profile, WINDOW } from "./state.ts";

const popcount = (mask: number) => mask.toString(2).replace(/0/g, "").length;

/** The description that decodes a word, as the predecoder chooses it; undefined when none matches. */
export function describe(descriptions: readonly Description[], word: number): Description | undefined {
  let best: Description | undefined;
  for (const d of descriptions)
    if (matches(d.pattern, word) && (best === undefined || popcount(d.pattern.mask) > popcount(best.pattern.mask)))
      best = d;
  return best;
}

const constant = (e: Expr<I32>): number => Number(constValue(e) ?? Number.NaN);
export function staticsOf(d: Description, word: number): StaticValues {
  const w = new Word<string>(d.pattern, i32(word), (e) => e);
  return Object.fromEntries(d.statics.map((s) => [s.name, constant(s.of(w))]));
}
/** Whether the description allocates the word. */
export function isAllocated(d: Description, word: number): boolean {
  if (!d.allocated(staticsOf(d, word))) return false;
  return d.valid === undefined || constant(d.valid(new Word<string>(d.pattern, i32(word), (e) => e))) !== 0;
}

/** CONSTRAINED UNPREDICTABLE: a load that writes its base back twice, or one register twice. */
function isUnpredictable(d: Description, word: number): boolean {
  const value = (name: string) => {
    const field = d.pattern.fields.get(name);
    return field === undefined ? -1 : fieldValue(field, word);
  };
  if (d.fp) return /LDP/.test(d.name) && value("Rt") === value("Rt2");
  const writesBack = /post|pre/.test(d.name) && value("Rn") !== 31;
  if (writesBack && (value("Rn") === value("Rt") || value("Rn") === value("Rt2"))) return true;
  if (/LDN?P|LDXP/.test(d.name) && value("Rt") === value("Rt2")) return true;
  return /STX|STLX/.test(d.name) && [value("Rt"), value("Rt2"), value("Rn")].includes(value("Rs"));
}

/**
 * QEMU 7.2 sign-extends the 16-bit result of a scalar FCVTZS to fixed point of half precision to 32 bits, where the
 * architecture zeroes them; `src/isa/fp-half.test.ts` has it instead.
 */
const isWrongUnderQemu = (d: Description, word: number) =>
  d.name === "FCVTZS (scalar, fixed-point)" && fieldValue(d.pattern.fields.get("immh") as never, word) < 4;

/** Words that a description matches and no more specific one does. */
export function randomWord(descriptions: readonly Description[], d: Description, r: Prng): number {
  for (;;) {
    let word = (d.pattern.value | (r.next() & ~d.pattern.mask)) >>> 0;
    // few registers, so that operands meet
    if (r.below(4) === 0)
      for (const name of ["Rd", "Rn", "Rm", "Ra", "Rt", "Rt2", "Rs"]) {
        const field = d.pattern.fields.get(name);
        if (field !== undefined && field.width === 5 && fieldValue(field, word) !== 31)
          word = (word & ~(0x1c << field.shift)) >>> 0;
      }
    if (describe(descriptions, word) === d && !isUnpredictable(d, word) && !isWrongUnderQemu(d, word)) return word;
  }
}

/** Profiles by size of an element: 1 half, 2 single, 3 double. */
function profileOfSize(size: number, r: Prng): Profile {
  if (size === 1) return r.below(3) === 0 ? Profile.HALF_FLUSHED : Profile.HALF;
  return size === 2 ? Profile.SINGLE : Profile.DOUBLE;
}
/** Size of the elements that a floating-point word computes with, from its fields; undefined for integers. */
function elementSize(d: Description, word: number): number | undefined {
  const value = (name: string) => {
    const field = d.pattern.fields.get(name);
    return field === undefined ? undefined : fieldValue(field, word);
  };
  const ptype = value("ptype");
  if (ptype !== undefined) return [2, 3, undefined, 1][ptype];
  if (d.name === "FCVTL") return value("sz") ? 2 : 1;
  if (d.name === "FJCVTZS") return 3;
  if (/half/.test(d.name) || /^FML[AS]L/.test(d.name)) return 1;
  if (/^BF/.test(d.name)) return 2;
  const sz = value("sz");
  if (sz !== undefined) return 2 + sz;
  const immh = value("immh");
  if (/CVT.*fixed-point/.test(d.name) && immh !== undefined) return immh >= 8 ? 3 : immh >= 4 ? 2 : 1;
  if (/^FC(ADD|MLA)/.test(d.name)) return value("size");
  if (/^FM(LA|LS|UL)/.test(d.name)) return [1, undefined, 2, 3][value("size") as number];
  return /^F(MAX|MIN)/.test(d.name) ? 2 : undefined;
}
/** What the vector registers of a word's case hold. */
function profileOf(d: Description, word: number, r: Prng): Profile {
  const size = d.fp ? elementSize(d, word) : undefined;
  if (size === undefined) return Profile.INTEGER;
  return /CVTF/.test(d.name) && r.below(4) !== 0 ? Profile.INTEGER : profileOfSize(size, r);
}

/** Whether a case may run in user mode and straight-line. */
export function isTestable(d: Description): boolean {
  // the size of the block is a choice of the CPU model
  if (d.flow === Flow.SYSTEM || d.name === "DC ZVA") return false;
  return d.test.skip === undefined || d.test.skip !== "system state";
}
export const accessesMemory = (d: Description) => d.test.memoryBytes !== undefined;

/** Alignment is asked for whatever SCTLR_EL1 says. */
export const isAligned = (d: Description) => /LD<op>|SWP|CAS|X[RP]|LDA|STL/.test(d.name);

/** Point the base register at the window: what the immediate adds is taken away first. */
function aimAtWindow(d: Description, word: number, overrides: [number, bigint][], r: Prng): void {
  const operands = d.operands(new Word<string>(d.pattern, i32(word), (e) => e));
  const offset =
    (isAligned(d) && !/LDAPUR/.test(d.name)) || /post|structure|LD1R/.test(d.name) || operands.imm === undefined
      ? 0
      : constant(operands.imm);
  const base = fieldValue(d.pattern.fields.get("Rn") as never, word);
  const target = WINDOW + (isAligned(d) ? 16 * (1 + r.below(9)) : 16 + r.below(150));
  const Rm = d.pattern.fields.get("Rm");
  // register offset: a small index, of either sign where 32 bits are sign-extended
  if (/register offset/.test(d.name) && Rm !== undefined && fieldValue(Rm, word) !== 31)
    overrides.push([fieldValue(Rm, word), BigInt(r.below(8))]);
  const value = BigInt(target - (/register offset/.test(d.name) ? 0 : offset));
  if (overrides.some(([register]) => register === base)) return;
  overrides.push([base, base === 31 ? value & ~15n : value]);
}

export type Draft = Pick<VectorCase, "index" | "profile" | "words"> & { overrides: [number, bigint][] };

export function draftCase(descriptions: readonly Description[], d: Description, index: number, r: Prng): Draft {
  let word = randomWord(descriptions, d, r);
  const overrides: [number, bigint][] = [];
  const imm19 = d.pattern.fields.get("imm19");
  // literals are read from the words of BRK around the case
  if (imm19 !== undefined && d.flow === Flow.NEXT)
    word = ((word & ~(0x7ffff << imm19.shift)) | ((((r.below(3000) - 1500) & 0x7ffff) << imm19.shift) >>> 0)) >>> 0;
  if (d.flow === Flow.INDIRECT) {
    const n = fieldValue(d.pattern.fields.get("Rn") as never, word);
    if (n !== 31) overrides.push([n, BigInt(CODE_ENTRY - 0x1000 + 4 * r.below(0x3f0))]);
  }
  if (accessesMemory(d)) aimAtWindow(d, word, overrides, r);
  return { index, profile: profileOf(d, word, r), words: [word], overrides };
}

// ------------------------------------------------------------------------------------------------------- sequences

/** Straight-line blocks of several instructions without memory access. */
export function draftSequence(
  descriptions: readonly Description[],
  candidates: readonly Description[],
  index: number,
  r: Prng,
): Draft {
  const length = 3 + r.below(10);
  const words: number[] = [];
  while (words.length < length) {
    const word = randomWord(descriptions, r.pick(candidates), r);
    const d = describe(descriptions, word) as Description;
    if (isAllocated(d, word)) words.push(word);
  }
  return { index, profile: r.pick([Profile.INTEGER, Profile.SINGLE, Profile.DOUBLE]), words, overrides: [] };
}
/** What may stand in a sequence: goes on at PC + 4 and neither accesses memory nor reads PC. */
export const isSequential = (d: Description) =>
  isTestable(d) && d.flow === Flow.NEXT && !accessesMemory(d) && d.test.skip === undefined;

/** A load exclusive and a store exclusive, to the same place or not, with CLREX or a plain store between them or not. */
export function draftExclusive(index: number, r: Prng): Draft {
  const pair = r.below(3) === 0;
  const size = pair ? 2 + r.below(2) : r.below(4);
  const bits = (size << 30) | (0b001000 << 24) | ((pair ? 1 : 0) << 21) | (r.below(2) << 15);
  const second = (pair ? 5 : 31) << 10;
  const loadWord = bits | (1 << 22) | (31 << 16) | second | (0 << 5) | 1;
  const base = r.below(4) === 0 ? 4 : 0;
  const storeWord = bits | (2 << 16) | ((pair ? 6 : 31) << 10) | (base << 5) | 3;
  const between = r.below(4);
  const words = [
    loadWord,
    ...(between === 0 ? [0xd5033f5f] : between === 1 ? [0xf9000003] : [0xd503201f]),
    storeWord,
    bits | (2 << 16) | ((pair ? 6 : 31) << 10) | (base << 5) | 3,
  ];
  return {
    index,
    profile: Profile.INTEGER,
    words: words.map((w) => w >>> 0),
    overrides: [
      [0, BigInt(WINDOW + 32)],
      [4, BigInt(WINDOW + 64)],
    ],
  };
}

/** A word that no description allocates, outside what QEMU's base CPU cannot judge (SVE, SME, reserved by the top level). */
export function randomUnallocated(descriptions: readonly Description[], r: Prng): number {
  for (;;) {
    let word = r.next();
    // half of them among loads and stores, and Advanced SIMD and floating point
    if (r.below(2) === 0)
      word = r.below(2) === 0 ? (word & 0xf1ff_ffff) | 0x0e00_0000 : (word & 0xf5ff_ffff) | 0x0800_0000;
    word >>>= 0;
    const top = (word >>> 25) & 15;
    const d = describe(descriptions, word);
    if (top !== 0 && top !== 2 && (d === undefined || !isAllocated(d, word))) return word;
  }
}
