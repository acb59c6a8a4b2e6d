export {
  type Arm64Backend,
  type Arm64BackendOptions,
  createArm64Backend,
  encodeModule,
  TIERS,
  type Tier,
} from "./backend.ts";
export { CPU_MODELS, type CpuModel, type CpuModelName, DEFAULT_CPU_MODEL } from "./cpu/models.ts";
export { disassemble } from "./disasm/disassemble.ts";
export { ARCH_ARM64_ERRORS, type ArchArm64ErrorCode } from "./errors.ts";
export { archArm64 } from "./plugin.ts";
export { SYSTEM_REGISTERS, type SystemRegister, systemRegister, systemRegisterAt } from "./sysreg/table.ts";
