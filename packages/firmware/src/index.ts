export { powerOn } from "./boot.ts";
export { buildHostTree } from "./host-tree.ts";
export { firmware } from "./plugin.ts";
