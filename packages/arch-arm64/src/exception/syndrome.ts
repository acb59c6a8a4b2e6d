/** ESR values in generated code. Source: DDI 0487 K.a, D19.2.40 (ESR_EL1). */
import { type Expr, type I32, i32, or } from "../wasm/index.ts";

/** Every instruction of A64 is 32 bits. */
const IL = 1 << 25;

/** ESR of a class and its ISS. */
export const esrOf = (ec: number, iss: number | Expr<I32> = 0): Expr<I32> =>
  typeof iss === "number" ? i32((ec << 26) | IL | iss) : or(iss, (ec << 26) | IL);
