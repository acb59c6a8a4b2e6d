export * from "./arithmetic.ts";
export * from "./bfloat.ts";
export * from "./compare.ts";
export * from "./convert.ts";
export * from "./core.ts";
export * from "./estimate.ts";
export * from "./format.ts";
