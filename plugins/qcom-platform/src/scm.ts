/**
 * Secure channel manager: how Linux calls Qualcomm's secure firmware.
 * Source: Linux drivers/firmware/qcom/{qcom_scm.c,qcom_scm-smc.c,qcom_scm.h}; include/dt-bindings/firmware/qcom,scm.h
 */

/** SMC64 fast call, owner SiP (2), service MP (0x0C), command ASSIGN (0x16). */
export const SCM_MP_ASSIGN = 0xc200_0c16;
/** Seven arguments; 0, 2 and 4 are read-only buffers (type 1 at bits 5:4, 9:8, 13:12). */
export const SCM_MP_ASSIGN_ARGINFO = 0x1117n;

/** X0 of a call. Negative values are errors. */
export const ScmError = { OK: 0, ERROR: -1, EINVAL_ARG: -2, EINVAL_ADDR: -3, EOPNOTSUPP: -4, ENOMEM: -5 } as const;

/** Security domains, called VMIDs. */
export const ScmVmid = {
  HLOS: 0x3,
  /** Stands for every VM that the RM manages. Source: Linux series v17, drivers/virt/gunyah/gunyah_qcom.c */
  RM_MANAGED: 0x3a,
  /** Largest VMID that is a domain itself. */
  MAX_MANAGED: 0x3f,
} as const;
export const ScmPerm = { EXEC: 1, WRITE: 2, READ: 4, RWX: 7 } as const;

/** A new owner with its rights (R 4, W 2, X 1). */
export interface ScmOwner {
  readonly vmid: number;
  readonly permissions: number;
}

/** struct qcom_scm_mem_map_info: 0:8 address, 8:8 size. */
export const MAP_INFO_SIZE = 16;
/** struct qcom_scm_current_perm_info: 0:4 vmid, 4:4 perm, 8:8 ctx, 16:4 ctx size, 20:4 unused. */
export const PERM_INFO_SIZE = 24;

/** The domain of a VM. */
export function domainOf(vmid: number): number {
  return vmid <= ScmVmid.MAX_MANAGED ? vmid : ScmVmid.RM_MANAGED;
}
