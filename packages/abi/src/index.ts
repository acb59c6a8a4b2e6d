export * from "./hypercall/index.ts";
export * from "./linux-errno.ts";
export * from "./profile.ts";
