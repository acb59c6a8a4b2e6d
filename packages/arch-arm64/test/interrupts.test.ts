import { PeExit, PePpi } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { LIST_REGISTERS } from "../src/sysreg/table.ts";
import { DATA, Stage, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const PENDING = 0x4000_0000;
const ACTIVE = 0x8000_0000;
const HW = 0x2000_0000;
const GROUP1 = 0x1000_0000;

/** List register n: INTID, state and flags, priority. */
const lr = (n: number, intid: number, high: number, priority = 0xa0, pintid = 0) => {
  pe.listRegisters[n * 2] = intid;
  pe.listRegisters[n * 2 + 1] = (high | (priority << 16) | pintid) >>> 0;
  pe.listRegistersChanged();
};
const stateOf = (n: number) => (pe.listRegisters[n * 2 + 1] as number) >>> 30;
const icc = (label: string, x0 = 0) => {
  expect(stage.try(label, { X0: x0 }, { keepTlb: true }).kind, label).toBe("done");
  return Number(pe.x[0]);
};

beforeEach(() => {
  stage.reset();
  for (let n = 0; n < LIST_REGISTERS; n++) lr(n, 0, 0, 0);
  pe.write("ICH_HCR_EL2", 1n);
  pe.write("ICH_VMCR_EL2", 0n);
  pe.write("ICH_AP0R0_EL2", 0n);
  pe.write("ICH_AP1R0_EL2", 0n);
  pe.write("HCR_EL2", 0x8008_003bn);
  icc("p_pmrw", 0xf0);
  icc("p_igrpen1", 1);
});

describe("virtual CPU interface", () => {
  it("takes a pending interrupt when unmasked, acknowledges and ends it", () => {
    lr(0, 40, PENDING | GROUP1);
    expect(pe.virtualInterruptPending).toBe(true);
    expect(stage.try("p_spin", {}, { spsr: 0x345n })).toMatchObject({ kind: "el1", vector: 5 });
    expect(icc("p_iar1")).toBe(40);
    expect(stateOf(0)).toBe(2);
    expect(icc("p_rpr")).toBe(0xa0);
    expect(pe.virtualInterruptPending).toBe(false);
    icc("p_eoir1", 40);
    expect(stateOf(0)).toBe(0);
    expect(icc("p_rpr")).toBe(0xff);
    expect(icc("p_iar1")).toBe(1023);
  });
  it("waits while PSTATE.I masks and is taken by MSR DAIFClr", () => {
    lr(0, 40, PENDING | GROUP1);
    expect(stage.try("p_nop").kind).toBe("done");
    expect(stage.try("p_daifclr")).toMatchObject({
      kind: "el1",
      vector: 5,
      elr: BigInt(stage.address("p_daifclr") + 4),
    });
  });
  it("signals group 0 as FIQ", () => {
    icc("p_igrpen0", 1);
    lr(0, 3, PENDING);
    expect(stage.try("p_spin", {}, { spsr: 0x385n })).toMatchObject({ kind: "el1", vector: 6 });
    expect(icc("p_iar1")).toBe(1023);
    expect(icc("p_iar0")).toBe(3);
  });
  it("holds back what PMR masks and disabled groups", () => {
    icc("p_pmrw", 0x80);
    lr(0, 40, PENDING | GROUP1, 0x80);
    expect(pe.virtualInterruptPending).toBe(false);
    expect(icc("p_hppir1")).toBe(40);
    icc("p_pmrw", 0x88);
    expect(pe.virtualInterruptPending).toBe(true);
    icc("p_igrpen1", 0);
    expect(pe.virtualInterruptPending).toBe(false);
  });
  it("preempts by group priority only, and unwinds the running priorities", () => {
    icc("p_bpr1w", 5);
    lr(0, 40, PENDING | GROUP1, 0xa0);
    expect(icc("p_iar1")).toBe(40);
    lr(1, 41, PENDING | GROUP1, 0x90);
    // BPR1 5: group priority is bits 7:5, 0x80 for both 0x90 and 0x88
    expect(pe.virtualInterruptPending).toBe(true);
    expect(icc("p_iar1")).toBe(41);
    lr(2, 42, PENDING | GROUP1, 0x88);
    expect(pe.virtualInterruptPending).toBe(false);
    expect(icc("p_rpr")).toBe(0x80);
    icc("p_eoir1", 41);
    expect(icc("p_rpr")).toBe(0xa0);
    expect(icc("p_iar1")).toBe(42);
    icc("p_eoir1", 42);
    icc("p_eoir1", 40);
    expect(icc("p_rpr")).toBe(0xff);
  });
  it("splits priority drop and deactivation with EOImode", () => {
    icc("p_ctlrw", 2);
    lr(0, 40, PENDING | GROUP1);
    icc("p_iar1");
    icc("p_eoir1", 40);
    expect(stateOf(0)).toBe(2);
    icc("p_dir", 40);
    expect(stateOf(0)).toBe(0);
  });
  it("keeps a second edge pending through the first one's end", () => {
    lr(0, 40, (PENDING | ACTIVE | GROUP1) >>> 0);
    pe.write("ICH_AP1R0_EL2", 1n << 20n);
    expect(pe.virtualInterruptPending).toBe(false);
    icc("p_eoir1", 40);
    expect(stateOf(0)).toBe(1);
    expect(pe.virtualInterruptPending).toBe(true);
  });
  it("reports maintenance: EOI, U, NP, LRENP, groups", () => {
    lr(0, 40, PENDING | GROUP1, 0xa0, 1 << 9);
    icc("p_iar1");
    expect(stage.try("p_eoir1", { X0: 40 }).kind).toBe("irq");
    expect(pe.read("ICH_EISR_EL2")).toBe(1n);
    expect(Number(pe.read("ICH_ELRSR_EL2"))).toBe(0xfffe);
    expect(pe.read("ICH_MISR_EL2")).toBe(1n);
    expect(pe.pendingInterrupt).toBe(PePpi.MAINTENANCE);
    lr(0, 0, 0, 0);
    pe.write("ICH_HCR_EL2", 1n | 2n | 8n | 64n);
    expect(pe.read("ICH_MISR_EL2")).toBe(2n | 8n | 64n);
    // An end of interrupt without a list register counts
    pe.write("ICH_HCR_EL2", 1n | 4n);
    pe.write("ICH_AP1R0_EL2", 1n << 20n);
    // Only the priority drop finds something to end; EOIcount goes up.
    expect(stage.try("p_eoir1", { X0: 77 }).kind).toBe("irq");
    expect(pe.read("ICH_HCR_EL2") >> 27n).toBe(1n);
    expect(pe.read("ICH_MISR_EL2")).toBe(4n);
    pe.write("ICH_HCR_EL2", 1n);
  });
  it("has the register values of its configuration", () => {
    expect(pe.read("ICH_VTR_EL2")).toBe(0x9038_000fn);
    expect(pe.listRegisterCount).toBe(16);
  });
});

describe("HCR_EL2 virtual interrupts", () => {
  it.each([
    ["VI", 7n, 5, 0x345n],
    ["VF", 6n, 6, 0x385n],
    ["VSE", 8n, 7, 0x2c5n],
  ] as const)("%s is taken", (_, bit, vector, spsr) => {
    pe.write("HCR_EL2", 0x8008_003bn | (1n << bit));
    expect(stage.try("p_spin", {}, { spsr })).toMatchObject({ kind: "el1", vector });
    if (bit === 8n) expect(pe.read("HCR_EL2") & 0x100n).toBe(0n);
  });
});

describe("timers", () => {
  it("raises PPI 27 exactly when the virtual counter reaches the compare value", () => {
    pe.write("CNTKCTL_EL1", 0n);
    const before = pe.retired;
    const counter = stage.el2.clock.now();
    expect(stage.try("p_timer", { X0: 0, X1: 20 }, { spsr: 0x3c5n, budget: 100_000 }).kind).toBe("irq");
    expect(pe.pendingInterrupt).toBe(PePpi.VIRTUAL_TIMER);
    // TVAL counts from the MSR itself; the loop's blocks have two instructions.
    expect(stage.el2.clock.now()).toBe(counter + 20);
    expect(pe.retired - before).toBeLessThanOrEqual(21 * 50 + 2);
    expect(pe.read("CNTV_CTL_EL0")).toBe(5n);

    pe.acknowledge(PePpi.VIRTUAL_TIMER);
    expect(pe.pendingInterrupt).toBe(-1);
    lr(0, 27, PENDING | GROUP1 | HW, 0xa0, 27);
    expect(stage.resume(1000)).toMatchObject({ kind: "el1", vector: 5 });
    expect(icc("p_iar1")).toBe(27);
    // The guest's end of interrupt deactivates the physical one, whose level is still high.
    expect(stage.try("p_eoir1", { X0: 27 }, { keepTlb: true }).kind).toBe("irq");
    expect(pe.pendingInterrupt).toBe(PePpi.VIRTUAL_TIMER);
    pe.write("CNTV_CTL_EL0", 0n);
    expect(pe.pendingInterrupt).toBe(-1);
  });
  it("counts retired instructions exactly at CNTVCT_EL0", () => {
    const clock = stage.el2.clock;
    pe.write("CNTVOFF_EL2", 1000n);
    const now = BigInt(clock.now());
    const retired = pe.retired;
    stage.try("p_loop", { X0: 5000 }, { budget: 100_000 });
    const ticks = Math.floor((pe.retired - retired) / 50);
    expect(Number(BigInt(clock.now()) - now) - ticks).toBeLessThanOrEqual(1);
    stage.try("p_cntvct");
    expect(BigInt.asIntN(64, pe.x[0] as bigint)).toBe(BigInt(clock.now()) - 1000n);
    pe.write("CNTVOFF_EL2", 0n);
  });
  it("wakes WFI by a pending interrupt and otherwise leaves with WAIT", () => {
    expect(stage.try("p_wfi").kind).toBe("wait");
    expect(pe.read("ELR_EL2")).toBe(BigInt(stage.address("p_wfi") + 4));
    lr(0, 40, PENDING | GROUP1);
    expect(stage.try("p_wfi").kind).toBe("done");
    lr(0, 0, 0);
    // The event that every start is.
    stage.try("p_wfe");
    expect(stage.try("p_wfe").kind).toBe("wait");
    stage.try("p_sevl");
    expect(stage.try("p_wfe").kind).toBe("done");
  });
  it("ends run by the budget and by requestExit", () => {
    const before = pe.retired;
    expect(stage.try("p_spin", { X0: 0 }, { budget: 1001 }).kind).toBe("budget");
    expect(pe.retired - before).toBeGreaterThanOrEqual(1001);
    expect(pe.retired - before).toBeLessThanOrEqual(1003);
    pe.requestExit();
    const again = pe.retired;
    expect(pe.run(1_000_000)).toBe(PeExit.BUDGET);
    expect(pe.retired - again).toBeLessThan(10);
  });
});

describe("several PEs", () => {
  it("loses no increment of an exclusive loop, whatever the interleaving", () => {
    const other = stage.el2.createPe(0x8000_0001n);
    stage.reset(other);
    const { data } = stage.el2.physical;
    const at = stage.el2.physical.offsetOf(DATA);
    data.setBigUint64(at, 0n, true);
    stage.map(0, 0x703n);
    for (const [cpu, count] of [
      [pe, 1000],
      [other, 1500],
    ] as const) {
      cpu.write("ELR_EL2", BigInt(stage.address("p_excl")));
      cpu.write("SPSR_EL2", 0x3c5n);
      cpu.x[0] = BigInt(count);
      cpu.x[1] = BigInt(WINDOW);
      cpu.x[3] = 0n;
    }
    let slice = 1;
    const done = [false, false];
    while (done.includes(false)) {
      [pe, other].forEach((cpu, i) => {
        if (done[i] !== true) done[i] = cpu.run((slice = (slice * 7 + 3) % 23) + 1) === PeExit.SYNC;
      });
    }
    expect(data.getBigUint64(at, true)).toBe(2500n);
    expect((pe.x[3] as bigint) + (other.x[3] as bigint)).toBeGreaterThan(0n);
    other.dispose();
  });
  it("opens the monitor on an exception return", () => {
    expect(stage.try("p_ldxr", { X1: WINDOW }).kind).toBe("done");
    // HVC and the return from it came between
    expect(stage.try("p_stxr", { X0: 1, X1: WINDOW, X2: 0 }).kind).toBe("done");
    expect(pe.x[2]).toBe(1n);
  });
});
