/** Performance monitors. Source: DDI 0487 K.a D13, D19.5. */
import { PeExit, PePpi, type PeRegister } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { Stage } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const [SW_INCR, INST_RETIRED, CPU_CYCLES, CHAIN] = [0n, 8n, 0x11n, 0x1en];
const [NOT_EL1, NOT_EL0] = [1n << 31n, 1n << 30n];
const CYCLES = 1n << 31n;
const NOP = 0xd503201f;
/** Loop of X9 turns, two instructions each: subs x9, x9, #1; b.ne .-4 */
const LOOP = [0xf1000529, 0x54ffffe1];
const E = 1n;

const set = (registers: { readonly [name: string]: bigint }) => {
  for (const [name, value] of Object.entries(registers)) pe.write(name as PeRegister, value);
};
const get = (name: string) => pe.read(name as PeRegister);

beforeEach(() => {
  stage.reset();
  set({ MDCR_EL2: 0n });
});

describe("counters", () => {
  it("say how many there are and what they count", () => {
    expect((get("PMCR_EL0") >> 11n) & 31n).toBe(6n);
    expect(get("PMCEID0_EL0")).toBe((1n << SW_INCR) | (1n << INST_RETIRED) | (1n << CPU_CYCLES) | (1n << CHAIN));
    expect(get("PMCEID1_EL0")).toBe(0n);
    expect(get("MDCR_EL2") & 31n).toBe(6n);
    // LC is RES1: no AArch32
    expect(get("PMCR_EL0") & 0x40n).toBe(0x40n);
  });
  it("count retired instructions exactly, by themselves and as cycles", () => {
    set({ PMEVTYPER0_EL0: INST_RETIRED, PMEVTYPER5_EL0: CPU_CYCLES, PMCNTENSET_EL0: CYCLES | 0x21n, PMCR_EL0: E });
    expect(stage.tryWords([NOP, NOP, ...LOOP, NOP], { X9: 1000n }, { budget: 10_000 }).kind).toBe("done");
    // three NOPs, the loop, HVC
    expect([get("PMEVCNTR0_EL0"), get("PMEVCNTR5_EL0"), get("PMCCNTR_EL0")]).toEqual([2004n, 2004n, 2004n]);
  });
  it("are exact when the guest reads them between", () => {
    set({ PMEVTYPER0_EL0: INST_RETIRED, PMCNTENSET_EL0: 1n, PMCR_EL0: E });
    // mrs x0, pmevcntr0; nop; nop; mrs x4, pmevcntr0
    stage.tryWords([0xd53be800, NOP, NOP, 0xd53be804]);
    expect((pe.x[4] as bigint) - (pe.x[0] as bigint)).toBe(3n);
  });
  it("count nothing while PMCR_EL0.E, the enable bit or the event is not there", () => {
    const counted = (registers: { readonly [name: string]: bigint }) => {
      stage.reset();
      set(registers);
      stage.tryWords([NOP, NOP]);
      return get("PMEVCNTR1_EL0");
    };
    expect(counted({ PMEVTYPER1_EL0: INST_RETIRED, PMCNTENSET_EL0: 2n, PMCR_EL0: E })).toBe(3n);
    expect(counted({ PMEVTYPER1_EL0: INST_RETIRED, PMCNTENSET_EL0: 2n, PMCR_EL0: 0n })).toBe(0n);
    expect(counted({ PMEVTYPER1_EL0: INST_RETIRED, PMCNTENSET_EL0: 1n, PMCR_EL0: E })).toBe(0n);
    expect(counted({ PMEVTYPER1_EL0: 0x23n, PMCNTENSET_EL0: 2n, PMCR_EL0: E })).toBe(0n);
    expect(counted({ PMEVTYPER1_EL0: SW_INCR, PMCNTENSET_EL0: 2n, PMCR_EL0: E })).toBe(0n);
    stage.reset();
    set({ PMEVTYPER1_EL0: INST_RETIRED, PMCNTENSET_EL0: 2n, PMCR_EL0: E });
    set({ PMCNTENCLR_EL0: 2n });
    stage.tryWords([NOP, NOP]);
    expect([get("PMEVCNTR1_EL0"), get("PMCNTENSET_EL0"), get("PMCNTENCLR_EL0")]).toEqual([0n, 0n, 0n]);
  });
  it("keep EL0 and EL1 apart by their filters", () => {
    const only = INST_RETIRED;
    set({ PMEVTYPER0_EL0: only | NOT_EL0, PMEVTYPER1_EL0: only | NOT_EL1, PMEVTYPER2_EL0: only });
    set({ PMCCFILTR_EL0: NOT_EL1, PMCNTENSET_EL0: CYCLES | 7n, PMCR_EL0: E });
    // three at EL0, SVC to the vector at EL1, which says HVC
    expect(stage.tryWords([NOP, NOP, 0xd4000001], {}, { el: 0 }).kind).toBe("el1");
    expect([0, 1, 2].map((n) => get(`PMEVCNTR${n}_EL0`))).toEqual([1n, 3n, 4n]);
    expect(get("PMCCNTR_EL0")).toBe(3n);
  });
  it("count software increments", () => {
    set({ PMEVTYPER0_EL0: SW_INCR, PMEVTYPER1_EL0: SW_INCR | NOT_EL1, PMEVTYPER2_EL0: INST_RETIRED });
    set({ PMCNTENSET_EL0: 3n, PMCR_EL0: E });
    // msr pmswinc_el0, x0 twice
    stage.tryWords([0xd51b9c80, 0xd51b9c80], { X0: 7n });
    expect([0, 1, 2].map((n) => get(`PMEVCNTR${n}_EL0`))).toEqual([2n, 0n, 0n]);
  });
  it("chain to 64 bits", () => {
    set({ PMEVTYPER2_EL0: INST_RETIRED, PMEVTYPER3_EL0: CHAIN, PMEVTYPER4_EL0: INST_RETIRED, PMEVTYPER5_EL0: 0n });
    set({ PMEVCNTR2_EL0: 0xffff_fffen, PMEVCNTR4_EL0: 0xffff_fffen, PMCNTENSET_EL0: 0x3cn, PMCR_EL0: E });
    stage.tryWords([NOP, NOP]);
    expect([2, 3, 4, 5].map((n) => get(`PMEVCNTR${n}_EL0`))).toEqual([1n, 1n, 1n, 0n]);
    expect(get("PMOVSSET_EL0")).toBe(0x14n);
  });
  it("wrap, the cycle counter at 64 bits, and remember it until PMOVSCLR", () => {
    set({ PMEVTYPER0_EL0: INST_RETIRED, PMEVCNTR0_EL0: 0xffff_ffffn, PMCCNTR_EL0: (1n << 64n) - 2n });
    set({ PMCNTENSET_EL0: CYCLES | 1n, PMCR_EL0: E });
    stage.tryWords([NOP, NOP]);
    expect([get("PMEVCNTR0_EL0"), get("PMCCNTR_EL0")]).toEqual([2n, 1n]);
    expect(get("PMOVSSET_EL0")).toBe(CYCLES | 1n);
    set({ PMOVSCLR_EL0: 1n });
    expect(get("PMOVSCLR_EL0")).toBe(CYCLES);
    set({ PMOVSSET_EL0: 0xffff_ffffn });
    expect(get("PMOVSSET_EL0")).toBe(CYCLES | 0x3fn);
    set({ PMCCNTR_EL0: 0xffff_ffffn, PMOVSCLR_EL0: 0xffff_ffffn });
    stage.tryWords([NOP]);
    expect([get("PMCCNTR_EL0"), get("PMOVSSET_EL0")]).toEqual([0x1_0000_0001n, 0n]);
  });
  it("are zeroed by PMCR_EL0.P and C", () => {
    const values = () => [get("PMEVCNTR0_EL0"), get("PMEVCNTR5_EL0"), get("PMCCNTR_EL0")];
    set({ PMEVCNTR0_EL0: 5n, PMEVCNTR5_EL0: 6n, PMCCNTR_EL0: 7n });
    set({ PMCR_EL0: 2n });
    expect(values()).toEqual([0n, 0n, 7n]);
    set({ PMEVCNTR0_EL0: 5n, PMCR_EL0: 4n });
    expect(values()).toEqual([5n, 0n, 0n]);
    expect(get("PMCR_EL0") & 6n).toBe(0n);
  });
  it("are selected by PMSELR_EL0", () => {
    set({ PMSELR_EL0: 3n, PMXEVTYPER_EL0: INST_RETIRED | NOT_EL0, PMXEVCNTR_EL0: 9n });
    expect([get("PMEVTYPER3_EL0"), get("PMEVCNTR3_EL0")]).toEqual([INST_RETIRED | NOT_EL0, 9n]);
    expect([get("PMXEVTYPER_EL0"), get("PMXEVCNTR_EL0")]).toEqual([INST_RETIRED | NOT_EL0, 9n]);
    set({ PMSELR_EL0: 31n, PMXEVTYPER_EL0: NOT_EL1 | 0x3ffn, PMXEVCNTR_EL0: 1n });
    expect(get("PMCCFILTR_EL0")).toBe(NOT_EL1);
    set({ PMSELR_EL0: 6n, PMXEVTYPER_EL0: 1n, PMXEVCNTR_EL0: 1n });
    expect([get("PMXEVTYPER_EL0"), get("PMXEVCNTR_EL0")]).toEqual([0n, 0n]);
  });
  it("go on in another PE that the state was restored into", () => {
    set({ PMEVTYPER0_EL0: INST_RETIRED, PMCNTENSET_EL0: CYCLES | 1n, PMCR_EL0: E });
    stage.tryWords([...LOOP], { X9: 10n });
    const saved = pe.save();
    const other = stage.el2.createPe(0x8000_0001n);
    other.restore(saved);
    expect(other.save()).toEqual(saved);
    expect(other.read("PMEVCNTR0_EL0" as PeRegister)).toBe(21n);
    other.write("ELR_EL2", BigInt(Stage.words()));
    other.x[9] = 10n;
    expect(other.run(1000)).toBe(PeExit.SYNC);
    expect(other.read("PMEVCNTR0_EL0" as PeRegister)).toBe(42n);
    other.dispose();
  });
});

describe("overflow", () => {
  const armed = () => {
    set({ PMEVTYPER1_EL0: INST_RETIRED, PMEVCNTR1_EL0: 2n ** 32n - 1000n, PMCNTENSET_EL0: 2n, PMCR_EL0: E });
    set({ PMINTENSET_EL1: 2n });
  };
  it("interrupts at the end of the block in which the counter wraps", () => {
    armed();
    expect(stage.tryWords(LOOP, { X9: 1_000_000n }, { budget: 100_000 }).kind).toBe("irq");
    expect(pe.pendingInterrupt).toBe(PePpi.PMU);
    expect(get("PMEVCNTR1_EL0")).toBeLessThan(4n);
    expect(get("PMOVSSET_EL0")).toBe(2n);
    // active: no longer pending, and again when it is ended without being cleared
    pe.acknowledge(PePpi.PMU);
    expect(pe.pendingInterrupt).toBe(-1);
    expect(stage.resume(100).kind).toBe("budget");
    pe.deactivate(PePpi.PMU);
    expect(pe.pendingInterrupt).toBe(PePpi.PMU);
    set({ PMOVSCLR_EL0: 2n });
    expect(pe.pendingInterrupt).toBe(-1);
  });
  it.each([
    ["PMINTENCLR_EL1", { PMINTENCLR_EL1: 2n }],
    ["PMCR_EL0.E 0", { PMCR_EL0: 0n }],
  ])("does not interrupt with %s", (_name, registers) => {
    armed();
    set(registers);
    expect(stage.tryWords(LOOP, { X9: 1_000_000n }, { budget: 10_000 }).kind).toBe("budget");
    set({ PMOVSSET_EL0: 2n });
    expect(pe.pendingInterrupt).toBe(-1);
  });
  it("interrupts by a chain when its upper half wraps", () => {
    set({ PMEVTYPER0_EL0: INST_RETIRED, PMEVTYPER1_EL0: CHAIN, PMEVCNTR0_EL0: 2n ** 32n - 500n });
    set({ PMEVCNTR1_EL0: 2n ** 32n - 1n, PMINTENSET_EL1: 2n, PMCNTENSET_EL0: 3n, PMCR_EL0: E });
    expect(stage.tryWords(LOOP, { X9: 1_000_000n }, { budget: 100_000 }).kind).toBe("irq");
    expect(get("PMEVCNTR0_EL0")).toBeLessThan(4n);
  });
  it("is found in time when the counter counts at the other EL only", () => {
    set({ PMEVTYPER1_EL0: INST_RETIRED | NOT_EL0, PMEVCNTR1_EL0: 2n ** 32n - 1n, PMCNTENSET_EL0: 2n, PMCR_EL0: E });
    set({ PMINTENSET_EL1: 2n });
    // at EL0: one SVC; the vector's first instruction is HVC, after which the counter has wrapped
    expect(stage.tryWords([NOP, NOP, 0xd4000001], {}, { el: 0, budget: 100 }).kind).toBe("el1");
    expect(pe.pendingInterrupt).toBe(PePpi.PMU);
  });
});

describe("access", () => {
  const [READ_CYCLES, WRITE_CYCLES, READ_EVENT, WRITE_EVENT] = [0xd53b9d00, 0xd51b9d00, 0xd53be800, 0xd51be800];
  const [SELECT, SOFTWARE, CONTROL, ENABLES, USER] = [0xd51b9ca0, 0xd51b9c80, 0xd53b9c00, 0xd53b9c20, 0xd53b9e00];
  const SELECTED = 0xd53b9ca0;
  const ALL = [READ_CYCLES, WRITE_CYCLES, READ_EVENT, WRITE_EVENT, SELECT, SELECTED, SOFTWARE, CONTROL, ENABLES];
  const allowed = (enable: bigint) =>
    ALL.filter((word) => {
      stage.reset();
      set({ PMUSERENR_EL0: enable });
      const outcome = stage.tryWords([word], {}, { el: 0 });
      if (outcome.kind !== "done") expect(outcome).toMatchObject({ kind: "el1", ec: 0x18 });
      return outcome.kind === "done";
    });
  it("at EL0 is what PMUSERENR_EL0 allows", () => {
    expect(allowed(0n)).toEqual([]);
    expect(allowed(1n)).toEqual(ALL);
    expect(allowed(2n)).toEqual([SOFTWARE]);
    expect(allowed(4n)).toEqual([READ_CYCLES]);
    expect(allowed(8n)).toEqual([READ_EVENT, SELECT, SELECTED]);
    stage.reset();
    expect(stage.tryWords([USER], {}, { el: 0 }).kind).toBe("done");
    // msr pmuserenr_el0, x0; mrs x0, pmintenset_el1
    for (const word of [0xd51b9e00, 0xd5389e20])
      expect(stage.tryWords([word], {}, { el: 0 })).toMatchObject({ kind: "el1", ec: 0 });
  });
  it("is trapped by MDCR_EL2.TPM, and PMCR_EL0 alone by TPMCR", () => {
    const trapped = (mdcr: bigint) =>
      [...ALL, USER, 0xd5389e20].filter((word) => {
        stage.reset();
        set({ MDCR_EL2: mdcr });
        const outcome = stage.tryWords([word]);
        if (outcome.kind !== "done") expect(outcome).toMatchObject({ kind: "el2", ec: 0x18 });
        return outcome.kind !== "done";
      });
    expect(trapped(0n)).toEqual([]);
    expect(trapped(1n << 5n)).toEqual([CONTROL]);
    expect(trapped(1n << 6n)).toEqual([...ALL, USER, 0xd5389e20]);
  });
});
