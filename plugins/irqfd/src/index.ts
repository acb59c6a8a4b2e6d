export { Irqfd, type IrqfdOptions } from "./irqfd.ts";
export { irqfd } from "./plugin.ts";
