import { describe, expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import type { GuestOp } from "./support/fake-gunyah.ts";
import { RAM, RAM_SIZE, started, vmWith, world } from "./support/world.ts";

type Started = Awaited<ReturnType<typeof started>>;
const run = async (s: Started, script: GuestOp[], vcpu = 0) => {
  const guest = s.fake.vcpus[vcpu] as (typeof s.fake.vcpus)[0];
  // An MMIO access that is still open is finished first.
  const open: GuestOp[] = guest.last === 4 || guest.last === 5 ? [{ op: "load", ipa: 0x3f000, size: 4 }] : [];
  guest.script = [...open, ...script, { op: "load", ipa: 0x3f000, size: 4 }];
  const exit = await (s.vcpus[vcpu] as typeof s.vcpu).run();
  return { exit, loaded: guest.loaded };
};
const read8 = (s: Started, offset: number): bigint => {
  const window = s.memory.map(offset, 4096);
  const bytes = new Uint8Array(8);
  window.read(0, bytes);
  window.unmap();
  return new DataView(bytes.buffer).getBigUint64(0, true);
};
const word = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
};

describe("lent memory", () => {
  it("carries what the host wrote before, and goes away from the host at the first touch", async () => {
    const w = world();
    const s = await started(w);
    s.memory.load(0x5000, word(77n));
    const { loaded } = await run(s, [{ op: "load", ipa: RAM + 0x5000 }]);
    expect(loaded[0]).toBe(77n);
    const pa = s.fake.map.get((RAM + 0x5000) / 4096)?.pa as number;
    expect(w.gunyah.view(pa, 8)).toBeUndefined();
  });

  it("comes back with its contents when the host maps it, and the guest faults again", async () => {
    const w = world();
    const s = await started(w);
    await run(s, [{ op: "store", ipa: RAM + 0x6000, value: 5n }]);
    expect(read8(s, 0x6000)).toBe(5n);
    expect(s.fake.map.has((RAM + 0x6000) / 4096)).toBe(false);
    const { loaded } = await run(s, [{ op: "load", ipa: RAM + 0x6000 }]);
    expect(loaded.at(-1)).toBe(5n);
  });

  it("is not lent while a mapping covers it: EPERM in attempt, and fine after munmap", async () => {
    const w = world();
    const s = await started(w);
    const window = s.memory.map(0x7000, 4096);
    const first = await run(s, [{ op: "store", ipa: RAM + 0x7000, value: 1n }]);
    expect([first.exit.reason, first.exit.attempt]).toEqual([ExitReason.PAGE_FAULT, -1]);
    window.unmap();
    const second = await s.vcpu.run();
    expect(second.reason).toBe(ExitReason.MMIO);
  });

  it("refuses the device tree's pages at start while they are mapped", async () => {
    const w = world();
    const { vm, memory } = await vmWith(w);
    memory.map(RAM_SIZE - 4096, 4096);
    await expect(vm.start()).rejects.toMatchObject({ errno: -1 });
    expect(w.gunyah.foreignPages).toBe(0);
  });

  it("is fresh and zero after punch hole, once it was taken back", async () => {
    const w = world();
    const s = await started(w);
    await run(s, [{ op: "store", ipa: RAM + 0x8000, value: 9n }]);
    s.memory.punchHole(0x8000, 0x1000);
    const { loaded } = await run(s, [{ op: "load", ipa: RAM + 0x8000 }]);
    expect(loaded.at(-1)).toBe(0n);
  });

  it("answers EBUSY to a punch hole when the hypervisor keeps the page", async () => {
    const w = world();
    const s = await started(w);
    await run(s, [{ op: "store", ipa: RAM + 0x8000, value: 9n }]);
    w.gunyah.onHypercall = (name) => (name === "addrspace_unmap" ? 30 : 0);
    expect(() => s.memory.punchHole(0x8000, 0x1000)).toThrow(expect.objectContaining({ errno: -16 }));
    w.gunyah.onHypercall = undefined;
    expect(s.fake.map.has((RAM + 0x8000) / 4096)).toBe(true);
  });

  it("serves two vCPUs that touch one page with one folio", async () => {
    const w = world({ vcpus: 2 });
    const s = await started(w, { vcpus: 2 });
    const used = w.driver.usage.usedPages;
    await Promise.all([
      run(s, [{ op: "store", ipa: RAM + 0x9000, value: 1n }], 0),
      run(s, [{ op: "load", ipa: RAM + 0x9000 }], 1),
    ]);
    expect(w.driver.usage.usedPages).toBe(used + 1);
    expect(w.gunyah.log.filter((name) => name === "memextent_donate")).toHaveLength(1);
  });

  it("comes in 2 MiB folios with ALLOW_HUGEPAGE, with one donation", async () => {
    const w = world();
    const s = await started(w, { hugePages: true });
    await run(s, [
      { op: "store", ipa: RAM + 0x1000, value: 1n },
      { op: "store", ipa: RAM + 0x1f_f000, value: 2n },
    ]);
    expect(w.gunyah.log.filter((name) => name === "memextent_donate")).toHaveLength(1);
    s.memory.punchHole(0, 0x20_0000);
    expect(s.fake.map.has((RAM + 0x1000) / 4096)).toBe(false);
  });
});

describe("bindings of a running VM", () => {
  it("take their memory back when they are unmapped", async () => {
    const w = world();
    const s = await started(w);
    await run(s, [{ op: "store", ipa: RAM, value: 1n }]);
    await s.vm.unmapMemory({ guestAddress: RAM, memory: s.memory, size: 0x1000, access: "lend" });
    const { exit } = await run(s, [{ op: "load", ipa: RAM }]);
    expect([exit.reason, exit.address, exit.attempt]).toEqual([ExitReason.PAGE_FAULT, RAM, -2]);
  });

  it("give a write fault EPERM without ALLOW_WRITE", async () => {
    const w = world();
    const s = await started(w);
    const rom = await s.device.createGuestMemory(0x1000);
    s.fake.demandRanges.push({ base: 0xa000_0000, size: 0x1000 });
    await s.vm.mapMemory({ guestAddress: 0xa000_0000, memory: rom, size: 0x1000, permissions: "rx" });
    const { exit } = await run(s, [{ op: "store", ipa: 0xa000_0000, value: 1n }]);
    expect(exit.attempt).toBe(-1);
  });

  it("let the VMM bind memory for a fault and go on", async () => {
    const w = world();
    const s = await started(w);
    s.fake.demandRanges.push({ base: 0xa000_0000, size: 0x1000 });
    const { exit } = await run(s, [{ op: "store", ipa: 0xa000_0000, value: 1n }]);
    expect(exit.attempt).toBe(-2);
    const more = await s.device.createGuestMemory(0x1000);
    await s.vm.mapMemory({ guestAddress: 0xa000_0000, memory: more, size: 0x1000 });
    expect((await s.vcpu.run()).reason).toBe(ExitReason.MMIO);
  });

  it("keep a closed file's memory until they are gone", async () => {
    const w = world();
    const s = await started(w);
    await s.memory.close();
    const { loaded } = await run(s, [
      { op: "store", ipa: RAM + 0x3000, value: 3n },
      { op: "load", ipa: RAM + 0x3000 },
    ]);
    expect(loaded[0]).toBe(3n);
    await s.process.exit();
    expect(w.gunyah.foreignPages).toBe(0);
  });
});

describe("shared memory", () => {
  it("stays with the host, and the guest's stores are there at once", async () => {
    const w = world();
    const s = await started(w);
    const shared = await s.device.createGuestMemory(0x2000);
    await s.vm.mapMemory({
      guestAddress: 0x2000_0000,
      memory: shared,
      size: 0x2000,
      access: "share",
      permissions: "rw",
    });
    const window = shared.map();
    window.write(8, word(6n));
    const { loaded } = await run(s, [
      { op: "store", ipa: 0x2000_0000, value: 4n },
      { op: "load", ipa: 0x2000_0008 },
    ]);
    expect(loaded[0]).toBe(6n);
    expect(window.bytes(0, 1)?.[0]).toBe(4);
  });
});

describe("RM", () => {
  it("replies in fragments, and an aborted reply is EIO", async () => {
    const w = world({ bells: Array.from({ length: 40 }, (_, i) => i + 10) });
    const s = await started(w);
    expect(s.fake.bells.size).toBe(40);
    w.gunyah.rmErrors.set("VM_STOP", 0x14);
    expect(w.messages).toEqual([]);
  });

  it("that dies is given up after the timeout, when one is set", async () => {
    const w = world({ driver: { rmTimeoutTicks: 1000 } });
    const { vm } = await vmWith(w);
    w.gunyah.rmDead = true;
    const starting = vm.start();
    setTimeout(() => {
      w.clock.retire(1_000_000 * Math.max(1, w.clock.instructionsPerTick));
      w.clock.fire();
    }, 5);
    await expect(starting).rejects.toMatchObject({ errno: -110 });
  });

  it("sends what does not parse: EBADMSG", async () => {
    const w = world();
    const { vm } = await vmWith(w);
    w.gunyah.mangleReply = (name, payload) =>
      name === "VM_GET_HYP_RESOURCES"
        ? [new Uint8Array([0x21, 2, 6, 0, 0x20, 0, 0, 0x56, ...payload.subarray(0, 30)])]
        : undefined;
    await expect(vm.start()).rejects.toMatchObject({ errno: -74 });
  });
});
