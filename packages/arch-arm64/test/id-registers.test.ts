/** The ID registers advertise what works, and what they do not advertise is UNDEFINED. Source: DDI 0487 K.a D24.2. */
import { createPhysicalMemory, createVirtualClock, PeExit, type PeRegister } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { createArm64Backend } from "../src/backend.ts";
import { ALL_FEATURES, FEATURES, type Feature } from "../src/cpu/features.ts";
import { CPU_MODELS, type CpuModelName } from "../src/cpu/models.ts";
import { DATA, Stage } from "./support/probe.ts";

const CODE = DATA + 0x10_0000;
const MODELS = Object.keys(CPU_MODELS) as CpuModelName[];

/** EC of what one word at EL1 takes; 0x16 when it completes and the HVC behind it is reached. */
function exceptionClass(stage: Stage, word: number): number {
  const { pe } = stage;
  stage.reset();
  stage.el2.physical.write(CODE, new Uint8Array(Uint32Array.of(word, 0xd400_0002).buffer));
  pe.write("ELR_EL2", BigInt(CODE));
  pe.write("SPSR_EL2", 0x3c5n);
  for (let n = 0; n < 31; n++) pe.x[n] = BigInt(DATA);
  expect(pe.run(100)).toBe(PeExit.SYNC);
  expect(pe.esr >>> 26).toBe(0x16);
  return (pe.esr & 0xffff) === 0 ? 0x16 : Number(pe.read("ESR_EL1") >> 26n);
}

/** Words that only a CPU with the feature executes. None: a feature of the MMU or of speculation. */
const WORDS: { readonly [feature in Feature]: readonly number[] } = {
  FEAT_AES: [0x4e284820, 0x4e285820, 0x4e286820, 0x4e287820], // aese, aesd, aesmc, aesimc
  FEAT_PMULL: [0x0ee2e020, 0x4ee2e020], // pmull, pmull2 v0.1q
  FEAT_SHA1: [0x5e020020, 0x5e021020, 0x5e022020, 0x5e023020, 0x5e280820, 0x5e281820], // c, p, m, su0, h, su1
  FEAT_SHA256: [0x5e024020, 0x5e025020, 0x5e026020, 0x5e282820], // h, h2, su1, su0
  FEAT_CRC32: [0x9ac24c20, 0x1ac25020], // crc32x, crc32cb
  FEAT_LSE: [0xb8200041, 0xf8208041, 0x88a07c41, 0x08207c40], // ldadd, swp, cas, casp
  FEAT_RDM: [0x6e828420, 0x7e828420, 0x6f82d020, 0x7f82f020], // sqrdmlah; scalar; by element; sqrdmlsh
  FEAT_DotProd: [0x6e829420, 0x4e829420, 0x6f82e020, 0x4f82e020], // udot, sdot, by element
  FEAT_FlagM: [0xba018404, 0x3a00080d, 0xd500401f], // rmif, setf8, cfinv
  FEAT_LRCPC: [0xf8bfc020], // ldapr
  FEAT_SHA512: [0xce628020, 0xce628420, 0xcec08020, 0xce628820], // h, h2, su0, su1
  FEAT_SHA3: [0xce020c20, 0xce220c20, 0xce628c20, 0xce822420], // eor3, bcax, rax1, xar
  // partw1, partw2, ss1, tt1a, tt1b, tt2a, tt2b
  FEAT_SM3: [0xce62c020, 0xce62c420, 0xce420c20, 0xce42b020, 0xce42b420, 0xce42b820, 0xce42ac20],
  FEAT_SM4: [0xcec08420, 0xce62c820], // e, ekey
  FEAT_FHM: [0x4e22ec20, 0x2ea2cc20, 0x6fb28820, 0x4fb24820], // fmlal, fmlsl2, by element
  FEAT_JSCVT: [0x1e7e0020],
  FEAT_FCMA: [0x6e82e420, 0x6e42f420, 0x6ec2dc20, 0x2f625020], // fcadd, of halves, fcmla, by element
  FEAT_FRINTTS: [0x1e284020, 0x1e68c020, 0x6e61f820], // frint32z, frint32x, frint64x of vectors
  // bfdot, by element, bfmmla, bfmlalb, bfmlalt by element, bfcvt, bfcvtn2
  FEAT_BF16: [0x6e42fc20, 0x0f62f820, 0x6e42ec20, 0x2ec2fc20, 0x4ff2f820, 0x1e634020, 0x4ea16820],
  FEAT_I8MM: [0x4e82a420, 0x4e82ac20, 0x4e829c20, 0x0f22f820], // smmla, usmmla, usdot, sudot
  // fadd, fmov of an immediate and from a register, fcvtzs, scvtf, fcmp of scalars
  // fadd, fcmgt, fmaxnmv, faddp, fmla and fmul by element, fcvtzu, fmov, frecpx, fsqrt of vectors
  FEAT_FP16: [
    0x1ee22820, 0x1eee1000, 0x1ee60020, 0x9ef80020, 0x1ec2f420, 0x1ee12000, 0x4e421420, 0x0ef8c820, 0x4e30c820,
    0x5e30d820, 0x4f321820, 0x6f1bfc20, 0x4f00fc00, 0x5f329020, 0x5ef9f820, 0x2ef9f820,
  ],
  FEAT_CSV2: [],
  FEAT_CSV3: [],
  FEAT_SSBS2: [0xd51b42c0, 0xd503413f, 0xd53b42c0], // msr ssbs, x0; msr ssbs, #1; mrs
  FEAT_PMUv3: [0xd53b9c00, 0xd51b9ca0, 0xd53b9d00, 0xd53befe0, 0xd5189e20], // mrs pmcr; msr pmselr; pmccntr, pmccfiltr; msr pmintenset
  FEAT_PAN: [0xd500419f, 0xd5184260, 0xd5384260], // msr pan, #1; msr pan, x0; mrs
  FEAT_RNG: [0xd53b2400, 0xd53b2420], // mrs rndr, rndrrs
  FEAT_FlagM2: [0xd500405f, 0xd500403f], // axflag, xaflag
  FEAT_DPB: [0xd50b7c20], // dc cvap
  FEAT_DPB2: [0xd50b7d20], // dc cvadp
  FEAT_LRCPC2: [0xd9400020, 0x19000020, 0x99800020], // ldapur, stlurb, ldapursw
  FEAT_PAuth: [
    0xdac10020, // pacia x0, x1
    0xdac143e0, // xpaci x0
    0x9ac03000, // pacga x0, x0, x0
    0xf8200421, // ldraa x1, [x1]
    0xd5182100, // msr apiakeylo_el1, x0
  ],
  FEAT_SB: [0xd50330ff],
  FEAT_DIT: [0xd503415f, 0xd51b42a0, 0xd53b42a0], // msr dit, #1; msr dit, x0; mrs
  FEAT_PAN2: [0xd5087900, 0xd5087920], // at s1e1rp, s1e1wp
  FEAT_HPDS: [],
  FEAT_UAO: [0xd500417f, 0xd5184280, 0xd5384280], // msr uao, #1; msr uao, x0; mrs
  FEAT_LSE2: [],
  FEAT_TTCNP: [],
  FEAT_E0PD: [],
};

/** Words of features that no model has. */
const ABSENT: readonly (readonly [feature: string, word: number])[] = [
  ["SVE", 0x04220020], // add z0.b
  ["MTE", 0x9ac21020], // irg
];

/** What every model has: EL0 to EL2 of AArch64 only, GICv3, debug v8.0, 48-bit addresses, all granules, XNX. */
const ALWAYS = {
  ID_AA64PFR0_EL1: 0x0100_0111n,
  ID_AA64PFR1_EL1: 0n,
  ID_AA64ISAR0_EL1: 0n,
  ID_AA64ISAR1_EL1: 0n,
  ID_AA64ISAR2_EL1: 0n,
  ID_AA64MMFR0_EL1: 0x0010_0025n,
  ID_AA64MMFR1_EL1: 0x1000_0020n,
  ID_AA64MMFR2_EL1: 0n,
  ID_AA64DFR0_EL1: 0x1030_5006n,
  ID_AA64DFR1_EL1: 0n,
  ID_AA64ZFR0_EL1: 0n,
  ID_AA64SMFR0_EL1: 0n,
};

const stages = new Map(MODELS.map((cpu) => [cpu, new Stage({ cpu })]));

describe.each(MODELS)("%s", (model) => {
  const stage = stages.get(model) as Stage;
  const { pe } = stage;
  const has = new Set<Feature>(CPU_MODELS[model].features);
  for (const feature of ALL_FEATURES)
    it(`${has.has(feature) ? "advertises and has" : "neither advertises nor has"} ${feature}`, () => {
      for (const [register, shift, value] of FEATURES[feature])
        expect(((pe.read(register) >> BigInt(shift)) & 15n) >= BigInt(value)).toBe(has.has(feature));
      for (const word of WORDS[feature])
        expect(exceptionClass(stage, word), word.toString(16)).toBe(has.has(feature) ? 0x16 : 0);
    });
  it.each(ABSENT)("has no %s", (_feature, word) => expect(exceptionClass(stage, word)).toBe(0));
  it("advertises nothing else", () => {
    for (const [name, always] of Object.entries(ALWAYS)) {
      let rest = pe.read(name as PeRegister);
      for (const feature of ALL_FEATURES)
        for (const [register, shift] of FEATURES[feature]) if (register === name) rest &= ~(15n << BigInt(shift));
      expect(rest, name).toBe(always);
    }
  });
  it("says who it is, and the hypervisor may say otherwise", () => {
    const mrs = stage.address("p_midr");
    const read = () => {
      stage.reset();
      pe.write("ELR_EL2", BigInt(mrs));
      pe.write("SPSR_EL2", 0x3c5n);
      expect(pe.run(10)).toBe(PeExit.SYNC);
      return pe.x[0];
    };
    expect(read()).toBe(CPU_MODELS[model].midr);
    pe.write("VPIDR_EL2", 0x1234_5678n);
    expect(read()).toBe(0x1234_5678n);
    pe.write("VPIDR_EL2", CPU_MODELS[model].midr);
  });
});

describe("a CPU without a feature", () => {
  const stage = stages.get("cortex-a53") as Stage;
  const { pe } = stage;
  it("has no bits of it in registers", () => {
    pe.write("SCTLR_EL1", 0xffff_ffff_ffff_ffffn);
    pe.write("TCR_EL1", 0xffff_ffff_ffff_ffffn);
    pe.write("TTBR0_EL1", 0xffff_ffff_ffff_ffffn);
    expect(pe.read("SCTLR_EL1") >> 32n).toBe(0n);
    expect(pe.read("TCR_EL1") >> 48n).toBe(0n);
    expect(pe.read("TTBR0_EL1") & 1n).toBe(0n);
    // SPAN is RES1 without PAN
    pe.write("SCTLR_EL1", 0n);
    expect((pe.read("SCTLR_EL1") >> 23n) & 1n).toBe(1n);
    stage.reset();
  });
  it("does not take its PSTATE bits from SPSR, nor set them when an exception is taken", () => {
    stage.reset();
    pe.write("ELR_EL2", BigInt(stage.address("p_udf")));
    pe.write("SPSR_EL2", 0x3c5n | (1n << 22n) | (1n << 12n));
    expect(pe.run(10)).toBe(PeExit.SYNC);
    // in the handler at EL1, which has said HVC: SPSR_EL1 is of the UDF, SPSR_EL2 of the handler
    expect(pe.read("SPSR_EL1") & ((1n << 22n) | (1n << 12n))).toBe(0n);
    expect(pe.read("SPSR_EL2") & ((1n << 22n) | (1n << 12n))).toBe(0n);
  });
  it("has no FPCR.FZ16, by MSR or from outside", () => {
    for (const [model, bits] of [
      ["cortex-a53", 0x07c0_0000n],
      ["max", 0x07c8_0000n],
    ] as const) {
      const other = stages.get(model) as Stage;
      other.reset();
      other.pe.write("FPCR", 0xffff_ffffn);
      expect(other.pe.read("FPCR")).toBe(bits);
      other.pe.write("FPCR", 0n);
      // msr fpcr, x0; hvc #0
      other.el2.physical.write(CODE, new Uint8Array(Uint32Array.of(0xd51b4400, 0xd4000002).buffer));
      other.pe.write("ELR_EL2", BigInt(CODE));
      other.pe.write("SPSR_EL2", 0x3c5n);
      other.pe.x[0] = 0xffff_ffff_ffff_ffffn;
      expect(other.pe.run(10)).toBe(PeExit.SYNC);
      expect(other.pe.read("FPCR")).toBe(bits);
      other.reset();
    }
  });
  it("refuses the state of another model", () => {
    const saved = (stages.get("max") as Stage).pe.save();
    expect(() => pe.restore(saved)).toThrow(/ARM64_STATE_INVALID.*ID_AA64/);
  });
});

describe("CPU models", () => {
  it("are known by name", () => {
    const physicalMemory = createPhysicalMemory({
      dramBase: 0x4000_0000,
      dramSize: 1 << 20,
      reservedBytes: 32 << 20,
    });
    const clock = createVirtualClock();
    expect(() => createArm64Backend({ physicalMemory, clock, cpu: "z80" as CpuModelName })).toThrow(
      /ARM64_CPU_UNKNOWN.*cortex-a53, neoverse-n1, max/,
    );
  });
});
