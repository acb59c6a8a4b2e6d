import { QCOM_UID, Smccc } from "@gunyah-ts/abi";
import type { BoardConfig, Pa, PhysicalMemory, SecureMonitor } from "@gunyah-ts/kernel";
import { AccessControlUnit } from "./access-control-unit.ts";
import {
  domainOf,
  MAP_INFO_SIZE,
  PERM_INFO_SIZE,
  SCM_MP_ASSIGN,
  SCM_MP_ASSIGN_ARGINFO,
  ScmError,
  ScmVmid,
} from "./scm.ts";

const PAGE = 4096;
/** Most regions, sources or destinations of one call. */
const MAX_ENTRIES = 512;

/**
 * Secure firmware at EL3 as far as Gunyah's host driver needs it: the UID that says "Qualcomm", and memory assignment.
 *
 * At power-on DRAM is the host's, the root VM's memory is RM's, the hypervisor's carve-out and the table itself are
 * nobody's; RM also reads and completes the host's device tree.
 *
 * Source: Linux drivers/firmware/qcom/qcom_scm.c, qcom_scm_assign_mem (the caller's side); series v17,
 * drivers/virt/gunyah/gunyah_qcom.c
 */
export class SecureFirmware implements SecureMonitor {
  readonly unit: AccessControlUnit;
  readonly #memory: PhysicalMemory;
  /** May refuse an assignment before anything changes (tests, fault points). */
  fault: (() => boolean) | undefined;

  constructor(memory: PhysicalMemory, board: BoardConfig, table: { readonly base: Pa; readonly size: number }) {
    this.#memory = memory;
    this.unit = new AccessControlUnit(memory, table.base);
    const { unit } = this;
    unit.assign(board.dram.base, board.dram.size, [ScmVmid.HLOS]);
    unit.assign(board.rootVm.base, board.rootVm.size, [ScmVmid.RM_MANAGED]);
    unit.assign(board.hostDtb.base, board.hostDtb.size, [ScmVmid.HLOS, ScmVmid.RM_MANAGED]);
    unit.assign(board.carveOut.base, board.carveOut.size, []);
    unit.assign(table.base, table.size, []);
  }

  smc(callerVmid: number, x: BigUint64Array): boolean {
    const fid = Number((x[0] as bigint) & 0xffff_ffffn);
    if (fid === Smccc.QCOM_VENDOR_HYP_CALL_UID) {
      QCOM_UID.forEach((word, i) => {
        x[i] = BigInt(word >>> 0);
      });
      return true;
    }
    if (fid !== SCM_MP_ASSIGN) return false;
    const result = this.#assign(domainOf(callerVmid), x);
    x[0] = BigInt.asUintN(64, BigInt(result));
    x.fill(0n, 1, 4);
    return true;
  }

  /** Arguments 0-2 in X2-X4, the rest in a buffer at X5. All or nothing. */
  #assign(caller: number, x: BigUint64Array): number {
    if (x[1] !== SCM_MP_ASSIGN_ARGINFO) return ScmError.EINVAL_ARG;
    const more = this.#buffer(caller, x[5] as bigint, 4 * 8);
    if (more === undefined) return ScmError.EINVAL_ADDR;
    const regions = this.#buffer(caller, x[2] as bigint, Number(x[3] as bigint));
    const sources = this.#buffer(caller, x[4] as bigint, Number(more.getBigUint64(0, true)));
    const owners = this.#buffer(caller, more.getBigUint64(8, true), Number(more.getBigUint64(16, true)));
    if (regions === undefined || sources === undefined || owners === undefined) return ScmError.EINVAL_ADDR;
    if (!isList(regions, MAP_INFO_SIZE) || !isList(sources, 4) || !isList(owners, PERM_INFO_SIZE))
      return ScmError.EINVAL_ARG;

    const from: number[] = [];
    for (let at = 0; at < sources.byteLength; at += 4) from.push(sources.getUint32(at, true));
    const to: number[] = [];
    for (let at = 0; at < owners.byteLength; at += PERM_INFO_SIZE) {
      const vmid = owners.getUint32(at, true);
      const permissions = owners.getUint32(at + 4, true);
      if (vmid > ScmVmid.MAX_MANAGED || permissions < 1 || permissions > 7) return ScmError.EINVAL_ARG;
      to.push(vmid);
    }
    if (from.some((vmid) => vmid > ScmVmid.MAX_MANAGED)) return ScmError.EINVAL_ARG;
    const ranges: { base: number; size: number }[] = [];
    for (let at = 0; at < regions.byteLength; at += MAP_INFO_SIZE) {
      const base = Number(regions.getBigUint64(at, true));
      const size = Number(regions.getBigUint64(at + 8, true));
      if (size === 0 || base % PAGE !== 0 || size % PAGE !== 0) return ScmError.EINVAL_ADDR;
      if (!this.unit.belongsTo(base, size, from)) return ScmError.EINVAL_ADDR;
      ranges.push({ base, size });
    }
    if (this.fault?.() === true) return ScmError.ERROR;
    for (const { base, size } of ranges) this.unit.assign(base, size, to);
    return ScmError.OK;
  }

  /** Memory of the caller. */
  #buffer(caller: number, address: bigint, size: number): DataView | undefined {
    const pa = Number(address);
    if (size > MAX_ENTRIES * PERM_INFO_SIZE || !this.#memory.contains(pa, size)) return undefined;
    for (let at = pa - (pa % PAGE); at < pa + size; at += PAGE) if (!this.unit.allows(caller, at)) return undefined;
    const bytes = this.#memory.view(pa, size);
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  }
}

const isList = (view: DataView, entry: number): boolean => view.byteLength > 0 && view.byteLength % entry === 0;
