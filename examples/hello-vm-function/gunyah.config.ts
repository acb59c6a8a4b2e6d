import { defineMachine, definePlugin, HostKernel, use } from "@gunyah-ts/kernel";
import { fakeHostKernel } from "@gunyah-ts/kernel/testing";

/** Stands in for the host driver, so that the example needs nothing but the kernel. */
const host = definePlugin({
  name: "example-host",
  version: "1.0.0",
  provides: [HostKernel],
  setup: (ctx) => ctx.provide(HostKernel, fakeHostKernel()),
});

export default defineMachine({
  plugins: [host, use("gunyah-plugin-hello", { greeting: "good morning" })],
});
