/** The README's table of instruction classes, from the descriptions and the recorded vectors. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { ATOMICS } from "../../src/isa/atomics.ts";
import { BRANCHES } from "../../src/isa/branches.ts";
import { CRYPTO } from "../../src/isa/crypto.ts";
import { type Description, staticCombinations } from "../../src/isa/description.ts";
import { DP_IMMEDIATE } from "../../src/isa/dp-immediate.ts";
import { DP_REGISTER } from "../../src/isa/dp-register.ts";
import { FP_SCALAR } from "../../src/isa/fp-scalar.ts";
import { LOAD_STORE_EXCLUSIVE } from "../../src/isa/load-store-exclusive.ts";
import { LOAD_STORE_PAIR } from "../../src/isa/load-store-pair.ts";
import { LOAD_STORE_REGISTER } from "../../src/isa/load-store-register.ts";
import { PAUTH } from "../../src/isa/pauth.ts";
import { SHA512_SHA3 } from "../../src/isa/sha512.ts";
import { SIMD_COMPLEX } from "../../src/isa/simd-complex.ts";
import { SIMD_ELEMENT } from "../../src/isa/simd-element.ts";
import { SIMD_FP } from "../../src/isa/simd-fp.ts";
import { SIMD_FP_TWO_REG } from "../../src/isa/simd-fp-two-reg.ts";
import { SIMD_LOAD_STORE } from "../../src/isa/simd-load-store.ts";
import { SIMD_MATRIX } from "../../src/isa/simd-matrix.ts";
import { SIMD_PERMUTE } from "../../src/isa/simd-permute.ts";
import { SIMD_SHIFT } from "../../src/isa/simd-shift.ts";
import { SIMD_THREE_DIFFERENT } from "../../src/isa/simd-three-different.ts";
import { SIMD_THREE_SAME } from "../../src/isa/simd-three-same.ts";
import { SIMD_TWO_REG } from "../../src/isa/simd-two-reg.ts";
import { SM3_SM4 } from "../../src/isa/sm3-sm4.ts";
import { SYSTEM } from "../../src/isa/system.ts";
import { decodeGroups, type VectorGroup } from "./format.ts";

/** Files of recorded cases, beside this one. */
export const VECTOR_FILES = ["integer", "simd", "fp", "sm3-sm4", "sequences"] as const;
export function loadVectors(file: string): VectorGroup[] {
  return decodeGroups(inflateRawSync(readFileSync(join(import.meta.dirname, `${file}.bin`))));
}

const CLASSES: readonly (readonly [title: string, descriptions: readonly Description[]])[] = [
  ["Data processing, immediate", DP_IMMEDIATE],
  ["Branches", BRANCHES],
  ["Exceptions, system registers, hints, barriers", SYSTEM],
  ["Data processing, register, with CRC32 and FlagM", DP_REGISTER],
  ["Load/store register, prefetch", LOAD_STORE_REGISTER],
  ["Load/store pair", LOAD_STORE_PAIR],
  ["Exclusives, ordered, compare and swap", LOAD_STORE_EXCLUSIVE],
  ["Atomic memory operations, LDAPR", ATOMICS],
  ["Pointer authentication", PAUTH],
  ["Load/store SIMD&FP, structures", SIMD_LOAD_STORE],
  ["Advanced SIMD three same, with RDM and DotProd", SIMD_THREE_SAME],
  ["Advanced SIMD three different, with PMULL", SIMD_THREE_DIFFERENT],
  ["Advanced SIMD two-register, across lanes, pairwise", SIMD_TWO_REG],
  ["Advanced SIMD copy, permute, table, immediate", SIMD_PERMUTE],
  ["Advanced SIMD shift by immediate", SIMD_SHIFT],
  ["Advanced SIMD by element", SIMD_ELEMENT],
  ["Advanced SIMD floating point: three same, across lanes, pairwise", SIMD_FP],
  ["Advanced SIMD floating point: two-register, fixed-point, with FRINTTS", SIMD_FP_TWO_REG],
  ["Scalar floating point, with JSCVT and FRINTTS", FP_SCALAR],
  ["Complex numbers (FCMA)", SIMD_COMPLEX],
  ["Dot and matrix products, widening products (I8MM, BF16, FHM)", SIMD_MATRIX],
  ["AES, SHA-1, SHA-256", CRYPTO],
  ["SHA-512, SHA-3", SHA512_SHA3],
  ["SM3, SM4", SM3_SM4],
];

export function coverageTable(): string {
  const cases = new Map(VECTOR_FILES.flatMap(loadVectors).map((g) => [g.name, g.cases.length]));
  const rows = CLASSES.map(
    ([title, descriptions]) =>
      [
        title,
        descriptions.length,
        descriptions.reduce((n, d) => n + [...staticCombinations(d)].length, 0),
        descriptions.reduce((n, d) => n + (cases.get(d.name) ?? 0), 0),
      ] as const,
  );
  const total = [1, 2, 3].map((column) => rows.reduce((n, row) => n + (row[column] as number), 0));
  return [
    "| class | encodings | variants | recorded cases |",
    "|---|---|---|---|",
    ...rows.map((row) => `| ${row.join(" | ")} |`),
    `| all | ${total.join(" | ")} |`,
  ].join("\n");
}

const MARKER = /(<!-- coverage -->\n)[\s\S]*?(\n<!-- \/coverage -->)/;
/** README text with a fresh table between its markers. */
export function replaceCoverage(readme: string): string {
  return readme.replace(MARKER, (_all, before: string, after: string) => `${before}${coverageTable()}${after}`);
}
