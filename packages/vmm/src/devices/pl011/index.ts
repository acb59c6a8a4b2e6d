import type { DeviceType } from "@gunyah-ts/kernel";
import { optionObject } from "../options.ts";
import { Pl011 } from "./pl011.ts";

/** Device type `pl011`: no options. */
export const pl011: DeviceType<object> = {
  type: "pl011",
  validate: (options, path) => optionObject(options, path, []),
  create: (_options, context) => new Pl011(context),
};
export { Pl011 } from "./pl011.ts";
