// The smallest VM function. GUNYAH_VM_ADD_FUNCTION with type 4096 binds it; its argument is who to greet.
import { definePlugin, HostKernel, hostHooks } from "@gunyah-ts/kernel";

const HELLO = 4096;
const EINVAL = 22;

class Hello {
  constructor(kernel, greeting) {
    this.kernel = kernel;
    this.greeting = greeting;
  }

  /** @returns 0, or -EINVAL without a name */
  bind({ arg, vm }) {
    if (arg.length === 0) return -EINVAL;
    this.kernel.log("info", `${this.greeting}, ${new TextDecoder().decode(arg)}, in VM ${vm.vmid}`);
    return 0;
  }

  unbind() {}

  compare(instance, arg) {
    return instance.arg.length === arg.length && instance.arg.every((byte, i) => byte === arg[i]);
  }
}

export default definePlugin({
  name: "gunyah-plugin-hello",
  version: "1.0.0",
  requires: [HostKernel],
  vmFunction: HELLO,
  options: { greeting: { type: "string", default: "hello" } },
  setup(ctx, { greeting }) {
    const driver = new Hello(ctx.get(HostKernel), greeting);
    ctx.own(ctx.hooks(hostHooks).vmFunction, HELLO, () => driver);
  },
});
