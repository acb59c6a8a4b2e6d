/**
 * Loads and stores of one general register, and prefetches. Source: DDI 0487 K.a C4.1.90.
 */
import { add, and, type Expr, eq, eqz, I32, type I64, load, select, shl, toI64S, toI64U } from "../wasm/index.ts";
import { extendReg } from "./arithmetic.ts";
import type { AccessDescriptor, Context } from "./context.ts";
import { type Description, define, type FieldValues, type StaticValues, type Word } from "./description.ts";
import { EXTEND_NAME, hex, reg, regSp, signExtend } from "./syntax.ts";

/** opc of the single-register encodings. */
const OPC = { STORE: 0, LOAD: 1, LOAD_SIGNED_X: 2, LOAD_SIGNED_W: 3 } as const;

/** size and opc; opc 2 of size 3 is a prefetch and described apart. */
export const singleAllocated = ({ size, opc }: { readonly size: number; readonly opc: number }) =>
  opc < 2 || (opc === OPC.LOAD_SIGNED_X && size < 3) || (opc === OPC.LOAD_SIGNED_W && size < 2);
/** Whether the base is SP: its alignment is checked then. */
export const baseIsSp = { count: 2, of: (w: Word<"Rn">) => eq(w.field("Rn"), 31) };

/** Read `1 << size` bytes as a load instruction does: as an i32 for a W destination, else i64. */
function readMemory(size: number, opc: number, host: Expr<I32>): Expr<I32 | I64> {
  if (opc === OPC.LOAD_SIGNED_X) return load((["i64_8s", "i64_16s", "i64_32s"] as const)[size as 0], host);
  if (opc === OPC.LOAD_SIGNED_W) return load((["i32_8s", "i32_16s"] as const)[size as 0], host);
  return load((["i32_8u", "i32_16u", "i32", "i64"] as const)[size as 0], host);
}
const STORE_KIND = ["i32_8", "i32_16", "i32", "i64"] as const;

/** Load or store at `address` (named by this function); then `writeBack` sees the address. */
function single(
  c: Context,
  size: number,
  opc: number,
  address: Expr<I64>,
  writeBack?: (address: Expr<I64>) => void,
  options?: AccessDescriptor,
): void {
  const named = c.temp(address);
  if (opc === OPC.STORE) {
    const value = c.temp(size === 3 ? c.x("d") : c.w("d"));
    c.store(named, 1 << size, (host) => c.f.store(STORE_KIND[size as 0], host, value), options);
    writeBack?.(named);
    return;
  }
  const value = readMemory(size, opc, c.load(named, 1 << size, options));
  if (writeBack === undefined) {
    if (value.type === I32) c.setW("d", value as Expr<I32>);
    else c.setX("d", value as Expr<I64>);
    return;
  }
  // the loaded register wins where it is the base too
  const loaded = c.temp(value);
  writeBack(named);
  if (loaded.type === I32) c.setW("d", loaded as Expr<I32>);
  else c.setX("d", loaded as Expr<I64>);
}

export const dataSlot = (w: Word<"opc" | "Rt">) => select(eqz(w.field("opc")), w.xSlot("Rt"), w.sinkSlot("Rt"));
const checkBase = (c: Context, s: StaticValues<"sp">) => {
  if (s.sp) c.checkSpAlignment();
};

const SUFFIX = [
  ["strb", "ldrb", "ldrsb", "ldrsb"],
  ["strh", "ldrh", "ldrsh", "ldrsh"],
  ["str", "ldr", "ldrsw", ""],
  ["str", "ldr", "", ""],
] as const;
/** Mnemonic and transfer register: `infix` turns ldrb into ldurb or ldtrb. */
function transfer(f: FieldValues<"size" | "opc" | "Rt">, infix = ""): string {
  const size = f.size;
  const opc = f.opc;
  const name = (SUFFIX[size]?.[opc] ?? "").replace(/^(ld|st)/, `$1${infix}`);
  return `${name} ${reg(+(size === 3 || opc === 2), f.Rt)}`;
}
const offsetText = (offset: number) => (offset === 0 ? "" : `, #${offset}`);

const unsignedOffset = define({
  name: "Load/store register (unsigned immediate)",
  pattern: "size:2 111 0 01 opc:2 imm12:12 Rn:5 Rt:5",
  statics: { size: "size", opc: "opc", sp: baseIsSp },
  allocated: singleAllocated,
  operands: (w) => ({ d: dataSlot(w), n: w.spSlot("Rn"), imm: shl(w.field("imm12"), w.field("size")) }),
  execute: (c, s) => {
    checkBase(c, s);
    single(c, s.size, s.opc, add(c.x("n"), toI64U(c.imm())));
  },
  syntax: (f) => `${transfer(f)}, [${regSp(1, f.Rn)}${offsetText(f.imm12 << f.size)}]`,
  test: { memoryBytes: 8 },
});

/** imm9 forms: unscaled, post-indexed, unprivileged, pre-indexed. */
const imm9 = (mode: "unscaled" | "post" | "unprivileged" | "pre", bits: string): Description =>
  define({
    name: `Load/store register (${mode})`,
    pattern: `size:2 111 0 00 opc:2 0 imm9:9 ${bits} Rn:5 Rt:5`,
    statics: { size: "size", opc: "opc", sp: baseIsSp },
    allocated: singleAllocated,
    operands: (w) => ({ d: dataSlot(w), n: w.spSlot("Rn"), imm: w.signed("imm9") }),
    execute: (c, s) => {
      checkBase(c, s);
      const base = c.x("n");
      const offset = toI64S(c.imm());
      if (mode === "post") single(c, s.size, s.opc, base, (address) => c.setX("n", add(address, offset)));
      else if (mode === "pre") single(c, s.size, s.opc, add(base, offset), (address) => c.setX("n", address));
      else
        single(c, s.size, s.opc, add(base, offset), undefined, mode === "unprivileged" ? { unprivileged: true } : {});
    },
    syntax: (f) => {
      const offset = signExtend(f.imm9, 9);
      const base = regSp(1, f.Rn);
      if (mode === "post") return `${transfer(f)}, [${base}], #${offset}`;
      if (mode === "pre") return `${transfer(f)}, [${base}, #${offset}]!`;
      const name = transfer(f, mode === "unscaled" ? "u" : "t");
      return `${name}, [${base}${offsetText(offset)}]`;
    },
    test: { memoryBytes: 8 },
  });

function registerText(f: FieldValues<"option" | "S" | "size" | "Rm">): string {
  const option = f.option as 0;
  const amount = f.S ? ` #${f.size}` : "";
  const extend = (option as number) === 3 ? (f.S ? `, lsl${amount}` : "") : `, ${EXTEND_NAME[option]}${amount}`;
  return `${reg(option & 1, f.Rm)}${extend}`;
}

const registerOffset = define({
  name: "Load/store register (register offset)",
  pattern: "size:2 111 0 00 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5",
  statics: { size: "size", opc: "opc", option: "option", sp: baseIsSp },
  allocated: (s) => singleAllocated(s) && (s.option & 2) !== 0,
  operands: (w) => ({
    d: dataSlot(w),
    n: w.spSlot("Rn"),
    m: w.xSlot("Rm"),
    imm: select(w.field("S"), w.field("size"), 0),
  }),
  execute: (c, s) => {
    checkBase(c, s);
    const offset = shl(extendReg(c, s.option, "m"), toI64U(c.imm()));
    single(c, s.size, s.opc, add(c.x("n"), offset));
  },
  syntax: (f) => {
    return `${transfer(f)}, [${regSp(1, f.Rn)}, ${registerText(f)}]`;
  },
  test: { memoryBytes: 8 },
});

const literal = define({
  name: "Load register (literal)",
  pattern: "opc:2 011 0 00 imm19:19 Rt:5",
  statics: { opc: "opc" },
  operands: (w) => ({ d: w.sinkSlot("Rt"), imm: shl(w.signed("imm19"), 2) }),
  execute: (c, { opc }) => {
    // opc 3 is PRFM
    if (opc === 3) return;
    const address = c.temp(add(c.pc(), toI64S(c.imm())));
    const host = c.load(address, opc === 1 ? 8 : 4);
    if (opc === 0) c.setW("d", load("i32", host));
    else c.setX("d", load(opc === 1 ? "i64" : "i64_32s", host));
  },
  syntax: (f, pc) =>
    `${["ldr", "ldr", "ldrsw", "prfm"][f.opc as 0]} ${f.opc === 3 ? `#0x${f.Rt.toString(16)}` : reg(+(f.opc !== 0), f.Rt)}, ${hex(pc + signExtend(f.imm19, 19) * 4)}`,
  test: { skip: "reads relative to PC" },
});

/** Prefetches are hints; nothing is prefetched. */
const prefetchText = (mnemonic: string, f: FieldValues<"Rt" | "Rn">, place: string) =>
  `${mnemonic} #0x${f.Rt.toString(16).padStart(2, "0")}, [${regSp(1, f.Rn)}${place}]`;
const prefetch: readonly Description[] = [
  define({
    name: "PRFM (immediate)",
    pattern: "11 111 0 01 10 imm12:12 Rn:5 Rt:5",
    execute: () => {},
    syntax: (f) => prefetchText("prfm", f, offsetText(8 * f.imm12)),
  }),
  define({
    name: "PRFUM",
    pattern: "11 111 0 00 10 0 imm9:9 00 Rn:5 Rt:5",
    execute: () => {},
    syntax: (f) => prefetchText("prfum", f, offsetText(signExtend(f.imm9, 9))),
  }),
  define({
    name: "PRFM (register)",
    pattern: "11 111 0 00 10 1 Rm:5 option:3 S 10 Rn:5 Rt:5",
    valid: (w) => and(w.field("option"), 2),
    execute: () => {},
    syntax: (f) => prefetchText("prfm", f, `, ${registerText({ ...f, size: 3 })}`),
  }),
];

export const LOAD_STORE_REGISTER: readonly Description[] = [
  unsignedOffset,
  imm9("unscaled", "00"),
  imm9("post", "01"),
  imm9("unprivileged", "10"),
  imm9("pre", "11"),
  registerOffset,
  literal,
  ...prefetch,
];
