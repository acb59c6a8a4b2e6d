/**
 * MEM_LEND and MEM_RECLAIM of one parcel, round trips a second, on the real hypervisor: two requests, two replies, an
 * extent made and destroyed. Run by hand: `npx tsx --conditions=gunyah-source packages/rm/bench/lend-reclaim.ts`.
 */
import { lendRequest, make } from "../test/host.ts";
import { bootSystem } from "../test/system.ts";

const ROUNDS = 7;
const PER_ROUND = 300;
const AT = 0x8090_0000;

function measure(name: string, once: () => void): void {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < PER_ROUND; i++) once();
    rates.push((PER_ROUND * 1000) / (performance.now() - start));
  }
  rates.sort((a, b) => a - b);
  console.log(`${name}: ${Math.round(rates[ROUNDS >> 1] as number)} a second (median of ${ROUNDS})`);
}

const { host, ...system } = bootSystem({ quiet: true });
const { vmid } = make({ host, ...system }, "LOAD");
const lendAndReclaim = (size: number) => () => {
  const { handle } = host.ok("MEM_LEND", lendRequest(vmid, AT, size));
  host.ok("MEM_RECLAIM", { handle, flags: 0 });
};
measure("VM_GET_VMID", () => host.ok("VM_GET_VMID", {}));
measure("lend + reclaim, 4 KiB", lendAndReclaim(0x1000));
measure("lend + reclaim, 2 MiB", lendAndReclaim(0x20_0000));
const pages = Array.from({ length: 512 }, (_, i) => ({ address: BigInt(AT + i * 0x2000), size: 0x1000n }));
measure("lend + reclaim, 512 separate pages", () => {
  const { handle } = host.ok("MEM_LEND", { ...lendRequest(vmid, AT, 0), sgl: pages });
  host.ok("MEM_RECLAIM", { handle, flags: 0 });
});
