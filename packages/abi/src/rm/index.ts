export * from "./constants.ts";
export * from "./error.ts";
export * from "./header.ts";
export * from "./ids.ts";
export * from "./messages.ts";
export * from "./messages-memory.ts";
export * from "./messages-vm.ts";
export * from "./receive.ts";
