import { defineMachine } from "@gunyah-ts/kernel";
import { pocketSoc } from "./pocket-soc.ts";
import { thermometer } from "./thermometer.ts";

export default defineMachine({
  name: "pocket computer",
  soc: pocketSoc,
  plugins: [thermometer],
  guest: {
    memory: 96 * 2 ** 20,
    cpus: 2,
    // The second device lies at 0x9010000.
    devices: [{ type: "pl011" }, { type: "thermometer", celsius: 36.6 }],
    cmdline: "quiet",
  },
});
