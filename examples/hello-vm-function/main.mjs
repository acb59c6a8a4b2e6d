// Compose the machine of gunyah.config.ts, add the function to a VM as the ioctl would, and show what it said.
import { createMachine, HostKernel, hostHooks, loadMachineConfig } from "@gunyah-ts/kernel";
import { fakeHostVm } from "@gunyah-ts/kernel/testing";

const { config, root } = await loadMachineConfig(process.argv[2] ?? ".");
const machine = await createMachine(config, { root });
const { vmFunction } = machine.hooks(hostHooks);
const before = machine.plugins.length;
const found = await vmFunction.load(4096);
const arg = new TextEncoder().encode("world");
const result = vmFunction.call(4096)?.bind({ type: 4096, vm: fakeHostVm(45), arg });
const { messages } = machine.get(HostKernel);
console.log(JSON.stringify({ loadedLate: machine.plugins.length - before, found, result, said: messages[0]?.message }));
await machine.dispose();
