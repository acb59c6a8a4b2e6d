/**
 * Branches and exception generation. Source: DDI 0487 K.a C4.1.88.
 */
import { and, type Expr, eqz, type I32, i32, ne, or, shl, shrU, toI32, toI64U } from "../wasm/index.ts";
import { readReg } from "./arithmetic.ts";
import { type Description, define, Flow } from "./description.ts";
import { CONDITION_NAME, hex, immediate, reg, signExtend } from "./syntax.ts";

const target = (pc: number, imm: number, bits: number) => hex(pc + signExtend(imm, bits) * 4);
const SKIP = { skip: "leaves straight-line code" };

const branchImmediate = (link: boolean): Description =>
  define({
    name: link ? "BL" : "B",
    pattern: `${link ? 1 : 0} 00101 imm26:26`,
    operands: (w) => ({ imm: shl(w.signed("imm26"), 2) }),
    flow: Flow.DIRECT,
    execute: (c) => {
      if (link) c.link();
      c.branch();
    },
    syntax: (f, pc) => `${link ? "bl" : "b"} ${target(pc, f.imm26, 26)}`,
    test: SKIP,
  });

const branchConditional = define({
  name: "B.cond",
  pattern: "01010100 imm19:19 0 cond:4",
  statics: { cond: "cond" },
  operands: (w) => ({ imm: shl(w.signed("imm19"), 2) }),
  flow: Flow.CONDITIONAL,
  execute: (c, { cond }) => c.branchIf(c.condition(cond)),
  syntax: (f, pc) => `b.${CONDITION_NAME[f.cond as 0]} ${target(pc, f.imm19, 19)}`,
  test: SKIP,
});

const compareAndBranch = define({
  name: "CBZ/CBNZ",
  pattern: "sf 011010 op imm19:19 Rt:5",
  statics: { sf: "sf", op: "op" },
  operands: (w) => ({ n: w.xSlot("Rt"), imm: shl(w.signed("imm19"), 2) }),
  flow: Flow.CONDITIONAL,
  execute: (c, { sf, op }) => {
    const value = readReg(c, sf, "n") as Expr<I32>;
    c.branchIf(op ? ne(value, 0) : eqz(value));
  },
  syntax: (f, pc) => `cb${f.op ? "n" : ""}z ${reg(f.sf, f.Rt)}, ${target(pc, f.imm19, 19)}`,
  test: SKIP,
});

const testAndBranch = define({
  name: "TBZ/TBNZ",
  pattern: "b5 011011 op b40:5 imm14:14 Rt:5",
  statics: { op: "op" },
  operands: (w) => ({
    n: w.xSlot("Rt"),
    imm: shl(w.signed("imm14"), 2),
    imm2: or(shl(w.field("b5"), 5), w.field("b40")),
  }),
  flow: Flow.CONDITIONAL,
  execute: (c, { op }) => {
    const bit = and(toI32(shrU(c.x("n"), toI64U(c.imm2()))), 1);
    c.branchIf(op ? bit : eqz(bit));
  },
  syntax: (f, pc) => {
    const bit = (f.b5 << 5) | f.b40;
    return `tb${f.op ? "n" : ""}z ${reg(f.b5, f.Rt)}, #${bit}, ${target(pc, f.imm14, 14)}`;
  },
  test: SKIP,
});

/** BR, BLR, RET. Pointer authentication forms are not implemented. */
const branchRegister = define({
  name: "BR/BLR/RET",
  pattern: "1101011 0 0 opc:2 11111 000000 Rn:5 00000",
  statics: { opc: "opc" },
  allocated: ({ opc }) => opc < 3,
  operands: (w) => ({ n: w.xSlot("Rn") }),
  flow: Flow.INDIRECT,
  execute: (c, { opc }) => {
    const to = c.temp(c.x("n"));
    if (opc === 1) c.link();
    c.branchTo(to, opc === 2);
  },
  syntax: (f) =>
    f.opc === 2 ? (f.Rn === 30 ? "ret" : `ret ${reg(1, f.Rn)}`) : `${f.opc ? "blr" : "br"} ${reg(1, f.Rn)}`,
  test: SKIP,
});

const eret = define({
  name: "ERET",
  pattern: "1101011 0 100 11111 000000 11111 00000",
  flow: Flow.SYSTEM,
  execute: (c) => c.exception("eret"),
  syntax: () => "eret",
  test: SKIP,
});

const exception = (
  name: string,
  opc: string,
  ll: string,
  kind: "svc" | "hvc" | "smc" | "brk" | "undefined",
): Description =>
  define({
    name: name.toUpperCase(),
    pattern: `11010100 ${opc} imm16:16 000 ${ll}`,
    operands: (w) => ({ imm: w.field("imm16") }),
    flow: Flow.SYSTEM,
    execute: (c) => c.exception(kind, kind === "undefined" ? undefined : c.imm()),
    syntax: (f) => `${name} ${immediate(f.imm16)}`,
    test: SKIP,
  });

const permanentlyUndefined = define({
  name: "UDF",
  pattern: "0000000000000000 imm16:16",
  flow: Flow.SYSTEM,
  operands: () => ({ imm: i32(0) }),
  execute: (c) => c.exception("undefined"),
  syntax: (f) => `udf #${f.imm16}`,
  test: SKIP,
});

export const BRANCHES: readonly Description[] = [
  branchImmediate(false),
  branchImmediate(true),
  branchConditional,
  compareAndBranch,
  testAndBranch,
  branchRegister,
  eret,
  exception("svc", "000", "01", "svc"),
  exception("hvc", "000", "10", "hvc"),
  exception("smc", "000", "11", "smc"),
  exception("brk", "001", "00", "brk"),
  // HLT is UNDEFINED while halting debug is off, which it always is
  exception("hlt", "010", "00", "undefined"),
  permanentlyUndefined,
];
