/** Instruction aborts by kind, stores of every size over decoded code, permissions of cache maintenance. */
import { describe, expect, it } from "vitest";
import { D, DATA, RW, Stage, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const { physical } = stage.el2;
const page = (n: number) => WINDOW + n * 4096;

describe("an instruction abort", () => {
  /** Branch to page 3 of the window, whose page holds HVC #0, or SVC #0 for EL0. */
  const branch = (el: number, offset = 0) => {
    physical.write(DATA + 3 * 4096, new Uint8Array(Uint32Array.of(el === 0 ? 0xd400_0001 : 0xd400_0002).buffer));
    return stage.try("p_blr", { X1: page(3) + offset }, { el });
  };
  const EXECUTABLE = [RW | D.USER | D.RO, RW] as const;
  const KINDS = [
    ["translation, level 3", () => stage.raw(3, 0n), 0x07],
    ["access flag", (el: number) => stage.map(3, (EXECUTABLE[el] as bigint) & ~D.AF), 0x0b],
    ["permission", (el: number) => stage.map(3, (EXECUTABLE[el] as bigint) | (el === 0 ? D.UXN : D.PXN)), 0x0f],
    ["address size", (el: number) => stage.map(3, EXECUTABLE[el] as bigint, 2 ** 41), 0x03],
  ] as const;
  for (const [kind, prepare, ifsc] of KINDS)
    it.each([0, 1])(`of ${kind} from EL%i has its class, status, FAR and ELR`, (el) => {
      stage.reset();
      stage.map(3, EXECUTABLE[el] as bigint);
      expect(branch(el)).toMatchObject(el === 0 ? { kind: "el1", ec: 0x15 } : { kind: "done" });
      stage.reset();
      prepare(el);
      const at = page(3) + 8;
      expect(branch(el, 8)).toMatchObject({
        kind: "el1",
        vector: el === 0 ? 8 : 4,
        ec: el === 0 ? 0x20 : 0x21,
        iss: ifsc,
        far: BigInt(at),
        elr: BigInt(at),
      });
      stage.map(3, RW);
    });
  it("of stage 2 has FAR and the IPA, and no syndrome of the instruction", () => {
    stage.reset();
    stage.map(3, RW);
    const table = stage.el2.splitBlock(DATA);
    const entry = physical.offsetOf(table + (((DATA + 3 * 4096) >>> 12) & 511) * 8);
    const good = physical.data.getBigUint64(entry, true);
    for (const [descriptor, ifsc] of [
      [0n, 0x07],
      [good & ~(1n << 10n), 0x0b],
      [good | (2n << 53n), 0x0f],
    ] as const) {
      physical.data.setBigUint64(entry, descriptor, true);
      expect(branch(1, 4)).toMatchObject({
        kind: "el2",
        ec: 0x20,
        iss: ifsc,
        far: BigInt(page(3) + 4),
        elr: BigInt(page(3) + 4),
      });
      expect(pe.faultIpa).toBe(DATA + 3 * 4096 + 4);
    }
    physical.data.setBigUint64(entry, good, true);
    expect(branch(1).kind).toBe("done");
  });
  it("beyond DRAM is external, to EL1, or to EL2 with HCR_EL2.TEA", () => {
    stage.reset();
    // stage 2 lets the last block of the first GiB through; nothing is behind it
    const hcr = pe.read("HCR_EL2");
    pe.write("HCR_EL2", hcr & ~1n);
    stage.map(3, RW, 0x3000_0000);
    expect(branch(1)).toMatchObject({ kind: "el1", ec: 0x21, iss: 0x10, far: BigInt(page(3)) });
    pe.write("HCR_EL2", (hcr & ~1n) | (1n << 37n));
    expect(branch(1)).toMatchObject({ kind: "el2", ec: 0x20, iss: 0x10, far: BigInt(page(3)) });
    pe.write("HCR_EL2", hcr);
    stage.map(3, RW);
  });
});

describe("stores over decoded code", () => {
  const TARGET = DATA + 0x10_0000;
  const [ADD_1, ADD_16, HVC] = [0x91000400, 0x91004000, 0xd4000002];
  /** Run the adds at TARGET, give X0. */
  const run = (from = TARGET) => {
    pe.write("ELR_EL2", BigInt(from));
    pe.write("SPSR_EL2", 0x3c5n);
    pe.x[0] = 0n;
    expect(stage.resume(1000).kind).toBe("done");
    return Number(pe.x[0]);
  };
  const two = (BigInt(ADD_16) << 32n) | BigInt(ADD_16);
  const fill = (at: number, count: number) => {
    physical.write(at, new Uint8Array(Uint32Array.from([...new Array(count).fill(ADD_1), HVC]).buffer));
  };
  const STORES = [
    ["4 bytes, str w", [0xb9000020], 1],
    ["8 bytes, str x", [0xf9000020], 2],
    ["8 bytes, stp w", [0x29000020], 2],
    ["16 bytes, stp x", [0xa9000020], 4],
    ["16 bytes, str q", [0x4e080c00, 0x3d800020], 4], // dup v0.2d, x0 first
    ["32 bytes, stp q", [0x4e080c00, 0xad000020], 8],
    ["64 bytes, dc zva over HVC", [0xd50b7421], 0],
  ] as const;
  it.each(STORES.slice(0, 6))("of %s replace each word that they cover, and no other", (_name, program, count) => {
    for (let at = 0; at + count <= 16; at++) {
      stage.reset();
      fill(TARGET, 16);
      expect(run()).toBe(16);
      expect(
        stage.tryWords(program as unknown as number[], { X0: two, X1: TARGET + 4 * at }, { keepTlb: true }).kind,
      ).toBe("done");
      expect(run(), `word ${at}`).toBe(16 - count + 16 * count);
    }
  });
  it("reach the code of both pages when they cross", () => {
    for (const [program, before] of [
      [[0xf9000020], 4],
      [[0xa9000020], 8],
      [[0x4e080c00, 0x3d800020], 12],
    ] as const) {
      stage.reset();
      const start = TARGET + 4096 - 32;
      fill(start, 16);
      expect(run(start)).toBe(16);
      stage.tryWords(program as unknown as number[], { X0: two, X1: TARGET + 4096 - before }, { keepTlb: true });
      const count = program[0] === 0xf9000020 ? 2 : 4;
      expect(run(start)).toBe(16 - count + 16 * count);
    }
  });
  it("of DC ZVA leave UDF", () => {
    stage.reset();
    fill(TARGET, 16);
    expect(run()).toBe(16);
    stage.tryWords([0xd50b7421], { X1: TARGET + 20 }, { keepTlb: true });
    pe.write("ELR_EL2", BigInt(TARGET));
    expect(stage.resume(1000)).toMatchObject({ kind: "el1", ec: 0, elr: BigInt(TARGET) });
  });
});

describe("cache maintenance by address", () => {
  const [CIVAC, CVAC, CVAU, IVAU] = [0xd50b7e21, 0xd50b7a21, 0xd50b7b21, 0xd50b7521];
  const UCI = 1n << 26n;
  const PAN = 0x40_0000n;
  it.each([
    ["DC CIVAC", CIVAC],
    ["DC CVAC", CVAC],
    ["DC CVAU", CVAU],
    ["IC IVAU", IVAU],
  ])("%s: EL1 needs a translation alone, whatever PSTATE.PAN; EL0 what it may read", (_name, word) => {
    const maintain = (attributes: bigint, el: number, spsr: bigint) => {
      stage.reset();
      pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") | UCI);
      stage.map(3, attributes);
      const outcome = stage.tryWords([word], { X1: page(3) }, { el, spsr });
      stage.map(3, RW);
      return outcome;
    };
    expect(maintain(RW | D.USER, 1, 0x3c5n | PAN).kind).toBe("done");
    expect(maintain(RW | D.USER, 1, 0x3c5n).kind).toBe("done");
    expect(maintain(RW | D.RO, 1, 0x3c5n).kind).toBe("done");
    expect(maintain(RW | D.USER | D.RO, 0, 0n).kind).toBe("done");
    // CM and WnR with a permission fault of level 3
    expect(maintain(RW, 0, 0n)).toMatchObject({ kind: "el1", ec: 0x24, iss: 0x14f, far: BigInt(page(3)) });
    expect(maintain(0n, 1, 0x3c5n)).toMatchObject({ kind: "el1", ec: 0x25, iss: 0x147, far: BigInt(page(3)) });
  });
});

describe("traps of cache maintenance", () => {
  const [ISW, CSW, CISW, IVAC, CIVAC, CVAC, CVAU, IVAU, IALLU] = [
    0xd5087641, 0xd5087a41, 0xd5087e41, 0xd5087621, 0xd50b7e21, 0xd50b7a21, 0xd50b7b21, 0xd50b7521, 0xd508751f,
  ];
  const ALL = [ISW, CSW, CISW, IVAC, CIVAC, CVAC, CVAU, IVAU, IALLU];
  it.each([
    ["nothing", 0n, []],
    ["HCR_EL2.TSW", 1n << 22n, [ISW, CSW, CISW]],
    ["HCR_EL2.TPCP", 1n << 23n, [IVAC, CIVAC, CVAC]],
    ["HCR_EL2.TPU", 1n << 24n, [CVAU, IVAU, IALLU]],
  ])("by %s", (_name, bit, trapped) => {
    stage.reset();
    const hcr = pe.read("HCR_EL2");
    pe.write("HCR_EL2", hcr | bit);
    const outcomes = ALL.map((word) => stage.tryWords([word], { X1: page(3) }));
    pe.write("HCR_EL2", hcr);
    expect(ALL.filter((_, n) => outcomes[n]?.kind === "el2" && outcomes[n]?.ec === 0x18)).toEqual(trapped);
    expect(outcomes.filter(({ kind }) => kind === "done").length).toBe(ALL.length - trapped.length);
  });
});
