export * from "./bitfield.ts";
export * from "./calls.ts";
export * from "./error.ts";
export * from "./identify.ts";
export * from "./memory.ts";
export * from "./objects.ts";
export * from "./smccc.ts";
export * from "./vcpu.ts";
