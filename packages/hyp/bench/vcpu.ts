/**
 * The way of a hypercall from a native vCPU, of vcpu_run on a scripted PE, and of an interrupt through the virtual GIC.
 * `npx tsx --conditions=gunyah-source packages/hyp/bench/vcpu.ts`; medians of 7 runs.
 */

import { Hypercall } from "@gunyah-ts/abi";
import { Machine } from "../test/machine.ts";

const BASE = 0x8100_0000;
const VMMIO = 0x1000_0000;

function measure(name: string, count: number, body: () => void): void {
  const times: number[] = [];
  for (let run = 0; run < 7; run++) {
    const start = performance.now();
    for (let i = 0; i < count; i++) body();
    times.push(((performance.now() - start) * 1e6) / count);
  }
  const median = times.sort((a, b) => a - b)[3]!;
  console.log(
    `${name.padEnd(64)} ${median.toFixed(0).padStart(6)} ns ${(1e3 / median).toFixed(2).padStart(7)} million/s`,
  );
}

const m = new Machine({ quantum: 200_000, trace: false, checkOwnership: false });
const { root } = m;
const bell = m.createDoorbell();
const x = new BigUint64Array(18);
const hvc = (fid: bigint, ...args: bigint[]): void => {
  x[0] = fid;
  for (let i = 0; i < args.length; i++) x[i + 1] = args[i]!;
  root.vcpu.hvc(x);
};
measure("hvc of a native vCPU: SMCCC_VERSION", 200_000, () => hvc(0x8000_0000n));
measure("hvc of a native vCPU: doorbell_send, unbound", 200_000, () => hvc(0xc600_8012n, bell, 1n, 0n));

root.ok(Hypercall.doorbell_bind_virq, bell, BigInt(m.env.vic), 40);
m.enableRootSpi(40);
measure("doorbell_send to oneself, interrupt acknowledged and ended", 100_000, () => hvc(0xc600_8012n, bell, 1n, 0n));

const vm = m.createVm({ vmid: 40, base: BASE, proxy: true });
const vcpu = vm.vcpus[0]!;
root.ok(Hypercall.addrspace_configure_vmmio, vm.addrspace, VMMIO, 0x1000, 0);
m.fake.program(BASE, function* (cpu) {
  for (;;) yield* cpu.load(VMMIO, 4);
});
root.ok(Hypercall.vcpu_poweron, vcpu, BASE, 0, 0);
hvc(0xc600_8065n, vcpu, 0n, 0n, 0n, 0n);
measure("vcpu_run from one vmmio read to the next, scripted PE included", 20_000, () =>
  hvc(0xc600_8065n, vcpu, 5n, 0n, 0n, 0n),
);
