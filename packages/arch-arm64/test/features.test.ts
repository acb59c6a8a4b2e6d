/** Features past Armv8.0 that touch the MMU, PSTATE or the system: what vectors of user mode cannot show. */
import { createPhysicalMemory, createSeededEntropy, createVirtualClock, PeExit } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { createArm64Backend } from "../src/backend.ts";
import { D, DATA, RW, Stage, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const { physical } = stage.el2;
const DATA_OFFSET = physical.offsetOf(DATA);
const SCTLR = { A: 1n << 1n, NAA: 1n << 6n };

/** A stage with page 0 of the window filled with its offsets. */
function fresh(sctlr = 0n): void {
  stage.reset();
  for (let n = 0; n < 4; n++) stage.map(n, RW);
  pe.write("SCTLR_EL1", (pe.read("SCTLR_EL1") & ~(SCTLR.A | SCTLR.NAA)) | sctlr);
  for (let n = 0; n < 8192; n++) physical.data.setUint8(DATA_OFFSET + n, n & 0xff);
}
const at = (offset: number) => WINDOW + offset;
const bytes = (offset: number, size: number) => {
  let value = 0n;
  for (let n = size - 1; n >= 0; n--) value = (value << 8n) | BigInt(physical.data.getUint8(DATA_OFFSET + offset + n));
  return value;
};
const counting = (offset: number, size: number) => {
  let value = 0n;
  for (let n = size - 1; n >= 0; n--) value = (value << 8n) | BigInt((offset + n) & 0xff);
  return value;
};

/** Name, word, bytes at X1. */
type Row = readonly [name: string, word: number, size: number];
const ORDERED: readonly Row[] = [
  ["ldar x0", 0xc8dffc20, 8],
  ["ldar w6", 0x88dffc26, 4],
  ["ldapr x0", 0xf8bfc020, 8],
  ["stlr x0", 0xc89ffc20, 8],
];
const EXCLUSIVE_OR_ATOMIC: readonly Row[] = [
  ["ldxr x0", 0xc85f7c20, 8],
  ["stxr w2, x0", 0xc8027c20, 8],
  ["ldadd x0, x2", 0xf8200022, 8],
  ["swp w0, w2", 0xb8208022, 4],
  ["cas x0, x2", 0xc8a07c22, 8],
  ["ldumax w0, w2", 0xb8206022, 4],
  ["ldsmin x0, x2", 0xf8205022, 8],
];
const ALIGNMENT = 0x21;

describe("FEAT_LSE2", () => {
  it.each([...ORDERED, ...EXCLUSIVE_OR_ATOMIC])(
    "lets %s be misaligned within 16 bytes, and no further",
    (_n, word, size) => {
      for (const offset of [0, 1, 3, 16 - size, 17 - size, 15, 4096 - size + 1]) {
        fresh();
        const outcome = stage.tryWords([word], { X0: 5n, X1: at(offset), X2: 7n });
        const within = (offset % 16) + size <= 16;
        expect(outcome.kind, `offset ${offset}`).toBe(within ? "done" : "el1");
        if (!within) expect([outcome.ec, outcome.iss & 0x3f]).toEqual([0x25, ALIGNMENT]);
        if (!within) expect(bytes(offset, size)).toBe(counting(offset, size));
      }
    },
  );
  it.each(ORDERED)("lets %s be misaligned anywhere with SCTLR_EL1.nAA", (name, word, size) => {
    for (const offset of [9, 15, 4096 - 3]) {
      fresh(SCTLR.NAA);
      const outcome = stage.tryWords([word], { X0: 0x1122_3344_5566_7788n, X1: at(offset) });
      expect(outcome.kind, `offset ${offset}`).toBe("done");
      if (name.startsWith("ld")) expect(pe.x[word === 0x88dffc26 ? 6 : 0]).toBe(counting(offset, size));
      else expect(bytes(offset, size)).toBe(0x1122_3344_5566_7788n);
    }
  });
  it.each(EXCLUSIVE_OR_ATOMIC)("keeps %s within 16 bytes with nAA", (_n, word, size) => {
    fresh(SCTLR.NAA);
    expect(stage.tryWords([word], { X1: at(17 - size) }).iss & 0x3f).toBe(ALIGNMENT);
  });
  it.each([...ORDERED, ...EXCLUSIVE_OR_ATOMIC])("faults a misaligned %s while SCTLR_EL1.A is 1", (_n, word) => {
    fresh(SCTLR.A | SCTLR.NAA);
    expect(stage.tryWords([word], { X1: at(1) }).iss & 0x3f).toBe(ALIGNMENT);
  });
  it.each([...ORDERED, ...EXCLUSIVE_OR_ATOMIC])("faults a misaligned %s of Device memory", (_n, word) => {
    fresh(SCTLR.NAA);
    stage.map(0, RW | D.DEVICE);
    expect(stage.tryWords([word], { X1: at(1) }).iss & 0x3f).toBe(ALIGNMENT);
  });
  it("computes on misaligned memory as on aligned", () => {
    fresh();
    expect(stage.tryWords([0xf8200022], { X0: 5n, X1: at(3) }).kind).toBe("done");
    expect([pe.x[2], bytes(3, 8)]).toEqual([counting(3, 8), counting(3, 8) + 5n]);
    expect([bytes(0, 3), bytes(11, 5)]).toEqual([counting(0, 3), counting(11, 5)]);
    fresh();
    // cas: x0 is compared, x2 stored
    expect(stage.tryWords([0xc8a07c22], { X0: counting(3, 8), X2: 0x99n, X1: at(3) }).kind).toBe("done");
    expect([pe.x[0], bytes(3, 8)]).toEqual([counting(3, 8), 0x99n]);
    fresh();
    expect(stage.tryWords([0xb8206022], { X0: 0xffff_fff0n, X1: at(6) }).kind).toBe("done");
    expect([pe.x[2], bytes(6, 4)]).toEqual([counting(6, 4), 0xffff_fff0n]);
  });
  it("monitors a misaligned place, and that one only", () => {
    // ldxr x3, [x1]; stxr w2, x0, [x4]
    const pair = [0xc85f7c23, 0xc8027c80];
    fresh();
    stage.tryWords(pair, { X0: 77n, X1: at(5), X4: at(5) });
    expect([pe.x[2], pe.x[3], bytes(5, 8)]).toEqual([0n, counting(5, 8), 77n]);
    fresh();
    for (let n = 0; n < 64; n++) physical.data.setUint8(DATA_OFFSET + n, 0);
    stage.tryWords(pair, { X0: 77n, X1: at(5), X4: at(22) });
    expect([pe.x[2], bytes(22, 8)]).toEqual([1n, 0n]);
  });
  it("saves a misaligned monitor", () => {
    fresh();
    // ldxr x3, [x1]; b .
    stage.tryWords([0xc85f7c23, 0x14000000], { X1: at(5) }, { budget: 5 });
    const saved = pe.save();
    expect(saved.exclusive).toMatchObject({ valid: true, size: 8, address: `0x${(DATA + 5).toString(16)}` });
    pe.restore(saved);
    expect(pe.save()).toEqual(saved);
    pe.reset();
  });
  it("is not there on a CPU that does not advertise it", () => {
    const old = new Stage({ cpu: "neoverse-n1" });
    for (const [, word] of [...ORDERED, ...EXCLUSIVE_OR_ATOMIC]) {
      old.reset();
      old.pe.write("SCTLR_EL1", old.pe.read("SCTLR_EL1") | SCTLR.NAA);
      expect(old.tryWords([word], { X1: at(1) }).iss & 0x3f).toBe(ALIGNMENT);
    }
  });
});

describe("FEAT_LRCPC2", () => {
  it("describes LDAPUR and STLUR of emulated memory by ISV: size, sign, width, AR", () => {
    const syndrome = (word: number) => {
      fresh();
      const outcome = stage.tryWords([word], { X1: 0x0900_0100n - 1n + (word === 0x59dfe023 ? 3n : 0n) });
      expect(outcome.kind).toBe("el2");
      return outcome.iss >>> 14;
    };
    stage.reset();
    const isv = (sas: number, sse: number, srt: number, sf: number) =>
      (1 << 10) | (sas << 8) | (sse << 7) | (srt << 2) | (sf << 1) | 1;
    stage.level1(BigInt(0) | D.BLOCK | D.AF | D.DEVICE | D.UXN, 0);
    expect(syndrome(0xd9401020)).toBe(isv(3, 0, 0, 1));
    expect(syndrome(0x59001020)).toBe(isv(1, 0, 0, 0));
    expect(syndrome(0x59dfe023)).toBe(isv(1, 1, 3, 0));
    stage.level1(0n, 0);
  });
  it("faults on a misaligned Device address by the access's own size", () => {
    fresh();
    stage.map(0, RW | D.DEVICE);
    // stlurh w0, [x1, #1]
    expect(stage.tryWords([0x59001020], { X1: at(1) }).kind).toBe("done");
    expect(stage.tryWords([0x59001020], { X1: at(2) }).iss & 0x3f).toBe(ALIGNMENT);
  });
});

describe("FEAT_UAO", () => {
  const [LDTR, STTR, UAO, NO_UAO] = [0xf8400820, 0xf8000820, 0xd500417f, 0xd500407f];
  it("makes LDTR and STTR access as EL1 does, until it is cleared", () => {
    fresh();
    expect(stage.tryWords([LDTR], { X1: at(0) })).toMatchObject({ kind: "el1", ec: 0x25 });
    fresh();
    expect(stage.tryWords([UAO, LDTR, STTR], { X1: at(8) }).kind).toBe("done");
    expect(pe.x[0]).toBe(counting(8, 8));
    fresh();
    expect(stage.tryWords([UAO, LDTR, NO_UAO, LDTR], { X1: at(8) })).toMatchObject({ kind: "el1", ec: 0x25 });
  });
  it("is cleared by an exception, and returned to by ERET", () => {
    fresh();
    // mrs x0, uao in the handler's place: SPSR_EL1 has it, SPSR_EL2 of the vector's HVC does not
    expect(stage.tryWords([UAO, 0x0000_0000]).kind).toBe("el1");
    expect((pe.read("SPSR_EL1") >> 23n) & 1n).toBe(1n);
    expect((pe.read("SPSR_EL2") >> 23n) & 1n).toBe(0n);
  });
});

describe("FEAT_DIT", () => {
  it("is set and read at EL0, and stays when an exception is taken", () => {
    fresh();
    // msr dit, #1; mrs x0, dit; udf
    expect(stage.tryWords([0xd503415f, 0xd53b42a0, 0], {}, { el: 0 }).kind).toBe("el1");
    expect(pe.x[0]).toBe(1n << 24n);
    expect((pe.read("SPSR_EL1") >> 24n) & 1n).toBe(1n);
    expect((pe.read("SPSR_EL2") >> 24n) & 1n).toBe(1n);
  });
});

describe("FEAT_PAN2", () => {
  const [PAN, S1E1RP, S1E1R, S1E1WP, PAR] = [0xd500419f, 0xd5087901, 0xd5087801, 0xd5087921, 0xd5387400];
  const faults = (words: number[], attributes: bigint) => {
    fresh();
    stage.map(0, attributes);
    expect(stage.tryWords([...words, PAR], { X1: at(0) }).kind).toBe("done");
    return (pe.x[0] as bigint) & 1n;
  };
  it("makes AT look at PSTATE.PAN", () => {
    expect(faults([S1E1RP], RW | D.USER)).toBe(0n);
    expect(faults([PAN, S1E1RP], RW | D.USER)).toBe(1n);
    expect(faults([PAN, S1E1R], RW | D.USER)).toBe(0n);
    expect(faults([PAN, S1E1RP], RW)).toBe(0n);
    expect(faults([PAN, S1E1WP], RW | D.USER)).toBe(1n);
    expect(faults([S1E1WP], RW | D.USER | D.RO)).toBe(1n);
  });
});

describe("FEAT_HPDS", () => {
  it("ignores the restrictions of table descriptors, for the half of TCR_EL1's bit", () => {
    const store = (hpd: bigint) => {
      fresh();
      stage.level2(BigInt(Stage.l3) | D.TABLE | D.APTABLE_RO);
      pe.write("TCR_EL1", pe.read("TCR_EL1") | hpd);
      return stage.try("p_str", { X1: at(0) }).kind;
    };
    expect(store(0n)).toBe("el1");
    expect(store(1n << 41n)).toBe("done");
    expect(store(1n << 42n)).toBe("el1");
    stage.level2(BigInt(Stage.l3) | D.TABLE);
  });
});

describe("DC CVAP and DC CVADP", () => {
  it.each([
    ["CVAP", 0xd50b7c21],
    ["CVADP", 0xd50b7d21],
  ])("%s translates, and is trapped by HCR_EL2.TPCP and at EL0 without UCI", (_name, word) => {
    fresh();
    expect(stage.tryWords([word], { X1: at(0) }).kind).toBe("done");
    fresh();
    stage.raw(0, 0n);
    expect(stage.tryWords([word], { X1: at(0) })).toMatchObject({ kind: "el1", ec: 0x25, iss: 0x147 });
    fresh();
    expect(stage.tryWords([word], { X1: at(0) }, { el: 0 })).toMatchObject({ kind: "el1", ec: 0x18 });
    const hcr = pe.read("HCR_EL2");
    pe.write("HCR_EL2", hcr | (1n << 23n));
    expect(stage.tryWords([word], { X1: at(0) })).toMatchObject({ kind: "el2", ec: 0x18 });
    pe.write("HCR_EL2", hcr);
  });
});

describe("FEAT_RNG", () => {
  const [RNDR, RNDRRS, NZCV, CMP] = [0xd53b2400, 0xd53b2422, 0xd53b4203, 0xeb1f03ff];
  it("gives the machine's random bits and clears NZCV, at EL0 and EL1", () => {
    const expected = createSeededEntropy("minimal EL2");
    const own = new Stage();
    for (const el of [0, 1]) {
      own.reset();
      // cmp xzr, xzr sets Z and C
      expect(own.tryWords([CMP, RNDR, NZCV, CMP, RNDRRS], {}, { el }).kind).toBe("done");
      expect([own.pe.x[0], own.pe.x[2], own.pe.x[3]]).toEqual([expected.next64(), expected.next64(), 0n]);
    }
  });
  it("is UNDEFINED, and not advertised, without a source of random bytes", () => {
    const physicalMemory = createPhysicalMemory({ dramBase: 0x4000_0000, dramSize: 1 << 20, reservedBytes: 32 << 20 });
    const cpu = createArm64Backend({ physicalMemory, clock: createVirtualClock() }).createPe({ mpidr: 0n });
    expect(cpu.read("ID_AA64ISAR0_EL1") >> 60n).toBe(0n);
    physicalMemory.write(0x4000_0000, new Uint8Array(Uint32Array.of(RNDR).buffer));
    cpu.write("ELR_EL2", 0x4000_0000n);
    cpu.write("VBAR_EL1", 0x4000_8000n);
    expect(cpu.run(1)).toBe(PeExit.BUDGET);
    expect(cpu.read("ELR_EL2")).toBe(0x4000_8200n);
  });
});
