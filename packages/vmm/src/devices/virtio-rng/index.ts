import type { DeviceType } from "@gunyah-ts/kernel";
import { optionObject } from "../options.ts";
import { VirtioMmio } from "../virtio/mmio-transport.ts";
import { VirtioRng } from "./virtio-rng.ts";

/** Device type `virtio-rng`: no options. Bytes come from the machine's entropy. */
export const virtioRng: DeviceType<object> = {
  type: "virtio-rng",
  validate: (options, path) => optionObject(options, path, []),
  create: (_options, context) => new VirtioMmio(context, new VirtioRng(context.entropy)),
};
