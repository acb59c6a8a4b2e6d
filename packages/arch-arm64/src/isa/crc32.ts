/**
 * CRC32 and CRC32C as one WebAssembly helper each. Source: DDI 0487, CRC32 and BitReverse(Poly32Mod2(…)).
 */
import {
  and,
  type Callable,
  I32,
  I64,
  i32,
  ltS,
  type ModuleBuilder,
  neg,
  shrU,
  sub,
  toI32,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";

/** Reflected polynomials. */
export const CRC32_POLYNOMIAL = 0xedb88320;
export const CRC32C_POLYNOMIAL = 0x82f63b78;

/** (accumulator, data, bits) -> accumulator over the low `bits` bits of data, least significant first. */
export function crcHelper(c: Context, polynomial: number): Callable {
  return c.helper(`crc32_${polynomial.toString(16)}`, (module: ModuleBuilder) =>
    module.func("crc32", [I32, I64, I32], [I32], (f, accumulator, data, bits) => {
      const crc = f.local(I32);
      const rest = f.local(I64);
      const count = f.local(I32);
      f.set(crc, accumulator);
      f.set(rest, data);
      f.set(count, bits);
      f.loop((again) => {
        // eight bits at a time: fold the byte in, then shift it out bit by bit
        f.set(crc, xor(crc, and(toI32(rest), 0xff)));
        for (let bit = 0; bit < 8; bit++) f.set(crc, xor(shrU(crc, 1), and(neg(and(crc, 1)), polynomial | 0)));
        f.set(rest, shrU(rest, 8));
        f.set(count, sub(count, 8));
        f.brIf(ltS(i32(0), count), again);
      });
      f.return(crc);
    }),
  );
}
