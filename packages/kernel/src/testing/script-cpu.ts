/** What a script sees of its scripted PE: instructions that it yields, and state that it reads. */
import type { Pe } from "../contracts/cpu-backend.ts";
import type { FakeVirtualCpuInterface } from "./fake-vcpu-interface.ts";
import type { PeStep, ScriptCpu, SysregEncoding } from "./pe-script.ts";

const PSTATE_I = 1n << 7n;

export function makeScriptCpu(pe: Pick<Pe, "x" | "read" | "write">, gic: FakeVirtualCpuInterface): ScriptCpu {
  const { x } = pe;
  const trapped = function* (encoding: SysregEncoding, rt: number, read: boolean): PeStep<void> {
    yield { kind: "trapped-sysreg", encoding, rt, read };
  };
  return {
    x,
    get masked() {
      return (pe.read("SPSR_EL2") & PSTATE_I) !== 0n;
    },
    set masked(value) {
      const spsr = pe.read("SPSR_EL2");
      pe.write("SPSR_EL2", value ? spsr | PSTATE_I : spsr & ~PSTATE_I);
    },
    *load(ipa, size, rt = 9) {
      yield { kind: "load", ipa, size, rt };
      const value = BigInt.asUintN(size * 8, x[rt] ?? 0n);
      x[rt] = value;
      return value;
    },
    *store(ipa, size, value, rt = 9) {
      x[rt] = value;
      yield { kind: "store", ipa, size, rt };
    },
    *accessWithoutSyndrome(ipa, write) {
      yield { kind: "access-no-syndrome", ipa, write };
    },
    *hvc(imm = 0) {
      yield { kind: "hvc", imm };
    },
    *call(...args) {
      args.forEach((value, i) => {
        x[i] = value;
      });
      yield { kind: "hvc", imm: 0 };
      return x[0] as bigint;
    },
    *smc(imm = 0) {
      yield { kind: "smc", imm };
    },
    *wfi() {
      yield { kind: "wfi" };
    },
    *wfe() {
      yield { kind: "wfe" };
    },
    *sev() {
      yield { kind: "sev" };
    },
    *sevl() {
      yield { kind: "sevl" };
    },
    *nop(count = 1) {
      yield { kind: "nop", count };
    },
    *trappedMsr(encoding, value, rt = 9) {
      x[rt] = value;
      yield* trapped(encoding, rt, false);
    },
    *trappedMrs(encoding, rt = 9) {
      yield* trapped(encoding, rt, true);
      return x[rt] ?? 0n;
    },
    *msr(name, value) {
      yield { kind: "msr", name, value };
    },
    mrs: (name) => pe.read(name),
    *eret() {
      yield { kind: "eret" };
    },
    acknowledge: () => gic.acknowledge(),
    endOfInterrupt: (intid) => gic.endOfInterrupt(intid),
    deactivateInterrupt: (intid) => gic.deactivate(intid),
    setPriorityMask(mask) {
      gic.vmcr = ((gic.vmcr & 0xff_ffff) | (mask << 24)) >>> 0;
    },
    setGroup1Enabled(enabled) {
      gic.vmcr = enabled ? gic.vmcr | 2 : gic.vmcr & ~2;
    },
  };
}
