export { DeviceTreeError, DeviceTreeErrorCode } from "./errors.ts";
export { DeviceNode, type PropertyValue } from "./node.ts";
export { applyOverlay } from "./overlay.ts";
export { printDts } from "./print.ts";
export { dtbSize, parseDtb } from "./read.ts";
export { DeviceTree } from "./tree.ts";
export { cells, cells64, EMPTY, strings } from "./value.ts";
export { type WriteOptions, writeDtb } from "./write.ts";
