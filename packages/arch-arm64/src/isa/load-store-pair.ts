/**
 * Loads and stores of two general registers. Source: DDI 0487 K.a C4.1.90 (load/store pair).
 */
import { add, type Expr, eq, type I32, type I64, load, select, shl, toI64S } from "../wasm/index.ts";
import { type Description, define } from "./description.ts";
import { baseIsSp } from "./load-store-register.ts";
import { reg, regSp, signExtend } from "./syntax.ts";

/** Non-temporal (LDNP, STNP), post-indexed, offset, pre-indexed. */
const pair = (name: string, mode: "nontemporal" | "post" | "offset" | "pre", bits: string): Description =>
  define({
    name,
    pattern: `opc:2 101 0 0${bits} L imm7:7 Rt2:5 Rn:5 Rt:5`,
    statics: { opc: "opc", L: "L", sp: baseIsSp },
    // opc 1 is LDPSW, with no store and no non-temporal form
    allocated: ({ opc, L }) => opc < 3 && (opc !== 1 || (L === 1 && mode !== "nontemporal")),
    operands: (w) => ({
      d: select(w.field("L"), w.sinkSlot("Rt"), w.xSlot("Rt")),
      m: select(w.field("L"), w.sinkSlot("Rt2"), w.xSlot("Rt2")),
      n: w.spSlot("Rn"),
      imm: shl(w.signed("imm7"), add(eq(w.field("opc"), 2), 2)),
    }),
    execute: (c, { opc, L, sp }) => {
      if (sp) c.checkSpAlignment();
      const bytes = opc === 2 ? 8 : 4;
      const base = c.x("n");
      const offset = toI64S(c.imm());
      const address = c.temp(mode === "post" ? base : add(base, offset));
      const writeBack = () => {
        if (mode === "post") c.setX("n", add(address, offset));
        else if (mode === "pre") c.setX("n", address);
      };
      if (!L) {
        const first: Expr<I32 | I64> = c.temp(opc === 2 ? c.x("d") : c.w("d"));
        const second: Expr<I32 | I64> = c.temp(opc === 2 ? c.x("m") : c.w("m"));
        c.store(address, 2 * bytes, (host) => {
          c.f.store(opc === 2 ? "i64" : "i32", host, first);
          c.f.store(opc === 2 ? "i64" : "i32", host, second, bytes);
        });
        writeBack();
        return;
      }
      const host = c.load(address, 2 * bytes);
      const kind = opc === 2 ? "i64" : opc === 1 ? "i64_32s" : "i64_32u";
      const first = c.temp(load(kind, host));
      const second = c.temp(load(kind, host, bytes));
      writeBack();
      c.setX("d", first);
      c.setX("m", second);
    },
    syntax: (f) => {
      const sf = +(f.opc !== 0);
      const offset = signExtend(f.imm7, 7) * (f.opc === 2 ? 8 : 4);
      const mnemonic = `${f.L ? "ld" : "st"}${mode === "nontemporal" ? "np" : "p"}${f.opc === 1 ? "sw" : ""}`;
      const base = regSp(1, f.Rn);
      const place =
        mode === "post"
          ? `[${base}], #${offset}`
          : mode === "pre"
            ? `[${base}, #${offset}]!`
            : offset === 0
              ? `[${base}]`
              : `[${base}, #${offset}]`;
      return `${mnemonic} ${reg(sf, f.Rt)}, ${reg(sf, f.Rt2)}, ${place}`;
    },
    test: { memoryBytes: 16 },
  });

export const LOAD_STORE_PAIR: readonly Description[] = [
  pair("LDNP/STNP", "nontemporal", "00"),
  pair("LDP/STP (post-indexed)", "post", "01"),
  pair("LDP/STP (offset)", "offset", "10"),
  pair("LDP/STP (pre-indexed)", "pre", "11"),
];
