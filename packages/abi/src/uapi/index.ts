export * from "./flags.ts";
export * from "./ioctl.ts";
export * from "./structs.ts";
export * from "./vcpu-run-page.ts";
