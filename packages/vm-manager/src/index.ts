export { GuestMemory, MappedMemory } from "./api/guest-memory.ts";
export { EventFdFlag, GunyahDevice, type HostEventFd } from "./api/gunyah-device.ts";
export { GunyahVcpu, VcpuExit } from "./api/gunyah-vcpu.ts";
export { type BootRegister, GunyahVm, type Ioeventfd, isErrno, type MapMemory } from "./api/gunyah-vm.ts";
export { Errno, errnoName, HostCallError } from "./api/host-error.ts";
export { ExitReason, ResumeAction, VmExitType, VmStatus } from "./api/uapi.ts";
