/**
 * Loads and stores of SIMD&FP registers: single registers, pairs, literals, and structures.
 *
 * Source: DDI 0487 K.a C4.1.90 (load/store register, pair, literal; Advanced SIMD load/store multiple and single structures).
 */
import {
  add,
  and,
  type Expr,
  eq,
  type I32,
  type I64,
  i32,
  load,
  loadV128,
  loadVector,
  or,
  select,
  shl,
  simd,
  toI64S,
  toI64U,
  V128,
  v128,
} from "../wasm/index.ts";
import { extendReg } from "./arithmetic.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import { baseIsSp } from "./load-store-register.ts";
import { arrangement, sreg, vAddressOf, withLane, zeroVector } from "./simd-lanes.ts";
import { EXTEND_NAME, hex, reg, regSp, signExtend } from "./syntax.ts";

const LOAD_KIND = ["i64_8u", "i64_16u", "i64_32u", "i64"] as const;
const STORE_KIND = ["i64_8", "i64_16", "i64_32", "i64"] as const;

/** Transfers between one register and memory; sizes 0-4, bytes to quadwords. */
type Value = Expr<I64> | Expr<V128>;
const readRegister = (c: Context, slot: "d" | "m", size: number): Value =>
  size === 4 ? c.temp(c.v(slot)) : c.temp(load(LOAD_KIND[size as 0], c.vAddress(slot)));
const readMemory = (c: Context, host: Expr<I32>, size: number, offset = 0): Value =>
  size === 4 ? c.temp(loadV128(host, offset)) : c.temp(load(LOAD_KIND[size as 0], host, offset));
function writeRegister(c: Context, slot: "d" | "m", size: number, value: Value): void {
  if (size === 4) c.setV(slot, value as Expr<V128>);
  else c.setVLow(slot, value as Expr<I64>);
}
function writeMemory(c: Context, host: Expr<I32>, size: number, value: Value, offset = 0): void {
  if (size === 4) c.f.storeV128(host, value as Expr<V128>, offset);
  else c.f.store(STORE_KIND[size as 0], host, value, offset);
}

/** Load or store one register at `address`; `writeBack` sees the address once the access is done. */
function single(
  c: Context,
  size: number,
  isLoad: number,
  address: Expr<I64>,
  writeBack?: (address: Expr<I64>) => void,
): void {
  const named = c.temp(address);
  if (!isLoad) {
    const value = readRegister(c, "d", size);
    c.store(named, 1 << size, (host) => writeMemory(c, host, size, value));
    writeBack?.(named);
    return;
  }
  const value = readMemory(c, c.load(named, 1 << size), size);
  writeBack?.(named);
  writeRegister(c, "d", size, value);
}

/** opc<1>:size; opc<0> is load. Only size 0 exists for quadwords. */
const scale = { count: 8, of: (w: Word<"opc" | "size">) => or(shl(and(w.field("opc"), 2), 1), w.field("size")) };
const isLoad = { count: 2, of: (w: Word<"opc">) => and(w.field("opc"), 1) };
const scaleOf = (f: FieldValues<"opc" | "size">) => ((f.opc & 2) << 1) | f.size;
const allocated = (s: { readonly scale: number }) => s.scale <= 4;
const name = (f: FieldValues<"opc" | "size" | "Rt">, infix = "") =>
  `${f.opc & 1 ? "ld" : "st"}${infix}r ${sreg(scaleOf(f), f.Rt)}`;
const offsetText = (offset: number) => (offset === 0 ? "" : `, #${offset}`);
const checkBase = (c: Context, sp: number) => {
  if (sp) c.checkSpAlignment();
};

const REGISTER: readonly Description[] = [
  define({
    name: "Load/store SIMD&FP register (unsigned immediate)",
    pattern: "size:2 111 1 01 opc:2 imm12:12 Rn:5 Rt:5",
    statics: { scale, load: isLoad, sp: baseIsSp },
    allocated,
    operands: (w) => ({ d: w.vSlot("Rt"), n: w.spSlot("Rn"), imm: shl(w.field("imm12"), scale.of(w)) }),
    fp: true,
    execute: (c, s) => {
      checkBase(c, s.sp);
      single(c, s.scale, s.load, add(c.x("n"), toI64U(c.imm())));
    },
    syntax: (f) => `${name(f)}, [${regSp(1, f.Rn)}${offsetText(f.imm12 << scaleOf(f))}]`,
    test: { memoryBytes: 16 },
  }),
  ...(["unscaled", "post", "pre"] as const).map((mode) =>
    define({
      name: `Load/store SIMD&FP register (${mode})`,
      pattern: `size:2 111 1 00 opc:2 0 imm9:9 ${{ unscaled: "00", post: "01", pre: "11" }[mode]} Rn:5 Rt:5`,
      statics: { scale, load: isLoad, sp: baseIsSp },
      allocated,
      operands: (w) => ({ d: w.vSlot("Rt"), n: w.spSlot("Rn"), imm: w.signed("imm9") }),
      fp: true,
      execute: (c, s) => {
        checkBase(c, s.sp);
        const offset = toI64S(c.imm());
        if (mode === "post") single(c, s.scale, s.load, c.x("n"), (address) => c.setX("n", add(address, offset)));
        else
          single(
            c,
            s.scale,
            s.load,
            add(c.x("n"), offset),
            mode === "pre" ? (address) => c.setX("n", address) : undefined,
          );
      },
      syntax: (f) => {
        const offset = signExtend(f.imm9, 9);
        const base = regSp(1, f.Rn);
        if (mode === "post") return `${name(f)}, [${base}], #${offset}`;
        if (mode === "pre") return `${name(f)}, [${base}, #${offset}]!`;
        return `${name(f, "u")}, [${base}${offsetText(offset)}]`;
      },
      test: { memoryBytes: 16 },
    }),
  ),
  define({
    name: "Load/store SIMD&FP register (register offset)",
    pattern: "size:2 111 1 00 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5",
    statics: { scale, load: isLoad, option: "option", sp: baseIsSp },
    allocated: (s) => allocated(s) && (s.option & 2) !== 0,
    operands: (w) => ({
      d: w.vSlot("Rt"),
      n: w.spSlot("Rn"),
      m: w.xSlot("Rm"),
      imm: select(w.field("S"), scale.of(w), 0),
    }),
    fp: true,
    execute: (c, s) => {
      checkBase(c, s.sp);
      single(c, s.scale, s.load, add(c.x("n"), shl(extendReg(c, s.option, "m"), toI64U(c.imm()))));
    },
    syntax: (f) => {
      const option = f.option;
      const amount = f.S ? ` #${scaleOf(f)}` : "";
      const extend = option === 3 ? (f.S ? `, lsl${amount}` : "") : `, ${EXTEND_NAME[option as 0]}${amount}`;
      return `${name(f)}, [${regSp(1, f.Rn)}, ${reg(option & 1, f.Rm)}${extend}]`;
    },
    test: { memoryBytes: 16 },
  }),
  define({
    name: "Load SIMD&FP register (literal)",
    pattern: "opc:2 011 1 00 imm19:19 Rt:5",
    statics: { opc: "opc" },
    allocated: ({ opc }) => opc < 3,
    operands: (w) => ({ d: w.vSlot("Rt"), imm: shl(w.signed("imm19"), 2) }),
    fp: true,
    execute: (c, { opc }) => single(c, 2 + opc, 1, add(c.pc(), toI64S(c.imm()))),
    syntax: (f, pc) => `ldr ${sreg(2 + f.opc, f.Rt)}, ${hex(pc + signExtend(f.imm19, 19) * 4)}`,
    test: { skip: "reads PC" },
  }),
];

const PAIR = (
  [
    ["nontemporal", "00"],
    ["post", "01"],
    ["offset", "10"],
    ["pre", "11"],
  ] as const
).map(([mode, bits]) =>
  define({
    name: `LDP/STP (SIMD&FP, ${mode})`,
    pattern: `opc:2 101 1 0${bits} L imm7:7 Rt2:5 Rn:5 Rt:5`,
    statics: { opc: "opc", L: "L", sp: baseIsSp },
    allocated: ({ opc }) => opc < 3,
    operands: (w) => ({
      d: w.vSlot("Rt"),
      m: w.vSlot("Rt2"),
      n: w.spSlot("Rn"),
      imm: shl(w.signed("imm7"), add(w.field("opc"), 2)),
    }),
    fp: true,
    execute: (c, { opc, L, sp }) => {
      checkBase(c, sp);
      const size = 2 + opc;
      const offset = toI64S(c.imm());
      const address = c.temp(mode === "post" ? c.x("n") : add(c.x("n"), offset));
      const writeBack = () => {
        if (mode === "post") c.setX("n", add(address, offset));
        else if (mode === "pre") c.setX("n", address);
      };
      if (!L) {
        const first = readRegister(c, "d", size);
        const second = readRegister(c, "m", size);
        c.store(address, 2 << size, (host) => {
          writeMemory(c, host, size, first);
          writeMemory(c, host, size, second, 1 << size);
        });
        writeBack();
        return;
      }
      const host = c.load(address, 2 << size);
      const first = readMemory(c, host, size);
      const second = readMemory(c, host, size, 1 << size);
      writeBack();
      writeRegister(c, "d", size, first);
      writeRegister(c, "m", size, second);
    },
    syntax: (f) => {
      const size = 2 + f.opc;
      const offset = signExtend(f.imm7, 7) * (1 << size);
      const base = regSp(1, f.Rn);
      const place =
        mode === "post"
          ? `[${base}], #${offset}`
          : mode === "pre"
            ? `[${base}, #${offset}]!`
            : `[${base}${offsetText(offset)}]`;
      return `${f.L ? "ld" : "st"}${mode === "nontemporal" ? "np" : "p"} ${sreg(size, f.Rt)}, ${sreg(size, f.Rt2)}, ${place}`;
    },
    test: { memoryBytes: 32 },
  }),
);

// --------------------------------------------------------------------------------------------------------- structures

/** No offset; post-indexed by a register, or (Rm 31) by the size of the access. */
const MODES = [
  ["", "0", "00000"],
  ["post-indexed", "1", "Rm:5"],
] as const;
const postRegister = { count: 2, of: (w: Word<"Rm">) => eq(w.field("Rm"), 31) };
const none = { count: 1, of: () => i32(0) };

function writeBackBase(c: Context, mode: string, byImmediate: number, address: Expr<I64>, bytes: number): void {
  if (mode !== "") c.setX("n", byImmediate ? add(address, bytes) : add(address, c.x("m")));
}
const structureOperands = (post: boolean) => (w: Word<"Rn" | "Rt" | "Rm">) => ({
  n: w.spSlot("Rn"),
  imm: w.field("Rt"),
  ...(post ? { m: w.xSlot("Rm") } : {}),
});
const registerList = (f: FieldValues<"Rt">, count: number, t: string) => {
  const first = f.Rt;
  const names = Array.from({ length: count }, (_, i) => `v${(first + i) % 32}.${t}`);
  return count > 2 && first + count <= 32 ? `{${names[0]}-${names[count - 1]}}` : `{${names.join(", ")}}`;
};
const placeText = (f: FieldValues<"Rn" | "Rm">, mode: string, bytes: number) => {
  const base = `[${regSp(1, f.Rn)}]`;
  return mode === "" ? base : f.Rm === 31 ? `${base}, #${bytes}` : `${base}, ${reg(1, f.Rm)}`;
};

/** opcode -> registers, elements of a structure. */
const MULTIPLE = [
  ["0000", 4, 4],
  ["0010", 4, 1],
  ["0100", 3, 3],
  ["0110", 3, 1],
  ["0111", 1, 1],
  ["1000", 2, 2],
  ["1010", 2, 1],
] as const;
const multiple = MULTIPLE.flatMap(([opcode, registers, structure]) =>
  MODES.map(([mode, bit, rm]) =>
    define({
      name: `LD${structure}/ST${structure} (multiple structures, ${registers} registers${mode && `, ${mode}`})`,
      pattern: `0 Q 001100${bit} L 0 ${rm} ${opcode} size:2 Rn:5 Rt:5`,
      // a register of structures of one element is bytes in order, whatever the size
      statics: {
        Q: "Q",
        L: "L",
        size: structure === 1 ? none : "size",
        sp: baseIsSp,
        byImmediate: mode === "" ? none : postRegister,
      },
      allocated: ({ Q, size }) => structure === 1 || size < 3 || Q === 1,
      operands: structureOperands(mode !== ""),
      fp: true,
      execute: (c, { Q, L, size, sp, byImmediate }) => {
        checkBase(c, sp);
        const bytes = Q ? 16 : 8;
        const total = registers * bytes;
        const address = c.temp(c.x("n"));
        const place = (r: number) => vAddressOf(c, add(c.imm(), r));
        if (!L) {
          c.store(address, total, (host) => {
            for (let r = 0; r < registers; r++) {
              if (structure === 1) {
                if (Q) c.f.storeV128(host, loadV128(place(r)), r * 16);
                else c.f.store("i64", host, load("i64", place(r)), r * 8);
              } else {
                for (let e = 0; e < bytes >> size; e++)
                  c.f.store(
                    STORE_KIND[size as 0],
                    host,
                    load(LOAD_KIND[size as 0], place(r), e << size),
                    (e * structure + r) << size,
                  );
              }
            }
          });
          writeBackBase(c, mode, byImmediate, address, total);
          return;
        }
        const host = c.load(address, total);
        const values = Array.from({ length: registers }, (_, r) => {
          if (structure === 1) return c.temp(Q ? loadV128(host, r * 16) : loadVector("load64_zero", host, r * 8));
          const value = c.local(V128);
          c.f.set(value as never, zeroVector());
          for (let e = 0; e < bytes >> size; e++)
            c.f.set(
              value as never,
              withLane(size, value, e, load(LOAD_KIND[size as 0], host, (e * structure + r) << size)),
            );
          return value as Expr<V128>;
        });
        writeBackBase(c, mode, byImmediate, address, total);
        for (const [r, value] of values.entries()) c.f.storeV128(place(r), value);
      },
      syntax: (f) =>
        `${f.L ? "ld" : "st"}${structure} ${registerList(f, registers, arrangement(f.Q, f.size))}, ${placeText(f, mode, registers * (f.Q ? 16 : 8))}`,
      test: { memoryBytes: 64 },
    }),
  ),
);

/** Single structures: one description for each element size, because the index takes the bits that size leaves. */
const SINGLE = [
  [
    "b",
    0,
    "00 sel S low:2",
    (w: Word<"Q" | "S" | "low">) => or(or(shl(w.field("Q"), 3), shl(w.field("S"), 2)), w.field("low")),
    (f: FieldValues<"Q" | "S" | "low">) => f.Q * 8 + f.S * 4 + f.low,
  ],
  [
    "h",
    1,
    "01 sel S low 0",
    (w: Word<"Q" | "S" | "low">) => shl(or(or(shl(w.field("Q"), 2), shl(w.field("S"), 1)), w.field("low")), 1),
    (f: FieldValues<"Q" | "S" | "low">) => f.Q * 4 + f.S * 2 + f.low,
  ],
  [
    "s",
    2,
    "10 sel S 00",
    (w: Word<"Q" | "S">) => shl(or(shl(w.field("Q"), 1), w.field("S")), 2),
    (f: FieldValues<"Q" | "S">) => f.Q * 2 + f.S,
  ],
  ["d", 3, "10 sel 001", (w: Word<"Q">) => shl(w.field("Q"), 3), (f: FieldValues<"Q">) => f.Q],
] as const;
const countOf = (f: FieldValues<"sel" | "R">) => f.sel * 2 + f.R + 1;
const singleStructure = SINGLE.flatMap(([letter, size, bits, offset, index]) =>
  MODES.map(([mode, bit, rm]) =>
    define({
      name: `LD/ST single structure (${letter}${mode && `, ${mode}`})`,
      pattern: `0 Q 001101${bit} L R ${rm} ${bits} Rn:5 Rt:5`,
      statics: { L: "L", R: "R", sel: "sel", sp: baseIsSp, byImmediate: mode === "" ? none : postRegister },
      operands: (w) => ({ ...structureOperands(mode !== "")(w), imm2: offset(w) }),
      fp: true,
      execute: (c, { L, R, sel, sp, byImmediate }) => {
        checkBase(c, sp);
        const registers = sel * 2 + R + 1;
        const total = registers << size;
        const address = c.temp(c.x("n"));
        const place = (r: number) => add(vAddressOf(c, add(c.imm(), r)), c.imm2());
        if (!L) {
          const values = Array.from({ length: registers }, (_, r) => c.temp(load(LOAD_KIND[size], place(r))));
          c.store(address, total, (host) => {
            for (const [r, value] of values.entries()) c.f.store(STORE_KIND[size], host, value, r << size);
          });
          writeBackBase(c, mode, byImmediate, address, total);
          return;
        }
        const host = c.load(address, total);
        const values = Array.from({ length: registers }, (_, r) => c.temp(load(LOAD_KIND[size], host, r << size)));
        writeBackBase(c, mode, byImmediate, address, total);
        for (const [r, value] of values.entries()) c.f.store(STORE_KIND[size], place(r), value);
      },
      syntax: (f) =>
        `${f.L ? "ld" : "st"}${countOf(f)} ${registerList(f, countOf(f), letter)}[${index(f)}], ${placeText(f, mode, countOf(f) << size)}`,
      test: { memoryBytes: 32 },
    }),
  ),
);
const replicate = MODES.map(([mode, bit, rm]) =>
  define({
    name: `LD1R-LD4R${mode && ` (${mode})`}`,
    pattern: `0 Q 001101${bit} 1 R ${rm} 11 sel 0 size:2 Rn:5 Rt:5`,
    statics: { Q: "Q", R: "R", sel: "sel", size: "size", sp: baseIsSp, byImmediate: mode === "" ? none : postRegister },
    operands: structureOperands(mode !== ""),
    fp: true,
    execute: (c, { Q, R, sel, size, sp, byImmediate }) => {
      checkBase(c, sp);
      const registers = sel * 2 + R + 1;
      const address = c.temp(c.x("n"));
      const host = c.load(address, registers << size);
      const values = Array.from({ length: registers }, (_, r) => {
        const value = splatLoad(size, host, r << size);
        return c.temp(Q ? value : lowHalf(value));
      });
      writeBackBase(c, mode, byImmediate, address, registers << size);
      for (const [r, value] of values.entries()) c.f.storeV128(vAddressOf(c, add(c.imm(), r)), value);
    },
    syntax: (f) =>
      `ld${countOf(f)}r ${registerList(f, countOf(f), arrangement(f.Q, f.size))}, ${placeText(f, mode, countOf(f) << f.size)}`,
    test: { memoryBytes: 32 },
  }),
);
const splatLoad = (size: number, host: Expr<I32>, offset: number): Expr<V128> =>
  loadVector((["load8_splat", "load16_splat", "load32_splat", "load64_splat"] as const)[size as 0], host, offset);
const lowHalf = (value: Expr<V128>): Expr<V128> => simd("v128.and", value, v128([-1n, 0n]));

export const SIMD_LOAD_STORE: readonly Description[] = [
  ...REGISTER,
  ...PAIR,
  ...multiple,
  ...singleStructure,
  ...replicate,
];
