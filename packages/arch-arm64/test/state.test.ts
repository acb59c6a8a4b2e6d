import { PeExit } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { Cpu } from "../src/cpu/cpu.ts";
import { SYSTEM_REGISTERS } from "../src/sysreg/table.ts";
import { Stage, WINDOW } from "./support/probe.ts";

describe("save and restore", () => {
  it("is exact in the middle of a program, at every cut", () => {
    const stage = new Stage();
    const { pe } = stage;
    const run = (cut: number) => {
      stage.reset();
      stage.map(0, 0x703n);
      stage.el2.physical.fill(0x4040_0000, 4096, 0);
      pe.write("ELR_EL2", BigInt(stage.address("p_excl")));
      pe.write("SPSR_EL2", 0x6000_03c5n);
      pe.x.set([20n, BigInt(WINDOW), 0n, 0n]);
      pe.write("FPCR", 0x40_0000n);
      pe.v.fill(0x5a);
      let cpu = pe;
      if (cut > 0) {
        expect(cpu.run(cut)).toBe(PeExit.BUDGET);
        const saved = JSON.parse(JSON.stringify(cpu.save())) as ReturnType<typeof cpu.save>;
        cpu = stage.el2.createPe(0x8000_0001n);
        cpu.restore(saved);
        expect(cpu.save()).toEqual(saved);
      }
      expect(cpu.run(10_000)).toBe(PeExit.SYNC);
      const { retired, ...end } = cpu.save();
      if (cpu !== pe) cpu.dispose();
      void retired;
      return end;
    };
    const whole = run(0);
    for (let cut = 1; cut < 30; cut++) expect(run(cut)).toEqual(whole);
  });

  it("refuses what is not a state", () => {
    const { pe } = new Stage();
    const good = pe.save();
    const refused = (state: unknown) => expect(() => pe.restore(state as typeof good)).toThrow(/ARM64_STATE_INVALID/);
    refused({ ...good, version: 2 });
    refused({ ...good, v: "00" });
    refused({ ...good, retired: -1 });
    refused({ ...good, registers: { ...good.registers, X0: "12" } });
    refused({ ...good, registers: { ...good.registers, NOT_A_REGISTER: "0x0" } });
    refused({ ...good, exclusive: { valid: true, address: "0x10", size: 8, value: "0x0" } });
  });
});

describe("reset", () => {
  it("gives every EL1 register the table's value and leaves EL2's alone", () => {
    const { pe } = new Stage();
    for (const row of SYSTEM_REGISTERS)
      if (row.kind === "slot" && row.name !== "CNTFRQ_EL0") pe.write(row.name, 0xffff_ffff_ffff_ffffn);
    const hcr = pe.read("HCR_EL2");
    pe.reset();
    for (const row of new Cpu("max").registers) {
      if (row.kind !== "slot" || row.name === "CNTFRQ_EL0" || row.op1 === 4) continue;
      expect(pe.read(row.name), row.name).toBe(row.reset);
    }
    expect(pe.read("HCR_EL2")).toBe(hcr);
    expect(pe.read("SPSR_EL2")).toBe(0x3c5n);
  });
  it("keeps bits outside a register's mask", () => {
    const { pe } = new Stage();
    for (const row of new Cpu("max").registers) {
      if (row.kind !== "slot" || row.name === "CNTFRQ_EL0" || row.name === "OSLSR_EL1") continue;
      pe.write(row.name, 0xffff_ffff_ffff_ffffn);
      expect(pe.read(row.name) & ~row.mask & 0xffff_ffff_ffff_ffffn, row.name).toBe(
        row.reset & ~row.mask & 0xffff_ffff_ffff_ffffn,
      );
    }
  });
  it("has one row for each encoding and name", () => {
    expect(new Set(SYSTEM_REGISTERS.map((r) => r.name)).size).toBe(SYSTEM_REGISTERS.length);
    expect(new Set(SYSTEM_REGISTERS.map((r) => [r.op0, r.op1, r.crn, r.crm, r.op2].join())).size).toBe(
      SYSTEM_REGISTERS.length,
    );
  });
});
