/** What reads and writes of the PMU's registers do. Source: DDI 0487 K.a, D19.5. */
import { S } from "../state/block.ts";
import type { PeCore } from "../state/core.ts";
import { EVENT_COUNTERS, PMCCFILTR_MASK, PMCEID0, PMEVTYPER_MASK } from "./monitors.ts";

interface Behaviour {
  readNumber?(pe: PeCore): number;
  read(pe: PeCore): bigint;
  write?(pe: PeCore, value: bigint): void;
}

/** The counters are exact when read. */
const synced = (slot: number) => ({
  read: (pe: PeCore) => {
    pe.pmu.sync();
    return pe.state.slot(slot);
  },
});
/** Whatever a write changes, what has retired before counts by the old rules, and the interrupt may change. */
const changing = (write: (pe: PeCore, value: bigint) => void) => (pe: PeCore, value: bigint) => {
  pe.pmu.sync();
  write(pe, value);
  pe.pmu.update();
  pe.interruptsChanged();
};
const low = (value: bigint) => Number(value & 0xffff_ffffn) | 0;

const bits = (slot: number, set: boolean): Behaviour => ({
  ...synced(slot),
  write: changing((pe, value) => pe.pmu.change(slot, low(value), set)),
});
const counter = (slot: number): Behaviour => ({
  ...synced(slot),
  write: changing((pe, value) => pe.state.setSlot(slot, value & 0xffff_ffffn)),
});
const type = (slot: number, mask: bigint): Behaviour => ({
  ...synced(slot),
  write: changing((pe, value) => pe.state.setSlot(slot, value & mask)),
});
const selected = (isType: boolean): Behaviour => ({
  read: (pe) => {
    pe.pmu.sync();
    const slot = pe.pmu.selected(isType);
    return slot === undefined ? 0n : pe.state.slot(slot);
  },
  write: changing((pe, value) => {
    const slot = pe.pmu.selected(isType);
    if (slot === undefined) return;
    const mask = isType ? (slot === S.PMCCFILTR ? PMCCFILTR_MASK : PMEVTYPER_MASK) : 0xffff_ffffn;
    pe.state.setSlot(slot, value & mask);
  }),
});

export const PMU_BEHAVIOUR: { readonly [register: string]: Behaviour } = {
  PMCR_EL0: {
    read: (pe) => BigInt(pe.pmu.control),
    write: changing((pe, value) => pe.pmu.writeControl(low(value))),
  },
  PMCNTENSET_EL0: bits(S.PMCNTENSET, true),
  PMCNTENCLR_EL0: bits(S.PMCNTENSET, false),
  PMOVSSET_EL0: bits(S.PMOVSSET, true),
  PMOVSCLR_EL0: bits(S.PMOVSSET, false),
  PMINTENSET_EL1: bits(S.PMINTENSET, true),
  PMINTENCLR_EL1: bits(S.PMINTENSET, false),
  PMSWINC_EL0: { read: () => 0n, write: changing((pe, value) => pe.pmu.softwareIncrement(low(value))) },
  PMCEID0_EL0: { read: () => BigInt(PMCEID0) },
  PMCCNTR_EL0: { ...synced(S.PMCCNTR), write: changing((pe, value) => pe.state.setSlot(S.PMCCNTR, value)) },
  PMCCFILTR_EL0: type(S.PMCCFILTR, PMCCFILTR_MASK),
  PMXEVTYPER_EL0: selected(true),
  PMXEVCNTR_EL0: selected(false),
  ...Object.fromEntries(
    Array.from({ length: EVENT_COUNTERS }, (_, n) => [
      [`PMEVCNTR${n}_EL0`, counter(S.PMEVCNTR0 + n)],
      [`PMEVTYPER${n}_EL0`, type(S.PMEVTYPER0 + n, PMEVTYPER_MASK)],
    ]).flat(),
  ),
};
