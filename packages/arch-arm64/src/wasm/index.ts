export * from "./encoding.ts";
export * from "./expr.ts";
export * from "./function.ts";
export * from "./module.ts";
export * from "./simd.ts";
