/**
 * What the instruction word of a load or store says about its access: the syndrome of a stage 2 abort, and the size of one
 * element. In WebAssembly; both are functions of the word alone.
 *
 * Source: DDI 0487 K.a, D19.2.40 (ISS encoding for an exception from a Data Abort, ISV), C4.1.94 (loads and stores).
 */
import {
  add,
  and,
  type Expr,
  eq,
  eqz,
  type FunctionRef,
  gtU,
  I32,
  i32,
  type ModuleBuilder,
  ne,
  or,
  select,
  shl,
  shrU,
} from "../wasm/index.ts";

/** (word) -> the syndrome's ISV..AR for a load or store of one general-purpose register without writeback, else 0. */
export function defineInstructionSyndrome(module: ModuleBuilder): FunctionRef {
  return module.func("instructionSyndrome", [I32], [I32], (f, word) => {
    const size = f.temp(shrU(word, 30));
    const opc = f.temp(and(shrU(word, 22), 3));
    const syndrome = (sas: Expr<I32>, sse: Expr<I32>, sf: Expr<I32>, ar: number) =>
      f.return(or(or(or(shl(sas, 22), shl(sse, 21)), or(shl(and(word, 31), 16), shl(sf, 15))), (1 << 24) | (ar << 14)));
    const is64 = eq(size, 3);
    // Load/store register: unsigned immediate; unscaled or unprivileged; register offset.
    const group = f.temp(and(word, 0x3f00_0000));
    const mode = f.temp(and(word, 0x0020_0c00));
    f.if(
      or(
        eq(group, 0x3900_0000),
        and(eq(group, 0x3800_0000), or(eqz(mode), or(eq(mode, 0x800), eq(mode, 0x0020_0800)))),
      ),
      () => syndrome(size, gtU(opc, 1), select(gtU(opc, 1), eq(opc, 2), is64), 0),
    );
    // LDAPUR, STLUR and narrower
    f.if(eq(and(word, 0x3f20_0c00), 0x1900_0000), () =>
      syndrome(size, gtU(opc, 1), select(gtU(opc, 1), eq(opc, 2), is64), 1),
    );
    // LDR (literal), LDRSW (literal)
    f.if(eq(group, 0x1800_0000), () => syndrome(select(eq(size, 1), i32(3), 2), eq(size, 2), ne(size, 0), 0));
    // LDAR, STLR, LDLAR, STLLR and narrower
    f.if(eq(and(word, 0x3fa0_0000), 0x0880_0000), () => syndrome(size, i32(0), is64, 1));
    // LDAPR and narrower
    f.if(eq(and(word, 0x3fff_fc00), 0x38bf_c000), () => syndrome(size, i32(0), is64, 1));
    f.return(0);
  });
}

/** (word) -> log2 of the size of one element of a load or store: what alignment is checked against. */
export function defineElementShift(module: ModuleBuilder): FunctionRef {
  return module.func("elementShift", [I32], [I32], (f, word) => {
    const top = f.temp(shrU(word, 30));
    const vector = f.temp(and(word, 1 << 26));
    const group = f.temp(and(word, 0x3800_0000));
    // Load/store register, atomics: size, and Q where opc<1> is set
    f.if(eq(group, 0x3800_0000), () =>
      f.return(select(and(ne(vector, 0), ne(and(word, 0x0080_0000), 0)), add(top, 4), top)),
    );
    // Pairs: W, SW, X; S, D, Q
    f.if(eq(group, 0x2800_0000), () => f.return(select(vector, add(top, 2), add(shrU(top, 1), 2))));
    // LDAPUR, STLUR
    f.if(eq(and(word, 0x3b00_0000), 0x1900_0000), () => f.return(top));
    // Literals
    f.if(eq(group, 0x1800_0000), () => f.return(select(vector, add(top, 2), select(eq(top, 1), i32(3), 2))));
    // Exclusives and ordered accesses
    f.if(eqz(vector), () => f.return(top));
    // Advanced SIMD structures: multiple by size, one lane by opcode<2:1> and size<0>, replicated by size
    const size = f.temp(and(shrU(word, 10), 3));
    const scale = f.temp(and(shrU(word, 14), 3));
    f.if(or(eqz(and(word, 1 << 24)), eq(scale, 3)), () => f.return(size));
    f.return(add(scale, and(eq(scale, 2), size)));
  });
}
