/** The stage for `test/system/probe.s`: one PE at EL1 or EL0, its page tables in DRAM, and what came of one instruction. */
import { readFileSync } from "node:fs";
import { type Pe, PeExit } from "@gunyah-ts/kernel";
import { DRAM_BASE, MinimalEl2, type MinimalEl2Options } from "./minimal-el2.ts";

const here = (name: string) => new URL(`../system/${name}`, import.meta.url);
const BINARY = readFileSync(here("probe.bin"));
const LABELS = JSON.parse(readFileSync(here("probe.json"), "utf8")) as { readonly [label: string]: number };

export const CODE = DRAM_BASE + 0x1_0000;
/** Stage 1 tables: level 1, level 2 and level 3 of the window, and one more of each for TTBR1. */
const L1 = DRAM_BASE + 0x20_0000;
const L2 = L1 + 0x1000;
const L3 = L1 + 0x2000;
/** Data pages that the window shows. */
export const DATA = DRAM_BASE + 0x40_0000;
/** Virtual address of the window: 512 pages, translated by `L3`. */
export const WINDOW = 0x8000_0000;
/** Where EL0 finds the code: the window's pages 256 and up. */
export const USER_CODE = WINDOW + 256 * 4096;

/** Where `tryWords` puts instruction words, and the first of the two pages of the window that show them. */
const WORDS = CODE + 0x8000;
const WORDS_PAGE = 260;

/** Descriptor bits. */
export const D = {
  PAGE: 3n,
  BLOCK: 1n,
  TABLE: 3n,
  NORMAL: 0n << 2n,
  DEVICE: 1n << 2n,
  AF: 1n << 10n,
  USER: 1n << 6n,
  RO: 1n << 7n,
  NG: 1n << 11n,
  SH: 3n << 8n,
  GP: 1n << 50n,
  PXN: 1n << 53n,
  UXN: 1n << 54n,
  CONTIGUOUS: 1n << 52n,
  APTABLE_RO: 1n << 62n,
  APTABLE_NO_EL0: 1n << 61n,
  UXNTABLE: 1n << 60n,
  PXNTABLE: 1n << 59n,
} as const;
export const RW = D.PAGE | D.AF | D.SH;

export interface Outcome {
  /** "done", "el1" (with the vector's number), "el2", or the reason of another exit. */
  readonly kind: "done" | "el1" | "el2" | "budget" | "irq" | "wait";
  readonly vector: number;
  readonly ec: number;
  readonly iss: number;
  readonly far: bigint;
  readonly elr: bigint;
}

/** Of a probe: a few instructions, of which one TLBI counts as 3,000. */
const BUDGET = 10_000;

export class Stage {
  readonly el2: MinimalEl2;
  readonly pe: Pe;

  constructor(options: Pick<MinimalEl2Options, "clock" | "cpu" | "backend"> = {}) {
    this.el2 = new MinimalEl2({ guestBytes: 16 << 20, reservedBytes: 32 << 20, ...options });
    this.pe = this.el2.pe;
    this.el2.physical.write(CODE, BINARY);
    this.#set(L1 + 8, BigInt(DRAM_BASE) | D.BLOCK | D.AF | D.SH | D.UXN);
    this.#set(L1 + 16, BigInt(L2) | D.TABLE);
    this.#set(L2, BigInt(L3) | D.TABLE);
    for (let n = 0; n < 256; n++) this.map(n, RW);
    for (let n = 0; n < 4; n++) this.#set(L3 + (256 + n) * 8, BigInt(CODE + n * 4096) | RW | D.USER | D.RO | D.PXN);
    this.reset();
  }

  /** EL1 with the MMU on: TTBR0, 39-bit addresses, FP allowed. */
  reset(pe = this.pe): void {
    pe.reset();
    pe.write("VBAR_EL1", BigInt(CODE));
    pe.write("TTBR0_EL1", BigInt(L1));
    // T0SZ 25, TG0 4 KiB, EPD1, IPS 40 bits
    pe.write("TCR_EL1", 25n | (1n << 23n) | (2n << 32n));
    pe.write("MAIR_EL1", 0x00ffn);
    pe.write("CPACR_EL1", 3n << 20n);
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") | 1n);
    pe.write("SP_EL1", BigInt(DATA + 0x8000));
  }

  #set(pa: number, descriptor: bigint): void {
    this.el2.physical.data.setBigUint64(this.el2.physical.offsetOf(pa), descriptor, true);
  }
  /** Level 3 descriptor of page n of the window; its page is page n of DATA. */
  map(n: number, attributes: bigint, pa = DATA + n * 4096): void {
    this.#set(L3 + n * 8, BigInt(pa) | attributes);
  }
  raw(n: number, descriptor: bigint): void {
    this.#set(L3 + n * 8, descriptor);
  }
  level2(descriptor: bigint): void {
    this.#set(L2, descriptor);
  }
  level1(descriptor: bigint, index = 2): void {
    this.#set(L1 + index * 8, descriptor);
  }
  #wordAtEl0(va: number): number {
    const pa = va >= Stage.words(0) ? WORDS + va - Stage.words(0) : CODE + va - USER_CODE;
    return this.el2.physical.data.getUint32(this.el2.physical.offsetOf(pa), true);
  }
  static readonly l2 = L2;
  static readonly l3 = L3;
  static readonly l1 = L1;

  address(label: string, el = 1): number {
    const offset = LABELS[label];
    if (offset === undefined) throw new Error(`probe.s has no ${label}`);
    return (el === 0 ? USER_CODE : CODE) + offset;
  }

  /** Enter `label` at `el` with registers, run, and say how it ended. Translations start fresh. */
  try(
    label: string,
    registers: { readonly [x: string]: number | bigint } = {},
    options: { el?: number; spsr?: bigint; budget?: number; keepTlb?: boolean; pe?: Pe } = {},
  ): Outcome {
    const pe = options.pe ?? this.pe;
    const el = options.el ?? 1;
    if (options.keepTlb !== true) this.el2.backend.tlbiVmid(1);
    for (const [name, value] of Object.entries(registers)) pe.write(name, BigInt.asUintN(64, BigInt(value)));
    pe.write("ELR_EL2", BigInt(this.address(label, el)));
    pe.write("SPSR_EL2", options.spsr ?? (el === 0 ? 0n : 0x3c5n));
    return this.resume(options.budget ?? BUDGET, pe);
  }

  /** As `try`, of instruction words. */
  tryWords(
    words: readonly number[],
    registers: { readonly [x: string]: number | bigint } = {},
    options: { el?: number; spsr?: bigint; budget?: number; keepTlb?: boolean; guarded?: boolean } = {},
  ): Outcome {
    const { el = 1 } = options;
    this.el2.physical.write(WORDS, new Uint8Array(Uint32Array.of(...words, 0xd400_0002).buffer));
    // EL1 runs them in the window too, so that their page can be guarded.
    this.map(WORDS_PAGE + el, RW | D.RO | (el === 0 ? D.USER | D.PXN : D.UXN) | (options.guarded ? D.GP : 0n), WORDS);
    if (options.keepTlb !== true) this.el2.backend.tlbiVmid(1);
    for (const [name, value] of Object.entries(registers)) this.pe.write(name, BigInt.asUintN(64, BigInt(value)));
    this.pe.write("ELR_EL2", BigInt(Stage.words(el)));
    this.pe.write("SPSR_EL2", options.spsr ?? (el === 0 ? 0n : 0x3c5n));
    return this.resume(options.budget ?? BUDGET);
  }
  /** Virtual address of the words of `tryWords`. */
  static words(el = 1): number {
    return WINDOW + (WORDS_PAGE + el) * 4096;
  }

  resume(budget = BUDGET, pe = this.pe): Outcome {
    const exit = pe.run(budget);
    const nothing = { vector: -1, ec: 0, iss: 0, far: 0n, elr: pe.read("ELR_EL2") };
    if (exit === PeExit.BUDGET) return { kind: "budget", ...nothing };
    if (exit === PeExit.IRQ) return { kind: "irq", ...nothing };
    if (exit === PeExit.WAIT || exit === PeExit.WAIT_EVENT) return { kind: "wait", ...nothing };
    const { esr } = pe;
    const imm = esr & 0xffff;
    if (esr >>> 26 === 0x16 && imm === 0) return { kind: "done", ...nothing };
    if (esr >>> 26 === 0x16 && imm >= 0x100 && imm < 0x110) {
      const esr1 = Number(pe.read("ESR_EL1"));
      const elr = pe.read("ELR_EL1");
      // HVC is UNDEFINED at EL0: the HVC #0 at the end of a probe says so.
      const isEnd = esr1 === 0x0200_0000 && imm === 0x108 && this.#wordAtEl0(Number(elr)) === 0xd400_0002;
      return {
        kind: isEnd ? "done" : "el1",
        vector: imm & 15,
        ec: esr1 >>> 26,
        iss: esr1 & 0x1ff_ffff,
        far: pe.read("FAR_EL1"),
        elr,
      };
    }
    return { kind: "el2", vector: -1, ec: esr >>> 26, iss: esr & 0x1ff_ffff, far: pe.far, elr: pe.read("ELR_EL2") };
  }
}
