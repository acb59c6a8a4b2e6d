import type { DeviceType } from "@gunyah-ts/kernel";
import { optionObject } from "../options.ts";
import { Uart16550 } from "./uart16550.ts";

/** Device type `uart16550`: no options. */
export const uart16550: DeviceType<object> = {
  type: "uart16550",
  validate: (options, path) => optionObject(options, path, []),
  create: (_options, context) => new Uart16550(context),
};
export { Uart16550 } from "./uart16550.ts";
