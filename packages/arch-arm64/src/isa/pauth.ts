/**
 * Pointer authentication. Source: DDI 0487 K.a C4.1.88 (hints, branches), C4.1.90 (LDRAA), C4.1.91 (1 source); pseudocode
 * AddPACIA and its like: a key that SCTLR_EL1 does not enable leaves the pointer alone, and HCR_EL2.API 0 traps its use.
 */
import { HCR } from "../exception/constants.ts";
import { definePauth, type PauthFunctions } from "../pauth/pointer.ts";
import { L } from "../state/layout.ts";
import { readSlot, readSlot32, readSlotHigh, sysregOffset } from "../state/slots.ts";
import {
  add,
  and,
  type Callable,
  call,
  type Expr,
  eq,
  eqz,
  I64,
  i32,
  i64,
  load,
  ne,
  or,
  shl,
  sub,
  toI64S,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, Flow, type Word } from "./description.ts";
import { reg, regSp } from "./syntax.ts";

const SKIP = { skip: "system state" };

/** IA, IB, DA, DB: data * 2 + B. */
const KEYS = [
  { register: "APIAKeyLo_EL1", enable: 1 << 31 },
  { register: "APIBKeyLo_EL1", enable: 1 << 30 },
  { register: "APDAKeyLo_EL1", enable: 1 << 27 },
  { register: "APDBKeyLo_EL1", enable: 1 << 13 },
] as const;
const LETTERS = ["ia", "ib", "da", "db"] as const;

/** A function of the module; the first use makes all of them. */
function pauth(c: Context, name: keyof PauthFunctions): Callable {
  return c.helper(`pauth.${name}`, (module) => {
    const functions = definePauth(module);
    for (const [other, made] of Object.entries(functions)) if (other !== name) c.helper(`pauth.${other}`, () => made);
    return functions[name];
  });
}

/** HCR_EL2.API 0: to EL2. Leaves the instruction. */
function trapUse(c: Context): void {
  c.f.if(eqz(and(readSlotHigh(c.state, "HCR_EL2"), HCR.API_HIGH)), () => c.exception("pauth"));
}

/** A pointer signed (`auth` 0) or checked (`auth` 1) with a key, if that is enabled. Named. */
function signed(c: Context, auth: number, key: number, pointer: Expr<I64>, modifier: Expr<I64>): Expr<I64> {
  const { register, enable } = KEYS[key] as (typeof KEYS)[number];
  const result = c.local(I64);
  c.f.set(result, pointer);
  c.f.if(ne(and(readSlot32(c.state, "SCTLR_EL1"), enable), 0), () => {
    trapUse(c);
    const isData = i32(key >> 1);
    c.f.set(
      result,
      call<I64>(pauth(c, auth ? "auth" : "addPac"), c.state, result, modifier, i32(sysregOffset(register)), isData),
    );
  });
  return result;
}
const stripped = (c: Context, pointer: Expr<I64>, data: number) =>
  call<I64>(pauth(c, "strip"), c.state, pointer, i32(data));

const X16 = L.X + 8 * 16;
const X17 = L.X + 8 * 17;
const X30 = L.X + 8 * 30;
/** By the context, as every register: a region has it in a local, and memory is behind. */
const stackPointer = (c: Context): Expr<I64> => c.temp(c.field("i64", i32(L.SP)));

// ----------------------------------------------------------------------------------------------------- hint space

const HINT = { feature: "FEAT_PAuth", absent: "nop", test: SKIP } as const;
/** PACIAZ, PACIASP, AUTIBSP and so on: X30 with SP or zero. */
const linkRegister = define({
  ...HINT,
  name: "PAC/AUT (X30)",
  pattern: "1101 0101 0000 0011 0010 0011 auth B sp 11111",
  statics: { auth: "auth", B: "B", sp: "sp" },
  execute: (c, { auth, B, sp }) => {
    const result = signed(c, auth, B, c.field("i64", i32(X30)), sp ? stackPointer(c) : i64(0));
    c.setField("i64", i32(X30), result);
  },
  syntax: (f) => `${f.auth ? "aut" : "pac"}${LETTERS[f.B as 0]}${f.sp ? "sp" : "z"}`,
});
const x17WithX16 = define({
  ...HINT,
  name: "PAC/AUT (X17)",
  pattern: "1101 0101 0000 0011 0010 0001 auth B 0 11111",
  statics: { auth: "auth", B: "B" },
  execute: (c, { auth, B }) => {
    const result = signed(c, auth, B, c.field("i64", i32(X17)), c.temp(c.field("i64", i32(X16))));
    c.setField("i64", i32(X17), result);
  },
  syntax: (f) => `${f.auth ? "aut" : "pac"}${LETTERS[f.B as 0]}1716`,
});
const xpaclri = define({
  ...HINT,
  name: "XPACLRI",
  pattern: "1101 0101 0000 0011 0010 0000 111 11111",
  execute: (c) => c.setField("i64", i32(X30), c.temp(stripped(c, c.field("i64", i32(X30)), 0))),
  syntax: () => "xpaclri",
});

// ------------------------------------------------------------------------------------------------ data processing

const oneSource = define({
  name: "PAC/AUT (1 source)",
  feature: "FEAT_PAuth",
  pattern: "1 1 0 11010110 00001 00 Z auth D B Rn:5 Rd:5",
  statics: { auth: "auth", D: "D", B: "B", Z: "Z" },
  valid: (w) => or(eqz(w.field("Z")), eq(w.field("Rn"), 31)),
  operands: (w) => ({ d: w.sinkSlot("Rd"), m: w.xSlot("Rd"), n: w.spSlot("Rn") }),
  execute: (c, { auth, D, B, Z }) => c.setX("d", signed(c, auth, D * 2 + B, c.x("m"), Z ? i64(0) : c.temp(c.x("n")))),
  syntax: (f) => {
    const letters = LETTERS[(f.D * 2 + f.B) as 0];
    const name = `${f.auth ? "aut" : "pac"}${letters[0]}${f.Z ? "z" : ""}${letters[1]}`;
    return `${name} ${reg(1, f.Rd)}${f.Z ? "" : `, ${regSp(1, f.Rn)}`}`;
  },
  test: SKIP,
});
const strip = define({
  name: "XPACI/XPACD",
  feature: "FEAT_PAuth",
  pattern: "1 1 0 11010110 00001 01000 D 11111 Rd:5",
  statics: { D: "D" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), m: w.xSlot("Rd") }),
  execute: (c, { D }) => c.setX("d", c.temp(stripped(c, c.x("m"), D))),
  syntax: (f) => `xpac${f.D ? "d" : "i"} ${reg(1, f.Rd)}`,
  test: SKIP,
});
const generic = define({
  name: "PACGA",
  feature: "FEAT_PAuth",
  pattern: "1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5",
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.spSlot("Rm") }),
  execute: (c) => {
    trapUse(c);
    const [low, high] = [readSlot(c.state, "APGAKeyLo_EL1"), readSlot(c.state, "APGAKeyHi_EL1")];
    const pac = call<I64>(pauth(c, "computePac"), c.x("n"), c.x("m"), high, low);
    c.setX("d", c.temp(and(pac, 0xffff_ffff_0000_0000n)));
  },
  syntax: (f) => `pacga ${reg(1, f.Rd)}, ${reg(1, f.Rn)}, ${regSp(1, f.Rm)}`,
  test: SKIP,
});

// ------------------------------------------------------------------------------------------------------- branches

const branch = define({
  name: "BRA/BLRA",
  feature: "FEAT_PAuth",
  pattern: "1101011 Z 0 0 link 11111 00001 B Rn:5 Rm:5",
  statics: { link: "link", B: "B", Z: "Z" },
  valid: (w) => or(w.field("Z"), eq(w.field("Rm"), 31)),
  operands: (w) => ({ n: w.xSlot("Rn"), m: w.spSlot("Rm") }),
  flow: Flow.INDIRECT,
  execute: (c, { link, B, Z }) => {
    const target = signed(c, 1, B, c.x("n"), Z ? c.temp(c.x("m")) : i64(0));
    if (link) c.link();
    c.branchTo(target, false);
  },
  syntax: (f) => {
    const name = `b${f.link ? "l" : ""}ra${f.B ? "b" : "a"}${f.Z ? "" : "z"}`;
    return `${name} ${reg(1, f.Rn)}${f.Z ? `, ${regSp(1, f.Rm)}` : ""}`;
  },
  test: SKIP,
});
const authenticatedReturn = define({
  name: "RETA",
  feature: "FEAT_PAuth",
  pattern: "1101011 0 0 10 11111 00001 B 11111 11111",
  statics: { B: "B" },
  flow: Flow.INDIRECT,
  execute: (c, { B }) => c.branchTo(signed(c, 1, B, c.field("i64", i32(X30)), stackPointer(c)), true),
  syntax: (f) => `reta${f.B ? "b" : "a"}`,
  test: SKIP,
});
const authenticatedEret = define({
  name: "ERETA",
  feature: "FEAT_PAuth",
  pattern: "1101011 0 100 11111 00001 B 11111 11111",
  statics: { B: "B" },
  flow: Flow.SYSTEM,
  execute: (c, { B }) => {
    c.f.if(eqz(load("i32", c.state, L.EL)), () => c.exception("undefined"));
    c.f.store("i64", c.state, signed(c, 1, B, readSlot(c.state, "ELR_EL1"), stackPointer(c)), L.SYS_VALUE);
    c.exception("eretTo");
  },
  syntax: (f) => `ereta${f.B ? "b" : "a"}`,
  test: SKIP,
});

// ---------------------------------------------------------------------------------------------------------- loads

/** S:imm9, times 8. */
const offset = (w: Word<"S" | "imm9">) => shl(sub(w.field("imm9"), shl(w.field("S"), 9)), 3);
const load64 = define({
  name: "LDRAA/LDRAB",
  feature: "FEAT_PAuth",
  pattern: "11 111 0 00 B S 1 imm9:9 W 1 Rn:5 Rt:5",
  statics: { B: "B", W: "W", sp: { count: 2, of: (w) => eq(w.field("Rn"), 31) } },
  operands: (w) => ({ d: w.sinkSlot("Rt"), n: w.spSlot("Rn"), imm: offset(w) }),
  execute: (c, { B, W, sp }) => {
    if (sp) c.checkSpAlignment();
    const address = c.temp(add(signed(c, 1, 2 + B, c.x("n"), i64(0)), toI64S(c.imm())));
    const value = c.temp(load("i64", c.load(address, 8)));
    if (W) c.setX("n", address);
    c.setX("d", value);
  },
  syntax: (f) => {
    const imm = (f.imm9 - (f.S << 9)) * 8;
    const place = f.W ? `[${regSp(1, f.Rn)}, #${imm}]!` : `[${regSp(1, f.Rn)}${imm === 0 ? "" : `, #${imm}`}]`;
    return `ldra${f.B ? "b" : "a"} ${reg(1, f.Rt)}, ${place}`;
  },
  test: SKIP,
});

export const PAUTH: readonly Description[] = [
  linkRegister,
  x17WithX16,
  xpaclri,
  oneSource,
  strip,
  generic,
  branch,
  authenticatedReturn,
  authenticatedEret,
  load64,
];
