export { ROOT_VMID } from "./boot/root-vm.ts";
export { HYP_ERRORS, type HypErrorCode } from "./errors.ts";
export { createHypervisor, type GunyahHypervisor, type HypervisorOptions } from "./hypervisor.ts";
export { type HypOptions, hyp } from "./plugin.ts";
