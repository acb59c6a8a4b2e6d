/**
 * Which handlers live in the dispatch loop, and which are functions.
 *
 * The loop saves a call (6 ns against 3 ns an instruction), but it is one function that the optimizing compiler must
 * finish before it runs at speed: 800 handlers took it 315 ms, 400 take half of that. So the loop holds what integer
 * code is made of; measured on a boot of Linux, the rest is below 1 % of what executes.
 */
import type { Description, StaticValues } from "../isa/description.ts";

/** EQ NE CS CC HI LS GE LT GT LE: what compilers make of comparisons. */
const COMMON_CONDITIONS: ReadonlySet<number | undefined> = new Set([0, 1, 2, 3, 8, 9, 10, 11, 12, 13]);
const WHOLE: ReadonlySet<string> = new Set([
  "ADR",
  "ADRP",
  "ADD/SUB (immediate)",
  "Logical (immediate)",
  "MOVN/MOVZ",
  "MOVK",
  "Bitfield",
  "EXTR",
  "B",
  "BL",
  "CBZ/CBNZ",
  "TBZ/TBNZ",
  "BR/BLR/RET",
  "DSB",
  "DMB",
  "ISB",
  "MRS",
  "ADD/SUB (shifted register)",
  "ADC/SBC",
  "MADD/MSUB",
  "SMADDL/SMSUBL/UMADDL/UMSUBL",
  "SMULH/UMULH",
  "UDIV/SDIV",
  "LSLV/LSRV/ASRV/RORV",
  "Data-processing (1 source)",
  "Load/store register (unsigned immediate)",
  "PRFM (immediate)",
  "LDP/STP (offset)",
]);

export function isHot(d: Description, s: StaticValues): boolean {
  if (WHOLE.has(d.name)) return true;
  const [size, opc] = [s["size"] as number, s["opc"] as number];
  switch (d.name) {
    case "HINT":
      return s["kind"] === 0;
    case "B.cond":
      return (s["cond"] as number) < 14;
    case "CSEL/CSINC/CSINV/CSNEG":
      return COMMON_CONDITIONS.has(s["cond"]) && (s["op"] === 0 || s["o2"] === 0);
    case "CCMN/CCMP (register)":
    case "CCMN/CCMP (immediate)":
      return s["op"] === 1 && COMMON_CONDITIONS.has(s["cond"]);
    case "Logical (shifted register)":
      return s["N"] === 0 ? s["shift"] !== 2 : s["shift"] === 4;
    case "ADD/SUB (extended register)":
      return s["S"] === 0 && [0, 2, 3, 6].includes(s["option"] as number);
    case "Load/store register (register offset)":
      return s["sp"] === 0 && (s["option"] === 3 || (s["option"] !== 7 && size >= 2));
    case "Load/store register (unscaled)":
      return s["sp"] === 0 && opc < 2;
    case "Load/store register (post)":
    case "Load/store register (pre)":
      return opc < 2 && (s["sp"] === 0 || size === 3);
    case "LDP/STP (pre-indexed)":
    case "LDP/STP (post-indexed)":
      return opc === 2;
    case "LDXR/LDAXR":
    case "STXR/STLXR":
    case "LDAR/LDLAR":
    case "STLR/STLLR":
      return s["sp"] === 0 && size >= 2;
    default:
      return false;
  }
}
