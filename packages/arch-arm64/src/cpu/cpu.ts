/**
 * A CPU model made real: the registers with their reset values and writable bits, the PSTATE bits that exist, and the
 * encodings that do not.
 */
import { arm64Error } from "../errors.ts";
import { PSTATE } from "../state/layout.ts";
import { CPU_FLAG } from "../state/region.ts";
import { SYSTEM_REGISTERS, type SystemRegister, systemRegister, systemRegisterAt } from "../sysreg/table.ts";
import { type Feature, idRegister } from "./features.ts";
import { CPU_MODELS, type CpuModel, type CpuModelName } from "./models.ts";

/** PSTATE bits that a feature brings, as in SPSR. */
const PSTATE_OF: { readonly [feature in Feature]?: number } = {
  FEAT_PAN: PSTATE.PAN,
  FEAT_UAO: PSTATE.UAO,
  FEAT_DIT: PSTATE.DIT,
  FEAT_SSBS2: PSTATE.SSBS,
};

/** Features that generated code asks for when it runs: bits of `REGION.CPU_FLAGS`. */
const FLAG_OF: { readonly [feature in Feature]?: number } = {
  FEAT_LSE2: CPU_FLAG.LSE2,
};

export class Cpu {
  readonly name: CpuModelName;
  readonly features: ReadonlySet<Feature>;
  /** By slot: every register, with this model's reset value and mask. Those that it does not have allow no access. */
  readonly registers: readonly SystemRegister[];
  /** PSTATE bits besides NZCV, DAIF and the mode, as in SPSR. */
  readonly pstate: number;
  /** Value of `REGION.CPU_FLAGS`. */
  readonly flags: number;
  /** Bits of FPCR that exist. */
  readonly fpcr: bigint;

  /**
   * @param hasEntropy without a source of random bytes there is no FEAT_RNG
   * Errors: ARM64_CPU_UNKNOWN
   */
  constructor(name: CpuModelName, hasEntropy = true) {
    if (!Object.hasOwn(CPU_MODELS, name))
      throw arm64Error("ARM64_CPU_UNKNOWN", `no CPU model ${name}; there are ${Object.keys(CPU_MODELS).join(", ")}`);
    const model: CpuModel = CPU_MODELS[name];
    const features = new Set(model.features);
    if (!hasEntropy) features.delete("FEAT_RNG");
    this.name = name;
    this.features = features;
    this.registers = SYSTEM_REGISTERS.map((row) => registerOf(row, model, features));
    const bitsOf = (table: { readonly [feature in Feature]?: number }) =>
      [...features].reduce((bits, feature) => bits | (table[feature] ?? 0), 0);
    this.pstate = PSTATE.SS | PSTATE.IL | bitsOf(PSTATE_OF);
    this.flags = bitsOf(FLAG_OF);
    this.fpcr = (this.register("FPCR") as SystemRegister).mask;
  }

  /** The row of a register by name, undefined when the table has none. */
  register(name: string): SystemRegister | undefined {
    const row = systemRegister(name);
    return row === undefined ? undefined : this.registers[row.slot];
  }
  /** The row at a dispatch index, undefined when this CPU has no such register. */
  registerAt(index: number): SystemRegister | undefined {
    const row = systemRegisterAt(index);
    return row === undefined || this.#isAbsent(row) ? undefined : this.registers[row.slot];
  }
  #isAbsent(row: SystemRegister): boolean {
    return row.feature !== undefined && !this.features.has(row.feature);
  }
  /** Registers that instructions may reach. */
  get present(): readonly SystemRegister[] {
    return this.registers.filter((row) => !this.#isAbsent(row));
  }
}

function registerOf(row: SystemRegister, model: CpuModel, features: ReadonlySet<Feature>): SystemRegister {
  if (row.feature !== undefined && !features.has(row.feature)) return { ...row, reset: 0n, mask: 0n };
  if (row.name === "VPIDR_EL2") return { ...row, reset: model.midr };
  if (row.name.startsWith("ID_AA64")) return { ...row, reset: idRegister(row.name, row.reset, features) };
  let absent = 0n;
  for (const [feature, bits] of Object.entries(row.bits ?? {})) if (!features.has(feature as Feature)) absent |= bits;
  return absent === 0n ? row : { ...row, mask: row.mask & ~absent };
}
