/**
 * Benchmarks of the host driver, run by hand: medians of several rounds.
 *
 * npx tsx --conditions=gunyah-source packages/vm-manager/bench/host-driver.bench.ts
 */
import { GunyahDevice } from "../src/index.ts";
import type { GuestOp } from "../test/support/fake-gunyah.ts";
import { guestTree, system } from "../test/support/system.ts";
import { RAM, started, world } from "../test/support/world.ts";

const ROUNDS = 7;

async function median(name: string, unit: string, round: () => Promise<{ count: number; ms: number }>): Promise<void> {
  const rates: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const { count, ms } = await round();
    rates.push(count / ms);
  }
  rates.sort((a, b) => a - b);
  const rate = (rates[ROUNDS >> 1] as number) * 1000;
  console.log(
    `${name.padEnd(44)} ${Math.round(rate).toLocaleString("en")} ${unit}/s, ${(1e6 / rate).toFixed(2)} us each`,
  );
}
const time = async (count: number, body: () => unknown) => {
  const from = performance.now();
  await body();
  return { count, ms: performance.now() - from };
};

/** A guest that runs `script`, then asks for the VMM. */
async function scripted(script: GuestOp[], hugePages = false, bells: number[] = []) {
  const w = world({ dramSize: 128 << 20, bells });
  const made = await started(w, { hugePages });
  const guest = made.fake.vcpus[0] as (typeof made.fake.vcpus)[0];
  guest.script = [...script, { op: "load", ipa: 0x3f000, size: 4 }];
  return { w, ...made };
}

await median("page faults, 4 KiB, driver alone", "faults", async () => {
  const pages = 1000;
  const { vcpu } = await scripted(
    Array.from({ length: pages }, (_, i) => ({ op: "store", ipa: RAM + i * 4096, value: 1n }) as const),
  );
  return time(pages, () => vcpu.run());
});

await median("ioeventfd signals", "signals", async () => {
  const stores = 5000;
  const s = await scripted(
    Array.from({ length: stores }, () => ({ op: "store", ipa: 0x1000, value: 1n, size: 4 }) as const),
  );
  const event = s.device.createEventFd();
  await s.vm.addIoeventfd({ fd: event.fd, address: 0x1000, length: 4 });
  return time(stores, () => s.vcpu.run());
});

await median("irqfd signals", "signals", async () => {
  const s = await scripted([], false, [7]);
  const event = s.device.createEventFd();
  await s.vm.addIrqfd({ fd: event.fd, label: 7 });
  return time(20_000, () => {
    for (let i = 0; i < 20_000; i++) event.event.signal();
  });
});

await median("MMIO exits handled by serve()", "exits", async () => {
  const loads = 5000;
  const { vcpu } = await scripted(
    Array.from({ length: loads }, () => ({ op: "load", ipa: 0x3f000, size: 4 }) as const),
  );
  let left = loads;
  return time(loads, () =>
    vcpu.serve((exit) => {
      exit.value = 1;
      return --left === 0;
    }),
  );
});

const SIZE = 32 << 20;
async function real(hugePages: boolean, faults: number, step: number) {
  const s = system();
  let first = 0;
  s.backend.program(RAM, function* (cpu) {
    first = performance.now();
    for (let i = 0; i < faults; i++) yield* cpu.store(RAM + i * step, 8, 1n);
    yield* cpu.call(0x8400_0008n);
  });
  const device = GunyahDevice.open(s.driver.createProcess());
  const from = performance.now();
  const vm = await device.createVm();
  const memory = await device.createGuestMemory(SIZE, { hugePages });
  memory.load(SIZE - (1 << 20), guestTree(RAM, 1));
  await vm.mapMemory({ guestAddress: RAM, memory, size: SIZE });
  const vcpu = await vm.addVcpu(0);
  await vm.setDtbConfig({ guestAddress: RAM + SIZE - (1 << 20), size: 0x1_0000 });
  await vm.start();
  const running = performance.now();
  await vcpu.run();
  return { boot: first - from, run: performance.now() - running };
}

await median("page faults, 4 KiB, with hypervisor", "faults", async () => {
  const { run } = await real(false, 2000, 4096);
  return { count: 2000, ms: run };
});
await median("page faults, 2 MiB, with hypervisor", "faults", async () => {
  const { run } = await real(true, 15, 2 << 20);
  return { count: 15, ms: run };
});
await median("create to first instruction", "VMs", async () => {
  const { boot } = await real(false, 1, 4096);
  return { count: 1, ms: boot };
});
