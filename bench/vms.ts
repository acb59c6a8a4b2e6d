/**
 * Process memory of a VM that waits: VMs per GiB. Each has one vCPU, touches a few pages and executes WFI.
 *
 * npx tsx --conditions=gunyah-source bench/vms.ts [VMs, at most 31]
 */
import { defaultPlugins, virtBoard } from "@gunyah-ts/cli";
import { createMachine, Hypervisor } from "@gunyah-ts/kernel";
import { ProgramConsole, VmmService } from "@gunyah-ts/vmm";

const MiB = 2 ** 20;
const MEMORY = 16 * MiB;
const count = Number(process.argv[2] ?? 24);
/** WFI; B . - 4 */
const kernel = new Uint8Array(Uint32Array.of(0xd503_207f, 0x17ff_ffff).buffer);

const machine = await createMachine({ soc: virtBoard(count * MEMORY), plugins: defaultPlugins(), clock: "virtual" });
await machine.start();
const vmm = machine.get(VmmService);
const { inspect } = machine.get(Hypervisor);
const waiting = (): number => inspect.vms().filter(({ vcpus }) => vcpus.some(({ retired }) => retired > 0)).length;

const vms: Awaited<ReturnType<typeof vmm.createVm>>[] = [];
const runs: Promise<unknown>[] = [];
const add = async (): Promise<void> => {
  const vm = await vmm.createVm({
    kernel,
    kernelAddress: 0x8000_0000,
    memory: MEMORY,
    devices: [],
    console: new ProgramConsole(),
  });
  const before = waiting();
  runs.push(vm.run());
  while (waiting() === before) await new Promise((resolve) => setImmediate(resolve));
  vms.push(vm);
};
// The first VM pays for what all share: compiled code, tables of the machine.
await add();
const from = process.memoryUsage().rss;
while (vms.length < count) await add();
const each = (process.memoryUsage().rss - from) / (count - 1);
console.log(
  `${count} VMs of ${MEMORY / MiB} MiB: ${(each / MiB).toFixed(2)} MiB of process memory each, ` +
    `${Math.floor(1024 / (each / MiB))} VMs per GiB`,
);
for (const vm of vms) await vm.close();
await Promise.all(runs);
await machine.dispose();
