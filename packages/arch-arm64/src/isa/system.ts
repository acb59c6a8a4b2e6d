/**
 * Hints, barriers, PSTATE and system registers. Source: DDI 0487 K.a C4.1.88 (system instructions).
 */
import { L } from "../state/layout.ts";
import { TrapGroup } from "../sysreg/table.ts";
import { add, and, type Expr, eqz, type I64, load, ltU, or, select, shl, shrU, toI64U, xor } from "../wasm/index.ts";
import { type Description, define, type FieldValues, Flow } from "./description.ts";
import { immediate, reg } from "./syntax.ts";

const SKIP = { skip: "system state" };

/**
 * The hint space. Everything that is not allocated executes as NOP, and so do the pointer authentication and branch
 * target hints of features that the ID registers do not advertise.
 */
const hint = define({
  name: "HINT",
  pattern: "1101 0101 0000 0011 0010 CRm:4 op2:3 11111",
  // 0 NOP, then those that the PE must see: YIELD 1, WFE 2, WFI 3, SEV 4, SEVL 5
  statics: {
    kind: { count: 6, of: (w) => select(and(eqz(w.field("CRm")), ltU(w.field("op2"), 6)), w.field("op2"), 0) },
  },
  execute: (c, { kind }) => {
    if (kind !== 0) c.waitHint([4, 4, 1, 0, 2, 3][kind] as number);
  },
  syntax: (f) => `hint ${immediate((f.CRm << 3) | f.op2)}`,
});

/** CLREX, DSB, DMB, ISB. One CPU sees its own writes in order; a fence orders them for the others. */
const clrex = define({
  name: "CLREX",
  pattern: "1101 0101 0000 0011 0011 CRm:4 010 11111",
  execute: (c) => c.clearExclusive(),
  syntax: (f) => (f.CRm === 15 ? "clrex" : `clrex ${immediate(f.CRm)}`),
  test: SKIP,
});
const BARRIER_OPTION = [
  "#0x00",
  "oshld",
  "oshst",
  "osh",
  "#0x04",
  "nshld",
  "nshst",
  "nsh",
  "#0x08",
  "ishld",
  "ishst",
  "ish",
  "#0x0c",
  "ld",
  "st",
  "sy",
];
const barrier = (name: string, op2: string): Description =>
  define({
    name: name.toUpperCase(),
    pattern: `1101 0101 0000 0011 0011 CRm:4 ${op2} 11111`,
    execute: (c) => {
      if (name !== "isb") c.f.fence();
    },
    syntax: (f) =>
      name === "isb"
        ? f.CRm === 15
          ? "isb"
          : `isb ${immediate(f.CRm)}`
        : name === "dsb" && f.CRm === 0
          ? "ssbb"
          : `${name} ${BARRIER_OPTION[f.CRm]}`,
  });

const cfinv = define({
  name: "CFINV",
  feature: "FEAT_FlagM",
  pattern: "1101 0101 0000 0 000 0100 0000 000 11111",
  execute: (c) => c.setNzcv(c.temp(xor(c.nzcv(), 2))),
  syntax: () => "cfinv",
});
/** AXFLAG, XAFLAG: between the flags of a floating-point comparison and those that other architectures give. */
const axflag = define({
  name: "AXFLAG",
  feature: "FEAT_FlagM2",
  pattern: "1101 0101 0000 0 000 0100 0000 010 11111",
  execute: (c) => {
    const flags = c.temp(c.nzcv());
    const v = and(flags, 1);
    c.setNzcv(c.temp(or(and(or(flags, shl(v, 2)), 4), and(and(flags, 2), xor(shl(v, 1), 2)))));
  },
  syntax: () => "axflag",
});
const xaflag = define({
  name: "XAFLAG",
  feature: "FEAT_FlagM2",
  pattern: "1101 0101 0000 0 000 0100 0000 001 11111",
  execute: (c) => {
    const flags = c.temp(c.nzcv());
    const z = c.temp(and(shrU(flags, 2), 1));
    const carry = c.temp(and(shrU(flags, 1), 1));
    const n = eqz(or(carry, z));
    const v = and(z, xor(carry, 1));
    c.setNzcv(c.temp(or(or(shl(n, 3), shl(and(z, carry), 2)), or(shl(or(carry, z), 1), v))));
  },
  syntax: () => "xaflag",
});
/** Nothing is executed speculatively. */
const speculationBarrier = define({
  name: "SB",
  feature: "FEAT_SB",
  pattern: "1101 0101 0000 0011 0011 0000 111 11111",
  execute: () => {},
  syntax: () => "sb",
});
const msrImmediate = define({
  name: "MSR (immediate)",
  pattern: "1101 0101 0000 0 op1:3 0100 CRm:4 op2:3 11111",
  flow: Flow.SYSTEM,
  execute: (c) => c.pstateWrite(),
  syntax: (f) => `msr S0_${f.op1}_C4_C${f.CRm}_${f.op2}, xzr`,
  test: SKIP,
});

const systemName = (f: FieldValues<"op1" | "CRn" | "CRm" | "op2">, op0: number) =>
  `s${op0}_${f.op1}_c${f.CRn}_c${f.CRm}_${f.op2}`;

/** NZCV is a register too: MRS and MSR of it stay in the interpreter. */
const mrsNzcv = define({
  name: "MRS NZCV",
  pattern: "1101 0101 0011 1 011 0100 0010 000 Rt:5",
  operands: (w) => ({ d: w.sinkSlot("Rt") }),
  execute: (c) => c.setX("d", shl(toI64U(c.nzcv()), 28)),
  syntax: (f) => `mrs ${reg(1, f.Rt)}, nzcv`,
});
const msrNzcv = define({
  name: "MSR NZCV",
  pattern: "1101 0101 0001 1 011 0100 0010 000 Rt:5",
  operands: (w) => ({ n: w.xSlot("Rt") }),
  execute: (c) => c.setNzcv(c.temp(shrU(c.w("n"), 28))),
  syntax: (f) => `msr nzcv, ${reg(1, f.Rt)}`,
});

const mrs = define({
  name: "MRS",
  pattern: "1101 0101 0011 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  operands: (w) => ({ d: w.sinkSlot("Rt") }),
  execute: (c) => c.setX("d", c.systemRead()),
  syntax: (f) => `mrs ${reg(1, f.Rt)}, ${systemName(f, 2 + f.o0)}`,
  test: SKIP,
});
const msr = define({
  name: "MSR (register)",
  pattern: "1101 0101 0001 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  operands: (w) => ({ n: w.xSlot("Rt") }),
  flow: Flow.SYSTEM,
  execute: (c) => c.systemWrite(c.x("n") as Expr<I64>),
  syntax: (f) => `msr ${systemName(f, 2 + f.o0)}, ${reg(1, f.Rt)}`,
  test: SKIP,
});

/** DC ZVA fills a block with zeros: it is a store, so it lives with the interpreter's memory accesses. */
const DC_ZVA_BYTES = 64;
const dcZva = define({
  name: "DC ZVA",
  pattern: "1101 0101 0000 1 011 0111 0100 001 Rt:5",
  operands: (w) => ({ n: w.xSlot("Rt") }),
  execute: (c) => {
    // SCTLR_EL1.DZE or HCR_EL2.TDZ may trap it: then the system side decides.
    const traps = load("i32", add(c.state, shl(load("i32", c.state, L.EL), 2)), L.TRAPS);
    c.f.if(and(traps, 1 << TrapGroup.DZ), () => c.systemWrite(c.x("n")));
    c.zeroBlock(c.x("n"), DC_ZVA_BYTES);
  },
  syntax: (f) => `dc zva, ${reg(1, f.Rt)}`,
});
const sys = define({
  name: "SYS",
  pattern: "1101 0101 0000 1 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  operands: (w) => ({ n: w.xSlot("Rt") }),
  flow: Flow.SYSTEM,
  execute: (c) => c.systemWrite(c.x("n") as Expr<I64>),
  syntax: (f) => `sys #${f.op1}, C${f.CRn}, C${f.CRm}, #${f.op2}, ${reg(1, f.Rt)}`,
  test: SKIP,
});
const sysl = define({
  name: "SYSL",
  pattern: "1101 0101 0010 1 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  operands: (w) => ({ d: w.sinkSlot("Rt") }),
  execute: (c) => c.setX("d", c.systemRead()),
  syntax: (f) => `sysl ${reg(1, f.Rt)}, #${f.op1}, C${f.CRn}, C${f.CRm}, #${f.op2}`,
  test: SKIP,
});

export const SYSTEM: readonly Description[] = [
  hint,
  clrex,
  barrier("dsb", "100"),
  barrier("dmb", "101"),
  barrier("isb", "110"),
  speculationBarrier,
  cfinv,
  axflag,
  xaflag,
  msrImmediate,
  mrsNzcv,
  msrNzcv,
  mrs,
  msr,
  dcZva,
  sys,
  sysl,
];
