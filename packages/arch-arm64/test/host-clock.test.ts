/** Time from outside: a counter that the host moves and instructions do not. */
import { createHostClock, PeExit, PePpi } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { Stage } from "./support/probe.ts";

/** Milliseconds of the host; each look at them adds `step`. */
const host = { ms: 0, step: 0, looks: 0 };
const clock = createHostClock({
  frequencyHz: 1_000_000,
  milliseconds: () => {
    host.looks++;
    host.ms += host.step;
    return host.ms;
  },
});
const stage = new Stage({ clock });
const { pe } = stage;

beforeEach(() => {
  host.step = 0;
  stage.reset();
  pe.write("CNTV_CTL_EL0", 0n);
  pe.write("CNTP_CTL_EL0", 0n);
  pe.write("CNTVOFF_EL2", 0n);
  pe.deactivate(PePpi.VIRTUAL_TIMER);
});

const microseconds = () => BigInt(clock.now());

describe("host clock", () => {
  it("is what CNTVCT_EL0 and CNTPCT_EL0 read, however many instructions retire", () => {
    host.ms = 5;
    expect(stage.try("p_cntvct")).toMatchObject({ kind: "done" });
    expect(pe.x[0]).toBe(5000n);
    expect(stage.try("p_loop", { X0: 100_000 }, { budget: 1_000_000 }).kind).toBe("done");
    stage.try("p_cntvct");
    expect(pe.x[0]).toBe(5000n);
    host.ms = 7.25;
    pe.write("CNTVOFF_EL2", 250n);
    stage.try("p_cntvct");
    expect(pe.x[0]).toBe(7000n);
    pe.write("CNTHCT_EL2", 3n);
    stage.try("p_cntpct");
    expect(pe.x[0]).toBe(7250n);
  });
  it("raises PPI 27 in the middle of a run, when the host's time has come", () => {
    pe.write("CNTV_CVAL_EL0", microseconds() + 1000n);
    pe.write("CNTV_CTL_EL0", 1n);
    expect(stage.try("p_spin", { X0: 0 }, { budget: 100_000 }).kind).toBe("budget");
    expect(pe.pendingInterrupt).toBe(-1);
    expect(pe.read("CNTV_CTL_EL0")).toBe(1n);
    // From here the host's time moves by 10 us at each look.
    host.step = 0.01;
    const before = pe.retired;
    expect(stage.resume(2_000_000_000)).toMatchObject({ kind: "irq" });
    expect(pe.pendingInterrupt).toBe(PePpi.VIRTUAL_TIMER);
    expect(pe.read("CNTV_CTL_EL0")).toBe(5n);
    // An armed timer is looked at several times a millisecond of full speed, not once a budget.
    expect(pe.retired - before).toBeLessThan(20_000_000);
  });
  it("does not look at the clock between instructions when no timer is armed", () => {
    const looks = host.looks;
    expect(stage.try("p_loop", { X0: 1_000_000 }, { budget: 10_000_000 }).kind).toBe("done");
    expect(host.looks - looks).toBeLessThan(50);
  });
  it("says nothing for a timer that is masked, and raises it when it is unmasked after its time", () => {
    pe.write("CNTV_CVAL_EL0", microseconds() + 10n);
    pe.write("CNTV_CTL_EL0", 3n);
    host.ms += 1;
    expect(stage.try("p_spin", {}, { budget: 50_000 }).kind).toBe("budget");
    expect(pe.read("CNTV_CTL_EL0")).toBe(7n);
    pe.write("CNTV_CTL_EL0", 1n);
    expect(pe.run(50_000)).toBe(PeExit.IRQ);
  });
  it("leaves WFI with WAIT, and at once with IRQ when the timer's time has come", () => {
    pe.write("CNTV_CVAL_EL0", microseconds() + 1000n);
    pe.write("CNTV_CTL_EL0", 1n);
    expect(stage.try("p_wfi").kind).toBe("wait");
    host.ms += 2;
    expect(stage.resume().kind).toBe("irq");
    expect(pe.pendingInterrupt).toBe(PePpi.VIRTUAL_TIMER);
  });
  it("goes on after save and restore with the compare value, against the clock of its new machine", () => {
    pe.write("CNTV_CVAL_EL0", microseconds() + 1000n);
    pe.write("CNTV_CTL_EL0", 1n);
    const saved = pe.save();
    pe.reset();
    pe.restore(saved);
    expect(stage.try("p_spin", {}, { budget: 1000 }).kind).toBe("budget");
    host.ms += 1;
    expect(stage.resume().kind).toBe("irq");
  });
});
