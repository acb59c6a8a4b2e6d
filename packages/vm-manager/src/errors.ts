/** Codes of this package with the sentence that the README repeats. */
export const VM_MANAGER_ERRORS = {
  VMM_PROBE_FAILED:
    "The host driver found no hypervisor or no Resource Manager that it can drive; the message says what is there.",
  VMM_HOST_CALL_FAILED: "A system call failed; `errno` and `layers` of the error say why.",
  VMM_NOT_STARTED: "A process was made before the host VM's program had started.",
} as const;
export type VmManagerErrorCode = keyof typeof VM_MANAGER_ERRORS;
