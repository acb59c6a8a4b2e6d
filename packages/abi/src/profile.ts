/**
 * Revisions of the Linux series whose ABI differs. Codecs and behaviour switches take a profile, so that one program
 * can host several.
 * Source: Linux series v14 (June 2023), v15 (December 2023), v16 (January 2024), v17 (February 2024)
 */
export interface AbiProfile {
  readonly name: "v14" | "v15" | "v16" | "v17";
  /** Memory comes as guest memory fds bound with MAP_MEM (true) or as SET_USER_MEM_REGION (false). */
  readonly guestMemoryFds: boolean;
  /** map, unmap and donate hypercalls; SET_DEMAND_PAGING, SET_ADDRESS_LAYOUT, SET_BOOT_CONTEXT; PAGE_FAULT exits. */
  readonly demandPaging: boolean;
  /** vcpu_run resume word 1 and `resume_action` of the run page. */
  readonly resumeAction: boolean;
  /** resume_action is preset HANDLED before an MMIO exit (v15 leaves the old byte). */
  readonly presetResumeAction: boolean;
  /** Resume data survive a RETRY error of vcpu_run. */
  readonly keepResumeDataOnRetry: boolean;
  /** -EAGAIN of a demand-page attempt (somebody else provided the page) counts as success. */
  readonly demandPageAgainIsSuccess: boolean;
  /** REMOVE_FUNCTION with arg_size 0: -ENOENT (true) or 0 and nothing removed (false). */
  readonly removeEmptyArgIsEnoent: boolean;
  /** ioeventfd compare looks at addr, len, flags and datamatch (true) or at addr alone (false). */
  readonly ioeventfdFullCompare: boolean;
  /** An unbound irqfd detaches its waiter even if the VM never started. */
  readonly irqfdDetachOnUnbind: boolean;
  /** Destruction resets only in EXITED, READY, INIT_FAILED and waits only after success. */
  readonly strictReset: boolean;
  /** Destruction waits until status is not RUNNING (true) or until it is EXITED (false). */
  readonly stopWaitsForNotRunning: boolean;
  /** A mapping of a guest memory fd first takes lent pages back. */
  readonly mmapTakesBack: boolean;
  /** Guest memory fd refuses private mappings. */
  readonly refusePrivateMmap: boolean;
  /** Safe-to-lend looks at VMAs too. */
  readonly lendChecksVmas: boolean;
  /** Bindings keep the guest memory file alive. */
  readonly bindingHoldsFile: boolean;
}

const v17: AbiProfile = Object.freeze({
  name: "v17",
  guestMemoryFds: true,
  demandPaging: true,
  resumeAction: true,
  presetResumeAction: true,
  keepResumeDataOnRetry: true,
  demandPageAgainIsSuccess: true,
  removeEmptyArgIsEnoent: true,
  ioeventfdFullCompare: true,
  irqfdDetachOnUnbind: true,
  strictReset: true,
  stopWaitsForNotRunning: true,
  mmapTakesBack: true,
  refusePrivateMmap: true,
  lendChecksVmas: true,
  bindingHoldsFile: true,
});
const v16: AbiProfile = Object.freeze({
  ...v17,
  name: "v16",
  irqfdDetachOnUnbind: false,
  refusePrivateMmap: false,
});
const v15: AbiProfile = Object.freeze({
  ...v16,
  name: "v15",
  presetResumeAction: false,
  keepResumeDataOnRetry: false,
  demandPageAgainIsSuccess: false,
  removeEmptyArgIsEnoent: false,
  ioeventfdFullCompare: false,
  strictReset: false,
  stopWaitsForNotRunning: false,
  mmapTakesBack: false,
  lendChecksVmas: false,
  bindingHoldsFile: false,
});
const v14: AbiProfile = Object.freeze({
  ...v15,
  name: "v14",
  guestMemoryFds: false,
  demandPaging: false,
  resumeAction: false,
});

export const AbiProfiles = { v14, v15, v16, v17 } as const;
export type AbiProfileName = keyof typeof AbiProfiles;
export const DEFAULT_ABI_PROFILE: AbiProfile = v17;
