export { type BoardParts, powerOn, powerOnImage } from "./boot.ts";
export { FIRMWARE_ERRORS, type FirmwareErrorCode } from "./errors.ts";
export { hostMemory } from "./host-memory.ts";
export { buildHostTree } from "./host-tree.ts";
export { firmware } from "./plugin.ts";
