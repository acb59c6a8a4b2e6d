/**
 * Hypercalls a second, and bytes of hypervisor state. Run by hand:
 * `npx tsx --conditions=gunyah-source packages/hyp/bench/hypercalls.ts`
 */

import { Hypercall, MapFlag, MemextentDonateType } from "@gunyah-ts/abi";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import { usage } from "../src/ownership/inspect.ts";
import {
  create,
  createAddrspace,
  createVm,
  createWorld,
  DRAM_BASE,
  derive,
  objectOf,
  SPARSE_RWX,
} from "../test/fixture.ts";

const MIB = 0x10_0000;
const RWX_WB = 0xf0077n;
const ROUNDS = 7;

/** Median nanoseconds of one call of `run` over batches. */
function measure(name: string, batch: number, run: (i: number) => void, calls = 1): number {
  for (let i = 0; i < batch; i++) run(i);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < batch; i++) run(i);
    times.push(((performance.now() - start) * 1e6) / (batch * calls));
  }
  times.sort((a, b) => a - b);
  const median = times[ROUNDS >> 1] as number;
  process.stdout.write(
    `${name.padEnd(44)} ${median.toFixed(0).padStart(8)} ns  ${(1e9 / median).toFixed(0).padStart(10)}/s\n`,
  );
  return median;
}

const world = createWorld({
  quiet: true,
  dramSize: 256 * MIB,
  carveOut: { base: DRAM_BASE + 240 * MIB, size: 16 * MIB },
});
const { root, caps, core } = world;
const { r } = root;
const call = (number: number, args: readonly bigint[]) => {
  for (let i = 0; i < args.length; i++) r.x[i + 1] = args[i] as bigint;
  core.hypercalls.dispatch(root, number, r);
  if (r.low(0) !== 0) throw new Error(`hypercall ${number} gave ${r.low(0)}`);
};

const bell = create(world, "doorbell");
root.ok(Hypercall.object_activate, bell);
const bellArgs = [bell, 1n, 0n];
measure("bell_send", 200_000, () => call(Hypercall.doorbell_send.number, bellArgs));

root.ok(Hypercall.addrspace_map, caps.addrspace, caps.ddr, 0, 0xf0066, MapFlag.PARTIAL, DRAM_BASE + 128 * MIB, MIB);
const queue = create(world, "msgqueue");
root.ok(Hypercall.msgqueue_configure, queue, 8 | (240 << 16));
root.ok(Hypercall.object_activate, queue);
const sendArgs = [queue, 240n, 0x100n, 0n, 0n];
const receiveArgs = [queue, 0x1000n, 240n, 0n];
measure(
  "msgq_send + msgq_recv of 240 bytes, each",
  100_000,
  () => {
    call(Hypercall.msgqueue_send.number, sendArgs);
    call(Hypercall.msgqueue_receive.number, receiveArgs);
  },
  2,
);

const before = usage(core).carveOutBytes;
const end = DRAM_BASE + 128 * MIB;
const hostAs = createAddrspace(world, 3);
const host = derive(world, caps.ddr, 0, end, SPARSE_RWX);
root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, caps.ddr, host, DRAM_BASE, 128 * MIB);
root.ok(Hypercall.addrspace_map, hostAs, host, 0, RWX_WB, MapFlag.PARTIAL, 0, end);
const hostSpace = objectOf<Addrspace>(world, hostAs);
process.stdout.write(
  `host with 128 MiB 1:1: ${usage(core).carveOutBytes - before} bytes, ${hostSpace.stage2?.bytes} of them tables\n`,
);
const guestAs = createAddrspace(world, 45);
const guest = derive(world, caps.ddr, 0, end, SPARSE_RWX);

const ipa = (i: number) => BigInt(0x8000_0000 + i * 4096);
const pa = (i: number) => BigInt(DRAM_BASE + ((i * 7919) % 32_768) * 4096);
const pages = 4096;
const lendArgs = Array.from({ length: pages }, (_, i) => [3n, host, guest, pa(i), 4096n, 0n]);
const mapArgs = Array.from({ length: pages }, (_, i) => [guestAs, guest, ipa(i), RWX_WB, 3n, pa(i), 4096n, 0n]);
const unmapArgs = Array.from({ length: pages }, (_, i) => [guestAs, guest, ipa(i), 3n, pa(i), 4096n, 0n]);
const backArgs = Array.from({ length: pages }, (_, i) => [4n, guest, host, pa(i), 4096n, 0n]);
let lent = 0;
measure(
  "donate + map, then unmap + donate, 4 KiB, each",
  10,
  () => {
    for (let i = 0; i < pages; i++) {
      call(Hypercall.memextent_donate.number, lendArgs[i] as bigint[]);
      call(Hypercall.addrspace_map.number, mapArgs[i] as bigint[]);
    }
    if (lent === 0) {
      lent = objectOf<Addrspace>(world, guestAs).stage2?.bytes ?? 0;
      process.stdout.write(
        `tables of a guest with ${pages} pages in order: ${lent} bytes, ${(lent / pages).toFixed(1)} a page\n`,
      );
    }
    for (let i = 0; i < pages; i++) {
      call(Hypercall.addrspace_unmap.number, unmapArgs[i] as bigint[]);
      call(Hypercall.memextent_donate.number, backArgs[i] as bigint[]);
    }
  },
  pages * 4,
);
call(Hypercall.memextent_donate.number, lendArgs[0] as bigint[]);
measure(
  "map + unmap 4 KiB, each",
  100_000,
  () => {
    call(Hypercall.addrspace_map.number, mapArgs[0] as bigint[]);
    call(Hypercall.addrspace_unmap.number, unmapArgs[0] as bigint[]);
  },
  2,
);
call(Hypercall.memextent_donate.number, backArgs[0] as bigint[]);

const block = BigInt(DRAM_BASE + 64 * MIB);
const SIZE = 0x20_0000n;
call(Hypercall.memextent_donate.number, [3n, host, guest, block, SIZE, 0n]);
const mapBlock = [guestAs, guest, 0x9000_0000n, RWX_WB, 3n, block, SIZE, 0n];
const unmapBlock = [guestAs, guest, 0x9000_0000n, 3n, block, SIZE, 0n];
measure(
  "map + unmap 2 MiB, each",
  100_000,
  () => {
    call(Hypercall.addrspace_map.number, mapBlock);
    call(Hypercall.addrspace_unmap.number, unmapBlock);
  },
  2,
);

const empty = usage(core).carveOutBytes;
createVm(world, 100);
process.stdout.write(`a VM's capability space and address space: ${usage(core).carveOutBytes - empty} bytes\n`);
