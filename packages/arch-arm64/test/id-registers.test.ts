/** The ID registers advertise what works, and what they do not advertise is UNDEFINED. Source: DDI 0487 K.a D24.2. */
import { PeExit } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { DATA, Stage } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const CODE = DATA + 0x10_0000;

/** EC of what one word at EL1 takes; 0x16 when it completes and the HVC behind it is reached. */
function exceptionClass(word: number): number {
  stage.reset();
  stage.el2.physical.write(CODE, new Uint8Array(Uint32Array.of(word, 0xd400_0002).buffer));
  pe.write("ELR_EL2", BigInt(CODE));
  pe.write("SPSR_EL2", 0x3c5n);
  for (let n = 0; n < 31; n++) pe.x[n] = BigInt(DATA);
  expect(pe.run(100)).toBe(PeExit.SYNC);
  expect(pe.esr >>> 26).toBe(0x16);
  return (pe.esr & 0xffff) === 0 ? 0x16 : Number(pe.read("ESR_EL1") >> 26n);
}

/** Register, low bit of the field, the field's value, and a word of the feature where one shows it. */
type Row = readonly [feature: string, register: string, low: bigint, value: bigint, word?: number];

const PRESENT: readonly Row[] = [
  ["AES", "ID_AA64ISAR0_EL1", 4n, 2n, 0x4e284820], // aese
  ["PMULL, with AES", "ID_AA64ISAR0_EL1", 4n, 2n, 0x0ee2e020], // pmull v0.1q
  ["SHA1", "ID_AA64ISAR0_EL1", 8n, 1n, 0x5e020020], // sha1c
  ["SHA256", "ID_AA64ISAR0_EL1", 12n, 1n, 0x5e024020], // sha256h
  ["CRC32", "ID_AA64ISAR0_EL1", 16n, 1n, 0x9ac24c20], // crc32x
  ["LSE", "ID_AA64ISAR0_EL1", 20n, 2n, 0xb8200041], // ldadd
  ["RDM", "ID_AA64ISAR0_EL1", 28n, 1n, 0x6e828420], // sqrdmlah
  ["DotProd", "ID_AA64ISAR0_EL1", 44n, 1n, 0x6e829420], // udot
  ["FlagM", "ID_AA64ISAR0_EL1", 52n, 1n, 0xba018404], // rmif
  ["LRCPC", "ID_AA64ISAR1_EL1", 20n, 1n, 0xf8bfc020], // ldapr
  ["FP", "ID_AA64PFR0_EL1", 16n, 0n, 0x1e622820], // fadd d0
  ["Advanced SIMD", "ID_AA64PFR0_EL1", 20n, 0n, 0x4e22d420], // fadd v0.4s
  ["GICv3 CPU interface", "ID_AA64PFR0_EL1", 24n, 1n],
  ["CSV2", "ID_AA64PFR0_EL1", 56n, 1n],
  ["CSV3", "ID_AA64PFR0_EL1", 60n, 1n],
  ["SSBS", "ID_AA64PFR1_EL1", 4n, 2n, 0xd51b42c0], // msr ssbs
  ["PARange of 48 bits", "ID_AA64MMFR0_EL1", 0n, 5n],
  ["16-bit ASIDs", "ID_AA64MMFR0_EL1", 4n, 2n],
  ["16 KiB granule", "ID_AA64MMFR0_EL1", 20n, 1n],
  ["64 KiB granule", "ID_AA64MMFR0_EL1", 24n, 0n],
  ["4 KiB granule", "ID_AA64MMFR0_EL1", 28n, 0n],
  ["16-bit VMIDs", "ID_AA64MMFR1_EL1", 4n, 2n],
  ["PAN", "ID_AA64MMFR1_EL1", 20n, 1n, 0xd500419f], // msr pan, #1
  ["XNX", "ID_AA64MMFR1_EL1", 28n, 1n],
  ["E0PD", "ID_AA64MMFR2_EL1", 60n, 1n],
];
const ABSENT: readonly Row[] = [
  ["SHA3", "ID_AA64ISAR0_EL1", 32n, 0n, 0xce020c20], // eor3
  ["SHA512", "ID_AA64ISAR0_EL1", 12n, 1n, 0xce628020], // sha512h
  ["SM3", "ID_AA64ISAR0_EL1", 36n, 0n, 0xce420c20], // sm3ss1
  ["SM4", "ID_AA64ISAR0_EL1", 40n, 0n, 0xcec08420], // sm4e
  ["FHM", "ID_AA64ISAR0_EL1", 48n, 0n, 0x4e22ec20], // fmlal
  ["RNG", "ID_AA64ISAR0_EL1", 60n, 0n, 0xd53b2400], // mrs rndr
  ["DPB", "ID_AA64ISAR1_EL1", 0n, 0n, 0xd50b7c20], // dc cvap
  ["JSCVT", "ID_AA64ISAR1_EL1", 12n, 0n, 0x1e7e0020], // fjcvtzs
  ["FCMA", "ID_AA64ISAR1_EL1", 16n, 0n, 0x6e82e420], // fcadd
  ["LRCPC2", "ID_AA64ISAR1_EL1", 20n, 1n, 0xd9400020], // ldapur
  ["FRINTTS", "ID_AA64ISAR1_EL1", 32n, 0n, 0x1e684020], // frint32z
  ["SB", "ID_AA64ISAR1_EL1", 36n, 0n, 0xd50330ff], // sb
  ["BF16", "ID_AA64ISAR1_EL1", 44n, 0n, 0x6e42fc20], // bfdot
  ["I8MM", "ID_AA64ISAR1_EL1", 52n, 0n, 0x4e82a420], // smmla
  ["PAuth, generic", "ID_AA64ISAR1_EL1", 4n, 0n, 0xdac10020], // pacia
  ["PAuth, branches", "ID_AA64ISAR1_EL1", 8n, 0n, 0xd71f0801], // braa
  ["FP16, scalar", "ID_AA64PFR0_EL1", 16n, 0n, 0x1ee22820], // fadd h0
  ["FP16, vector", "ID_AA64PFR0_EL1", 20n, 0n, 0x4e421420], // fadd v0.8h
  ["RAS", "ID_AA64PFR0_EL1", 28n, 0n],
  ["SVE", "ID_AA64PFR0_EL1", 32n, 0n, 0x04220020], // add z0.b
  ["BTI", "ID_AA64PFR1_EL1", 0n, 0n],
  ["MTE", "ID_AA64PFR1_EL1", 8n, 0n, 0x9ac21020], // irg
  ["hardware access flag", "ID_AA64MMFR1_EL1", 0n, 0n],
  ["PAN2", "ID_AA64MMFR1_EL1", 20n, 1n],
  ["UAO", "ID_AA64MMFR2_EL1", 4n, 0n, 0xd500417f], // msr uao, #1
  ["DIT", "ID_AA64PFR0_EL1", 48n, 0n, 0xd503415f], // msr dit, #1
  ["FlagM2", "ID_AA64ISAR0_EL1", 52n, 1n, 0xd500405f], // axflag
];

describe("ID registers", () => {
  for (const [feature, register, low, value, word] of PRESENT)
    it(`${feature} is advertised and works`, () => {
      expect((pe.read(register) >> low) & 15n).toBe(value);
      if (word !== undefined) expect(exceptionClass(word)).toBe(0x16);
    });
  for (const [feature, register, low, value, word] of ABSENT)
    it(`${feature} is not advertised and UNDEFINED`, () => {
      expect((pe.read(register) >> low) & 15n).toBe(value);
      if (word !== undefined) expect(exceptionClass(word)).toBe(0);
    });
});
