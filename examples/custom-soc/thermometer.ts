import { type DeviceType, definePlugin, ModelError, vmmHooks } from "@gunyah-ts/kernel";

export interface ThermometerOptions {
  /** What it measures, degrees Celsius. Default 21. */
  readonly celsius?: number;
}

/** One read-only register at offset 0: thousandths of a degree Celsius, signed, 32 bits. */
const thermometerType: DeviceType<ThermometerOptions> = {
  type: "thermometer",
  validate(options, path) {
    const { celsius = 21, ...rest } = (options ?? {}) as Record<string, unknown>;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined || typeof celsius !== "number" || !(celsius >= -273.15 && celsius <= 2000))
      throw new ModelError("VMM_DEVICE_OPTION", `${path} takes celsius alone, a number from -273.15 to 2000`, {
        path: `${path}.${unknown ?? "celsius"}`,
      });
    return { celsius };
  },
  create: ({ celsius = 21 }, { name }) => ({
    name,
    windowSize: 0x1000,
    interrupt: "level",
    description: { node: "thermometer", properties: { compatible: "example,thermometer" } },
    activate() {},
    read: (offset) => (offset === 0 ? Math.round(celsius * 1000) >>> 0 : 0),
    write() {},
    dispose() {},
  }),
};

/** Provides the device type `thermometer`. */
export const thermometer = definePlugin({
  name: "example-thermometer",
  version: "1.0.0",
  setup(ctx) {
    ctx.own(ctx.hooks(vmmHooks).device, thermometerType.type, () => thermometerType as DeviceType);
  },
});
