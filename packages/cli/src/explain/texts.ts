/**
 * What the numbers of the real system's layers mean, their usual causes, and what to do.
 * Source: Linux series v17 (drivers/virt/gunyah); gunyah-resource-manager include/rm-rpc.h; gunyah-hypervisor
 * docs/api/gunyah_api.md; PSCI DEN 0022 F.b §5.2.2.
 */
type Texts = Readonly<Record<string, readonly [meaning: string, advice?: string]>>;

export const ERRNO_TEXT: Texts = {
  OK: ["Success."],
  ENXIO: ["The device or address does not exist."],
  EPERM: [
    "The driver or RM does not allow it.",
    "Lending a page that some process still maps gives this: munmap guest memory before the guest touches it. From a start: RM answered DENIED.",
  ],
  ENOENT: [
    "There is no such thing: no VM function of that type, no binding at that address, nothing to remove.",
    "For ADD_FUNCTION load the plugin of that type. For START check that one binding covers the whole device tree.",
  ],
  EINTR: ["A signal or immediate_exit ended the call.", "Run the vCPU again when you are ready."],
  ERESTARTSYS: ["A signal ended the call; userspace sees EINTR.", "Run the vCPU again."],
  EIO: [
    "A reply of RM was cut off by another message, or a virq was bound wrongly.",
    "Look at the RM messages with --trace.",
  ],
  E2BIG: ["A request to RM has more than 14384 bytes.", "Lend fewer, larger pieces."],
  EBADF: ["The descriptor is not open."],
  EAGAIN: ["Someone else provided the page at the same time, or the hypervisor asks to try again.", "Try again."],
  ENOMEM: [
    "Memory is used up, or an interrupt of a resource cannot be mapped.",
    'Give the board more DRAM. At start: a vCPU that is not proxy scheduled gives this; set affinity = "proxy".',
  ],
  EACCES: ["The hypervisor refused a capability.", "See the hypercall error in the chain: CSPACE_* or DENIED."],
  EFAULT: ["A pointer that was passed is not mapped in the process."],
  EBUSY: ["In use: another task runs this vCPU, or a page cannot be taken back now."],
  EEXIST: ["Already there: an overlapping binding, a vCPU id or irqfd label that is taken, a conflicting I/O handler."],
  ENODEV: [
    "No hypervisor or RM was found, the VM is not in a state that allows it, or it has no such resource.",
    "A second START after a failed one always gives this: make a new VM.",
  ],
  EINVAL: [
    "An argument is wrong: alignment, size, flags, or what RM or the hypervisor called invalid.",
    "The chain of the error shows which layer said so.",
  ],
  ENFILE: ["Too many open files in the host."],
  EMFILE: ["The process has too many open files."],
  ENOTTY: [
    "This descriptor has no such ioctl.",
    "Check the ABI: SET_USER_MEM_REGION exists in v14 only, MAP_MEM from v15 on.",
  ],
  EFBIG: ["The file would become too large."],
  ENOSPC: ["No space left on the device."],
  ERANGE: ["A value is out of range."],
  EBADMSG: [
    "A reply of RM has the wrong size, or RM's error has no errno.",
    "VM_STATE of RM arrives as this: a call came in the wrong order.",
  ],
  EOVERFLOW: ["Address plus size passes 2^64."],
  EOPNOTSUPP: ["The hypervisor or RM does not implement the call.", "Use an RM with demand paging, or ABI v14."],
  ETIMEDOUT: ["RM did not answer in time."],
};

export const RM_TEXT: Texts = {
  OK: ["Success."],
  UNIMPLEMENTED: ["RM does not know the message id."],
  NOMEM: ["RM is out of memory."],
  NORESOURCE: [
    "No free VMID, no virtual device could be made, or an address range is taken.",
    "For VM_START: the parcels could not be accepted or the overlay does not fit; give SET_DTB_CONFIG a page more.",
  ],
  DENIED: ["Not the owner, not the host VM, or the configuration of an untrusted VM asks too much."],
  MSG_INVALID: ["The message's length or a list in it is malformed."],
  BUSY: ["Something is in use."],
  ARGUMENT_INVALID: [
    "A field is wrong: unknown VM, unaligned memory, doubled or missing ACL entry, bad device tree configuration.",
  ],
  HANDLE_INVALID: ["No memory parcel has that handle, or it is not yours."],
  VALIDATE_FAILED: ["A parcel's ACL, attributes, label or sanitization is not what the acceptor demanded."],
  MAP_FAILED: ["A mapping could not be made."],
  MEM_INVALID: ["The memory is not owned or mapped by the caller, or the device tree in it cannot be read."],
  MEM_INUSE: ["A VM still has the parcel.", "Reset the VM first; a parcel that was accepted comes back with VM_RESET."],
  MEM_RELEASED: ["The parcel was not accepted, or is released already."],
  VMID_INVALID: ["No such VM, or it is not in the ACL, or you do not own it."],
  LOOKUP_FAILED: ["Nothing matches."],
  IRQ_INVALID: ["The interrupt is not yours or not bound."],
  IRQ_INUSE: ["The interrupt is lent already."],
  IRQ_RELEASED: ["The interrupt was not accepted."],
  IN_USE: ["The lent interrupt is in another state."],
  IRQ_NOT_MAPPED: ["The interrupt has no mapping."],
  VM_STATE: [
    "The VM's state does not allow the message.",
    "Order: ALLOCATE, CONFIG_IMAGE, INIT, START, STOP, RESET, DEALLOCATE.",
  ],
};

export const GUNYAH_TEXT: Texts = {
  OK: ["Success."],
  UNIMPLEMENTED: ["The hypervisor does not know the call, or cannot do it on this platform."],
  RETRY: ["Nothing was done; call again."],
  ARGUMENT_INVALID: ["An argument is wrong, or a capability id is malformed."],
  ARGUMENT_SIZE: ["A size is zero, too large, or beyond its object."],
  ARGUMENT_ALIGNMENT: ["An address or size is not aligned to a page."],
  NOMEM: ["The hypervisor's memory is used up.", "Give the board a larger carveOut."],
  NORESOURCES: ["A fixed table is full, for instance 128 vmmio ranges."],
  ADDR_OVERFLOW: ["Address plus size overflows."],
  ADDR_UNDERFLOW: ["An address lies below its range."],
  ADDR_INVALID: ["Nothing is mapped there, or the address is outside the address space."],
  DENIED: ["Not allowed in this state or for this caller."],
  BUSY: ["In use: the vCPU runs elsewhere, is not proxy scheduled, or a range or virq is taken."],
  IDLE: ["There is nothing to do."],
  OBJECT_STATE: ["The object is not in the state that the call needs (INIT to configure, ACTIVE to use)."],
  OBJECT_CONFIG: ["The object was activated without being configured."],
  OBJECT_CONFIGURED: ["The object is configured already."],
  FAILURE: ["The call failed, for instance a power-on of a vCPU that has exited."],
  VIRQ_BOUND: ["The source has a virq already."],
  VIRQ_NOT_BOUND: ["The source has no virq."],
  CSPACE_CAP_NULL: ["The capability id names an empty slot."],
  CSPACE_CAP_REVOKED: ["The capability was revoked."],
  CSPACE_WRONG_OBJECT_TYPE: ["The capability is of another type than the call takes."],
  CSPACE_INSUFFICIENT_RIGHTS: [
    "The capability lacks a right that the call needs.",
    "A level irqfd gives this where the guest's doorbell lacks source-can-clear; Linux only warns.",
  ],
  CSPACE_FULL: ["The capability space has no free slot."],
  MSGQUEUE_EMPTY: ["There is no message."],
  MSGQUEUE_FULL: ["There is no room for the message; wait for the send virq."],
  MEMDB_EMPTY: ["The owner database has no entry for the range."],
  MEMDB_NOT_OWNER: ["The extent does not own all of the range."],
  MEMEXTENT_MAPPINGS_FULL: ["An extent keeps four mappings, this would be the fifth."],
  MEMEXTENT_TYPE: ["A partial operation on a BASIC extent, or the other way round."],
  STRING_TRUNCATED: ["The hypervisor's log: a line was cut. No call returns it."],
  STRING_REACHED_END: ["The hypervisor's log: the format ended. No call returns it."],
  STRING_INVALID_FORMAT: ["The hypervisor's log: a bad format. No call returns it."],
  STRING_MISSING_PLACEHOLDER: ["The hypervisor's log: a value without a place. No call returns it."],
  STRING_MISSING_ARGUMENT: ["The hypervisor's log: a place without a value. No call returns it."],
  ALLOCATOR_RANGE_OVERLAPPING: ["The hypervisor's allocator was given a range that it has already."],
  ALLOCATOR_MEM_INUSE: ["The hypervisor's allocator was asked to give up memory that is in use."],
  EXISTING_MAPPING: ["Something is mapped there already."],
};

export const PSCI_TEXT: Texts = {
  SUCCESS: ["Success."],
  NOT_SUPPORTED: ["The function is not implemented, or the vCPU belongs to no VPM group."],
  INVALID_PARAMETERS: ["An argument is wrong, for instance an unknown MPIDR."],
  DENIED: ["Not allowed, for instance CPU_OFF of the last vCPU."],
  ALREADY_ON: ["The CPU is on."],
  ON_PENDING: ["The CPU is being turned on."],
  INTERNAL_FAILURE: ["The CPU exists but cannot be turned on."],
  NOT_PRESENT: ["There is no such trusted OS."],
  DISABLED: ["The CPU is disabled."],
  INVALID_ADDRESS: ["The entry address is not valid."],
};
