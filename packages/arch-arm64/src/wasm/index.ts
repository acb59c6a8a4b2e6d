export * from "./encoding.ts";
export * from "./expr.ts";
export * from "./function.ts";
export * from "./memory-access.ts";
export * from "./module.ts";
export * from "./operators.ts";
export * from "./simd.ts";
