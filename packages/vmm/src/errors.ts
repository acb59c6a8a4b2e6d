/** Codes of this package with the sentence that the README repeats. Stable: a retired code is never used again. */
export const VMM_ERRORS = {
  VMM_LAYOUT_OVERLAP: "Two things were placed on the same guest addresses.",
  VMM_LAYOUT_OUTSIDE: "Something does not fit into guest memory.",
  VMM_MEMORY_SIZE: "The guest's memory size is not a multiple of 2 MiB or out of range.",
  VMM_CPUS: "The number of vCPUs is out of range.",
  VMM_DTB_INVALID: "The device tree given by the user cannot be used.",
  VMM_DEVICE_UNKNOWN: "No plugin provides a device of that type.",
  VMM_DEVICE_OPTION: "A device was given an option that it does not have or cannot use.",
  VMM_DISK: "A disk image cannot be opened, read or written.",
  VMM_HOST_CALL_FAILED: "A call to /dev/gunyah failed; the message has each layer's own code.",
  VMM_GUEST_FAULT: "The guest touched an address that is neither memory nor a device.",
  VMM_STATE: "The virtual machine was asked for something that its state does not allow.",
} as const;
export type VmmErrorCode = keyof typeof VMM_ERRORS;
