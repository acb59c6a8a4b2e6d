import { type Pe, PePpi, type PeRegister } from "@gunyah-ts/kernel";
import { expect, it } from "vitest";
import { PmuInterrupt } from "./pmu-interrupt.ts";

/** What the interrupt needs of a PE: three registers and the PPI. */
function standIn(registers: { readonly [name in PeRegister]?: bigint }) {
  const calls: string[] = [];
  const pe = {
    read: (name: PeRegister) => registers[name] ?? 0n,
    acknowledge: (intid: number) => calls.push(`acknowledge ${intid}`),
    deactivate: (intid: number) => calls.push(`deactivate ${intid}`),
  } as unknown as Pe;
  return { pe, calls };
}
const ON = { PMCR_EL0: 1n, PMOVSSET_EL0: 3n, PMINTENSET_EL1: 2n };

it("acknowledges the PE's PPI, so that it does not interrupt EL2 again", () => {
  const { pe, calls } = standIn(ON);
  new PmuInterrupt(pe).interrupt();
  expect(calls).toEqual([`acknowledge ${PePpi.PMU}`]);
});

it.each([
  [true, ON],
  [false, { ...ON, PMCR_EL0: 0n }],
  [false, { ...ON, PMOVSSET_EL0: 1n }],
  [false, { ...ON, PMINTENSET_EL1: 0n }],
])("is asserted: %s", (asserted, registers) => {
  const { pe, calls } = standIn(registers);
  expect(new PmuInterrupt(pe).source.checkPending(false)).toBe(asserted);
  // what went away ends its PPI, else the next overflow would never interrupt
  expect(calls).toEqual(asserted ? [] : [`deactivate ${PePpi.PMU}`]);
});
