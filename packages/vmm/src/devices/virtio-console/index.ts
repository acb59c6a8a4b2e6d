import type { DeviceType } from "@gunyah-ts/kernel";
import { optionObject } from "../options.ts";
import { VirtioMmio } from "../virtio/mmio-transport.ts";
import { VirtioConsole } from "./virtio-console.ts";

/** Device type `virtio-console`: no options. Shares the machine's console with the serial device. */
export const virtioConsole: DeviceType<object> = {
  type: "virtio-console",
  validate: (options, path) => optionObject(options, path, []),
  create: (_options, context) => new VirtioMmio(context, new VirtioConsole(context.console)),
};
