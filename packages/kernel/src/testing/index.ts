export {
  type PlatformConformance,
  type PlatformOps,
  platformConformance,
  type Runner,
  type SetupCall,
  type VmFunctionConformance,
  type VmFunctionWorld,
  vmFunctionConformance,
} from "./conformance.ts";
export { type FakeCpuBackend, type FakeCpuBackendOptions, fakeCpuBackend } from "./fake-cpu-backend.ts";
export {
  type FakeHostKernel,
  type FakeHostVm,
  type FakeHypercalls,
  type FakeRun,
  fakeEventFd,
  fakeHostKernel,
  fakeHostVm,
  fakeHypercalls,
} from "./fake-host.ts";
export {
  type FakeHypervisor,
  type FakeProgram,
  type FakeVmManager,
  type FakeVmManagerOptions,
  fakeHypervisor,
  fakeProgram,
  fakeResourceManager,
  fakeVmManager,
} from "./fake-layers.ts";
export { type FakeNativeVcpu, type FakeNativeVcpuOptions, fakeNativeVcpu } from "./fake-native-vcpu.ts";
export { FakePe } from "./fake-pe.ts";
export {
  type FakeAccessControl,
  type FakeClock,
  type FakeTrace,
  fakeAccessControl,
  fakeClock,
  fakeEntropy,
  fakePhysicalMemory,
  fakeTrace,
} from "./fake-soc.ts";
export {
  ICC_SGI1R_EL1,
  type PeOp,
  type PeScript,
  type PeStep,
  type ScriptCpu,
  type SysregEncoding,
} from "./pe-script.ts";
export { FaultStatus, isFault, type Stage2Fault, type Stage2Result, walkStage2 } from "./stage2-walk.ts";
