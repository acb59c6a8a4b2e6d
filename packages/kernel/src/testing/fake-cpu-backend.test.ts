import { describe, expect, it } from "vitest";
import { PeExit, PePpi } from "../contracts/cpu-backend.ts";
import { type FakeCpuBackend, fakeCpuBackend } from "./fake-cpu-backend.ts";
import type { FakePe } from "./fake-pe.ts";
import { fakeAccessControl } from "./fake-soc.ts";
import { ICC_SGI1R_EL1, type PeScript } from "./pe-script.ts";

const TABLES = 0x8080_0000;
const DATA = 0x8010_0000;
const ENTRY = 0x4000_0000;
const RW_AF = 0x7ffn | (3n << 6n);

/** One VM: 39-bit IPA space starting at level 1, page `ipa` -> `DATA`. */
function setUp(
  script: PeScript,
  attributes = RW_AF,
): { backend: FakeCpuBackend; pe: FakePe; entry: (pa: number) => void } {
  const backend = fakeCpuBackend();
  const { memory } = backend;
  const put = (at: number, value: bigint) => memory.data.setBigUint64(memory.offsetOf(at), value, true);
  put(TABLES + 8 * 1, BigInt(TABLES + 0x1000) | 3n); // IPA 0x4000_0000
  put(TABLES + 0x1000 + 8 * 1, BigInt(TABLES + 0x2000) | 3n); // + 2 MiB
  put(TABLES + 0x2000 + 8 * 3, BigInt(DATA) | attributes | 3n); // + 3 pages
  const pe = backend.createPe({ mpidr: 0x8000_0000n }) as FakePe;
  pe.write("VTTBR_EL2", BigInt(TABLES) | (7n << 48n));
  pe.write("VTCR_EL2", 25n | (1n << 6n) | (5n << 16n));
  pe.write("HCR_EL2", 1n | (1n << 4n) | (1n << 19n));
  pe.write("ELR_EL2", BigInt(ENTRY));
  backend.program(ENTRY, script);
  return { backend, pe, entry: (pa) => put(TABLES + 0x2000 + 8 * 3, pa === 0 ? 0n : BigInt(pa) | attributes | 3n) };
}
const MAPPED = 0x4020_3000;

describe("the scripted PE", () => {
  it("loads and stores through the stage-2 tables", () => {
    let seen = 0n;
    const { backend, pe } = setUp(function* (cpu) {
      yield* cpu.store(MAPPED + 8, 4, 0x1234_5678n);
      seen = yield* cpu.load(MAPPED + 9, 2);
    });
    expect(pe.run(2)).toBe(PeExit.BUDGET);
    expect(seen).toBe(0x3456n);
    expect(backend.memory.data.getUint32(backend.memory.offsetOf(DATA + 8), true)).toBe(0x1234_5678);
    expect(pe.retired).toBe(2);
    expect(backend.clock.now()).toBe(2);
  });

  it("reports a translation fault with level, syndrome and IPA, and retries the access", () => {
    let seen = 0n;
    const { backend, pe } = setUp(function* (cpu) {
      yield* cpu.nop();
      seen = yield* cpu.load(0x4020_4010, 4, 5);
    });
    expect(pe.run(100)).toBe(PeExit.SYNC);
    // EC 0x24, IL, ISV, SAS word, SRT 5, read, translation fault level 3.
    expect(pe.esr).toBe(((0x24 << 26) | (1 << 25) | (1 << 24) | (2 << 22) | (5 << 16) | 7) >>> 0);
    expect(pe.faultIpa).toBe(0x4020_4010);
    expect(pe.far).toBe(0x4020_4010n);
    expect(pe.read("ELR_EL2")).toBe(BigInt(ENTRY + 4));
    backend.memory.data.setBigUint64(backend.memory.offsetOf(TABLES + 0x2000 + 8 * 4), BigInt(DATA) | RW_AF | 3n, true);
    backend.memory.data.setUint32(backend.memory.offsetOf(DATA + 16), 77, true);
    pe.run(1);
    expect(seen).toBe(77n);
  });

  it("takes the emulated value from Xt when EL2 skips the instruction", () => {
    let seen = 0n;
    const { pe } = setUp(function* (cpu) {
      seen = yield* cpu.load(0x0900_0000, 1, 3);
    });
    expect(pe.run(10)).toBe(PeExit.SYNC);
    expect(pe.esr & 0x3f).toBe(5);
    pe.x[3] = 0xabn;
    pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
    pe.run(1);
    expect(seen).toBe(0xabn);
  });

  it("reports a permission fault for a store to a read-only page, with WnR", () => {
    const { pe } = setUp(
      function* (cpu) {
        yield* cpu.store(MAPPED, 8, 1n);
      },
      0x77fn & ~(1n << 7n),
    );
    expect(pe.run(10)).toBe(PeExit.SYNC);
    expect(pe.esr & 0x7f).toBe(0x4f);
    expect((pe.esr >>> 15) & 1).toBe(1);
  });

  it("keeps a translation until TLBI", () => {
    const { backend, pe, entry } = setUp(function* (cpu) {
      yield* cpu.load(MAPPED, 4);
      yield* cpu.load(MAPPED, 4);
      yield* cpu.load(MAPPED, 4);
    });
    pe.run(1);
    entry(0);
    expect(pe.run(1)).toBe(PeExit.BUDGET);
    backend.tlbiIpa(7, MAPPED, 4096);
    expect(pe.run(1)).toBe(PeExit.SYNC);
  });

  it("returns from HVC at the next instruction with EL2's registers", () => {
    let result = 0n;
    const { pe } = setUp(function* (cpu) {
      result = yield* cpu.call(0x6000_0000n, 5n);
    });
    expect(pe.run(10)).toBe(PeExit.SYNC);
    expect(pe.esr >>> 26).toBe(0x16);
    expect(pe.x[1]).toBe(5n);
    expect(pe.read("ELR_EL2")).toBe(BigInt(ENTRY + 4));
    pe.x[0] = 42n;
    pe.run(1);
    expect(result).toBe(42n);
  });

  it("traps SMC at its own address under HCR_EL2.TSC", () => {
    const { pe } = setUp(function* (cpu) {
      yield* cpu.smc();
    });
    expect(pe.run(10)).toBe(PeExit.SYNC);
    expect(pe.esr >>> 26).toBe(0x17);
    expect(pe.read("ELR_EL2")).toBe(BigInt(ENTRY));
  });

  it("traps a system register with the encoding of the access", () => {
    const { pe } = setUp(function* (cpu) {
      yield* cpu.trappedMsr(ICC_SGI1R_EL1, 0x100n, 4);
    });
    expect(pe.run(10)).toBe(PeExit.SYNC);
    expect(pe.esr).toBe(((0x18 << 26) | (1 << 25) | (3 << 20) | (5 << 17) | (12 << 10) | (4 << 5) | (11 << 1)) >>> 0);
    expect(pe.x[4]).toBe(0x100n);
  });

  it("waits for an interrupt, takes a list register's interrupt to EL1 and deactivates the physical one", () => {
    const log: string[] = [];
    const { backend, pe } = setUp(function* (cpu) {
      cpu.setGroup1Enabled(true);
      cpu.setPriorityMask(0xff);
      yield* cpu.msr("VBAR_EL1", 0x5000_0000n);
      cpu.masked = false;
      yield* cpu.wfi();
      log.push("woken");
    });
    backend.program(0x5000_0280, function* (cpu) {
      const intid = cpu.acknowledge();
      log.push(`irq ${intid}`);
      cpu.endOfInterrupt(intid);
      yield* cpu.eret();
    });
    pe.write("ICH_HCR_EL2", 1n);
    expect(pe.run(10)).toBe(PeExit.WAIT);
    pe.acknowledge(27);
    pe.write("ICH_LR0_EL2", (1n << 62n) | (1n << 61n) | (1n << 60n) | (0x80n << 48n) | (27n << 32n) | 27n);
    pe.listRegistersChanged();
    expect(pe.virtualInterruptPending).toBe(true);
    expect(pe.run(10)).toBe(PeExit.WAIT);
    expect(log).toEqual(["irq 27", "woken"]);
    expect(pe.read("ICH_LR0_EL2") >> 62n).toBe(0n);
    expect(pe.read("ICH_ELRSR_EL2") & 1n).toBe(1n);
  });

  it("raises the virtual timer's PPI for EL2 until it is acknowledged or masked", () => {
    const { pe } = setUp(function* (cpu) {
      yield* cpu.msr("CNTV_CVAL_EL0", 5n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.nop(100);
    });
    expect(pe.run(50)).toBe(PeExit.IRQ);
    expect(pe.pendingInterrupt).toBe(PePpi.VIRTUAL_TIMER);
    expect(pe.retired).toBe(5);
    pe.acknowledge(PePpi.VIRTUAL_TIMER);
    expect(pe.run(10)).toBe(PeExit.BUDGET);
  });

  it("sends an access that access control refuses to EL1 as an external abort", () => {
    const { backend, pe } = setUp(function* (cpu) {
      yield* cpu.msr("VBAR_EL1", 0x5000_0000n);
      yield* cpu.load(MAPPED, 4);
    });
    let esr = 0n;
    backend.program(0x5000_0200, function* (cpu) {
      esr = cpu.mrs("ESR_EL1");
      yield* cpu.wfi();
    });
    fakeAccessControl(backend.memory, 0x8090_0000).set(DATA, 4096, 2n);
    expect(pe.run(10)).toBe(PeExit.WAIT);
    expect(esr).toBe(0x9600_0010n);
  });

  it("says so when it reaches an address without a script", () => {
    const { pe } = setUp(function* (cpu) {
      yield* cpu.nop();
    });
    pe.write("ELR_EL2", 0x1000n);
    expect(() => pe.run(1)).toThrow("BUG_FAKE_PE_NO_SCRIPT");
  });
});
