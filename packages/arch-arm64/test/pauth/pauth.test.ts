/** Pointer authentication. Source: DDI 0487 K.a D8.8; codes as `record.sh` recorded them under QEMU. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CODE, DATA, Stage, WINDOW } from "../support/probe.ts";

const KEYS = ["APIA", "APIB", "APDA", "APDB", "APGA"].flatMap((key) => [`${key}KeyLo_EL1`, `${key}KeyHi_EL1`]);
const LINES = readFileSync(new URL("qemu.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");
const stage = new Stage();
const { pe } = stage;
const ENABLE = { IA: 1n << 31n, IB: 1n << 30n, DA: 1n << 27n, DB: 1n << 13n };
const ALL = ENABLE.IA | ENABLE.IB | ENABLE.DA | ENABLE.DB;

/** Sign with each key, check each code and each with a bit flipped (X2), strip. As record.c, in X3 to X17. */
const PROGRAM = [
  0xaa0003e3, 0xdac10023, 0xaa0003e4, 0xdac10424, 0xaa0003e5, 0xdac10825, 0xaa0003e6, 0xdac10c26, 0x9ac13007,
  0xaa0303e8, 0xdac11028, 0xaa0403e9, 0xdac11429, 0xaa0503ea, 0xdac1182a, 0xaa0603eb, 0xdac11c2b, 0xca02006c,
  0xdac1102c, 0xca02008d, 0xdac1142d, 0xca0200ae, 0xdac1182e, 0xca0200cf, 0xdac11c2f, 0xaa0303f0, 0xdac143f0,
  0xaa0503f1, 0xdac147f1, 0xd4000002,
];

/** EL1 with its keys on; the stage's tables. */
function fresh(enabled = ALL): void {
  stage.reset();
  pe.write("SCTLR_EL1", (pe.read("SCTLR_EL1") & ~ALL) | enabled);
  for (const [n, name] of KEYS.entries()) pe.write(name, 0x1234_5678_9abc_def0n * BigInt(n + 1));
}

describe("QARMA5", () => {
  it(`signs, checks and strips ${LINES.length} pointers as QEMU does, with every key, size and tag`, () => {
    expect(LINES.length).toBe(240);
    stage.el2.physical.write(CODE + 0x8000, new Uint8Array(Uint32Array.from(PROGRAM).buffer));
    for (const [n, line] of LINES.entries()) {
      const values = line.split(" ").map((text) => BigInt(`0x${text}`));
      fresh();
      // the MMU is off, as it was under QEMU: TCR_EL1 alone says where the code lies
      pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") & ~1n);
      for (const [i, name] of KEYS.entries()) pe.write(name, values[i] as bigint);
      pe.write("TCR_EL1", values[10] as bigint);
      pe.x.set([values[11] as bigint, values[12] as bigint, values[13] as bigint]);
      pe.write("ELR_EL2", BigInt(CODE + 0x8000));
      pe.write("SPSR_EL2", 0x3c5n);
      pe.run(1000);
      expect([...pe.x.subarray(3, 18)].map(String), `case ${n}`).toEqual(values.slice(14).map(String));
    }
  });
});

const at = (offset: number) => BigInt(WINDOW + offset);
const [MOV_X0_X30, PACIASP, AUTIASP, PACIBSP, RETAA, RETAB] = [
  0xaa1e03e0, 0xd503233f, 0xd50323bf, 0xd503237f, 0xd65f0bff, 0xd65f0fff,
];
/** adr x30, of the word after the next two. */
const ADR_X30_12 = 0x1000007e;
const BRK = 0xd4200000;
const words = BigInt(Stage.words());

describe("with X30 and SP", () => {
  it.each([
    ["A", PACIASP, RETAA],
    ["B", PACIBSP, RETAB],
  ])("signs and returns by key %s, and a wrong SP or key does not translate", (_key, sign, ret) => {
    fresh();
    // adr x30, .+12; sign; ret; then HVC #0
    expect(stage.tryWords([ADR_X30_12, sign, ret]).kind).toBe("done");
    fresh();
    // sub sp, sp, #16 between
    const moved = stage.tryWords([0x1000009e, sign, 0xd10043ff, ret]);
    expect(moved).toMatchObject({ kind: "el1", ec: 0x21 });
    // bits 62:61 hold the key's error code
    expect((moved.elr >> 61n) & 3n).toBe(sign === PACIASP ? 1n : 2n);
    fresh();
    expect(stage.tryWords([ADR_X30_12, sign, ret === RETAA ? RETAB : RETAA])).toMatchObject({ kind: "el1", ec: 0x21 });
  });
  it("has forms with a zero modifier and with X16 and X17", () => {
    fresh();
    // paciaz; mov x0, x30; autiaz
    stage.tryWords([0xd503231f, MOV_X0_X30, 0xd503239f], { X30: at(0) });
    expect(pe.x[30]).toBe(at(0));
    const zero = pe.x[0] as bigint;
    expect(zero).not.toBe(at(0));
    fresh();
    // pacia1716; mov x0, x17; autia1716
    stage.tryWords([0xd503211f, 0xaa1103e0, 0xd503219f], { X16: 0n, X17: at(0) });
    expect([pe.x[0], pe.x[17], pe.x[16]]).toEqual([zero, at(0), 0n]);
    fresh();
    // pacibz; xpaclri
    stage.tryWords([0xd503235f, MOV_X0_X30, 0xd50320ff], { X30: at(0) });
    expect(pe.x[0]).not.toBe(zero);
    expect(pe.x[30]).toBe(at(0));
    fresh();
    // pacib1716; mov x0, x17; autib1716: by B, with X16
    stage.tryWords([0xd503215f, 0xaa1103e0, 0xd50321df], { X16: 9n, X17: at(0) });
    expect(pe.x[0]).not.toBe(at(0));
    expect(pe.x[17]).toBe(at(0));
  });
  it("leaves the pointer alone while SCTLR_EL1 does not enable the key", () => {
    const signed = (enabled: bigint, word: number) => {
      fresh(enabled);
      stage.tryWords([word], { X0: at(0), X1: 5n });
      return pe.x[0] !== at(0);
    };
    const rows = [
      ["IA", 0xdac10020],
      ["IB", 0xdac10420],
      ["DA", 0xdac10820],
      ["DB", 0xdac10c20],
    ] as const;
    for (const [key, word] of rows) {
      expect(signed(ENABLE[key], word), key).toBe(true);
      expect(signed(ALL & ~ENABLE[key], word), key).toBe(false);
    }
    fresh(0n);
    expect(stage.tryWords([ADR_X30_12, PACIASP, RETAA]).kind).toBe("done");
  });
});

describe("branches and loads", () => {
  const sign = (pointer: bigint, modifier: bigint, word: number) => {
    fresh();
    stage.tryWords([word], { X0: pointer, X1: modifier });
    return pe.x[0] as bigint;
  };
  it("branch to authenticated registers, with a register, SP or zero", () => {
    const done = words + 8n;
    // braa x0, x1; brk; hvc
    const target = sign(done, 7n, 0xdac10020);
    fresh();
    expect(stage.tryWords([0xd71f0801, BRK], { X0: target, X1: 7n }).kind).toBe("done");
    fresh();
    expect(stage.tryWords([0xd71f0801, BRK], { X0: target, X1: 8n })).toMatchObject({ kind: "el1", ec: 0x21 });
    // blraaz x3: pacia with modifier 0
    const zero = sign(done, 0n, 0xdac10020);
    fresh();
    expect(stage.tryWords([0xd63f087f, BRK], { X3: zero }).kind).toBe("done");
    expect(pe.x[30]).toBe(words + 4n);
    fresh();
    // pacib x0, sp; blrab x0, sp; then brk is jumped over
    expect(stage.tryWords([0xdac107e0, 0xd73f0c1f, BRK], { X0: words + 12n }).kind).toBe("done");
  });
  it("load through an authenticated base, at an offset, with write-back", () => {
    stage.el2.physical.data.setBigUint64(stage.el2.physical.offsetOf(DATA + 0x40), 0x0123_4567_89ab_cdefn, true);
    const base = sign(at(0x48), 0n, 0xdac10820);
    fresh();
    // ldraa x3, [x1, #-8]
    expect(stage.tryWords([0xf87ff423], { X1: base }).kind).toBe("done");
    expect([pe.x[3], pe.x[1]]).toEqual([0x0123_4567_89ab_cdefn, base]);
    const baseB = sign(at(0x30), 0n, 0xdac10c20);
    fresh();
    // ldrab x3, [x1, #16]!
    expect(stage.tryWords([0xf8a02c23], { X1: baseB }).kind).toBe("done");
    expect([pe.x[3], pe.x[1]]).toEqual([0x0123_4567_89ab_cdefn, at(0x40)]);
    fresh();
    expect(stage.tryWords([0xf8a02c23], { X1: base })).toMatchObject({ kind: "el1", ec: 0x25 });
    expect(pe.x[1]).toBe(base);
  });
  it("return from exceptions by ERETAA and ERETAB, UNDEFINED at EL0", () => {
    for (const [pac, eret] of [
      [0xdac103e0, 0xd69f0bff],
      [0xdac107e0, 0xd69f0fff],
    ] as const) {
      fresh();
      // pacia x0, sp; msr elr_el1, x0; eretaa; brk; hvc
      const code = [pac, 0xd5184020, eret, BRK];
      expect(stage.tryWords(code, { X0: words + 16n, SPSR_EL1: 0x3c5n }).kind).toBe("done");
      expect(pe.read("ELR_EL1")).not.toBe(words + 16n);
      fresh();
      expect(stage.tryWords([0xd5184020, eret], { X0: words + 8n, SPSR_EL1: 0x3c5n })).toMatchObject({ ec: 0x21 });
      fresh();
      expect(stage.tryWords([eret], {}, { el: 0 })).toMatchObject({ kind: "el1", ec: 0 });
    }
  });
});

describe("HCR_EL2", () => {
  const [APK, API] = [1n << 40n, 1n << 41n];
  const hcr = pe.read("HCR_EL2");
  const cleared = (bits: bigint, program: number[], el = 1) => {
    fresh();
    pe.write("HCR_EL2", hcr & ~bits);
    const outcome = stage.tryWords(program, { X0: at(0), X1: 1n }, { el });
    pe.write("HCR_EL2", hcr);
    return outcome;
  };
  it("traps the use of enabled keys, PACGA always and XPACI never, while API is 0", () => {
    for (const word of [PACIASP, AUTIASP, 0xdac10020, 0xdac11c20, 0x9ac13007, RETAA, 0xd71f0801, 0xf8200421])
      for (const el of [0, 1])
        expect(cleared(API, [word], el), word.toString(16)).toMatchObject({
          kind: "el2",
          ec: 9,
          iss: 0,
          elr: BigInt(Stage.words(el)),
        });
    expect(cleared(API, [0xdac143e0, 0xd50320ff]).kind).toBe("done");
    expect(cleared(APK, [PACIASP]).kind).toBe("done");
    fresh(0n);
    pe.write("HCR_EL2", hcr & ~API);
    expect(stage.tryWords([PACIASP, 0xdac10020]).kind).toBe("done");
    pe.write("HCR_EL2", hcr);
  });
  it("traps the key registers while APK is 0; at EL0 they are UNDEFINED", () => {
    for (const word of [0xd5382100, 0xd5182320]) {
      expect(cleared(APK, [word])).toMatchObject({ kind: "el2", ec: 0x18 });
      expect(cleared(API, [word]).kind).toBe("done");
      expect(cleared(0n, [word], 0)).toMatchObject({ kind: "el1", ec: 0 });
    }
  });
});

describe("TCR_EL1.TBID0", () => {
  const [TBI0, TBID0] = [1n << 37n, 1n << 51n];
  it("takes the ignored top byte from instruction addresses alone", () => {
    const tagged = at(0) | (0x5an << 56n);
    const run = (bits: bigint, program: number[], registers: object) => {
      fresh();
      pe.write("TCR_EL1", pe.read("TCR_EL1") | bits);
      return stage.tryWords(program, { ...registers });
    };
    const branch = { X1: (words + 8n) | (0x5an << 56n) };
    // br x1; brk; hvc #0
    expect(run(TBI0, [0xd61f0020, BRK], branch).kind).toBe("done");
    expect(run(TBI0 | TBID0, [0xd61f0020, BRK], branch)).toMatchObject({ kind: "el1", ec: 0x21 });
    // ldr x0, [x1]
    expect(run(TBI0 | TBID0, [0xf9400020], { X1: tagged }).kind).toBe("done");
  });
});

describe("hints of a CPU without FEAT_PAuth", () => {
  it("are NOPs", () => {
    const old = new Stage({ cpu: "neoverse-n1" });
    expect(old.tryWords([PACIASP, 0xd503211f, 0xd50320ff, AUTIASP], { X17: 5n, X30: at(0) | (1n << 60n) }).kind).toBe(
      "done",
    );
    expect([old.pe.x[17], old.pe.x[30]]).toEqual([5n, at(0) | (1n << 60n)]);
  });
});
