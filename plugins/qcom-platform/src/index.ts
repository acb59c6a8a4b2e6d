export { AccessControlUnit, accessControlTableSize } from "./access-control-unit.ts";
export { type CpuCluster, qcomBoard, SM8550, SM8650, SM8750, type SocPreset, VIRT } from "./boards.ts";
export { QCOM_PLATFORM_ERRORS, type QcomPlatformErrorCode } from "./errors.ts";
export { qcomPlatform } from "./plugin.ts";
export { QcomPlatform } from "./qcom-platform.ts";
export { domainOf, SCM_MP_ASSIGN, ScmError, type ScmOwner, ScmPerm, ScmVmid } from "./scm.ts";
export { ScmClient } from "./scm-client.ts";
export { SecureFirmware } from "./secure-firmware.ts";
