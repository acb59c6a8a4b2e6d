import { LinuxErrno, QCOM_UID, Smccc } from "@gunyah-ts/abi";
import type { Errno, HostKernel, Pa } from "@gunyah-ts/kernel";
import { MAP_INFO_SIZE, PERM_INFO_SIZE, SCM_MP_ASSIGN, SCM_MP_ASSIGN_ARGINFO, ScmError, type ScmOwner } from "./scm.ts";

/** Where the parts lie in the message page. Linux aligns each to 64 bytes. */
const REGION_AT = 0;
const SOURCE_AT = 64;
const OWNERS_AT = 512;
const MORE_AT = 2048;

/**
 * The host kernel's end of the secure channel.
 * Source: Linux drivers/firmware/qcom/qcom_scm.c, qcom_scm_assign_mem, qcom_scm_remap_error
 */
export class ScmClient {
  readonly #kernel: Pick<HostKernel, "allocPage" | "smc">;
  readonly #x = new BigUint64Array(18);

  constructor(kernel: Pick<HostKernel, "allocPage" | "smc">) {
    this.#kernel = kernel;
  }

  /** Whether the platform is Qualcomm's: an SMC (not an HVC), and the low halves of X0-X3. */
  isQcom(): boolean {
    const x = this.#x;
    x.fill(0n);
    x[0] = BigInt(Smccc.QCOM_VENDOR_HYP_CALL_UID);
    this.#kernel.smc(x);
    return QCOM_UID.every((word, i) => Number((x[i] as bigint) & 0xffff_ffffn) === word >>> 0);
  }

  /**
   * Move memory from exactly the domains `from` to `to`.
   *
   * @param size bytes, multiple of 4096
   * @param from set of domains, 0-63
   * @returns 0; -ENOMEM; -EINVAL; -EIO; -EOPNOTSUPP
   */
  assignMem(address: Pa, size: number, from: ReadonlySet<number>, to: readonly ScmOwner[]): Errno {
    const page = this.#kernel.allocPage();
    if (typeof page === "number") return page;
    try {
      const view = new DataView(page.bytes.buffer, page.bytes.byteOffset, 4096);
      const base = page.address as number;
      view.setBigUint64(REGION_AT, BigInt(address), true);
      view.setBigUint64(REGION_AT + 8, BigInt(size), true);
      const sources = [...from].sort((a, b) => a - b);
      for (const [i, vmid] of sources.entries()) view.setUint32(SOURCE_AT + i * 4, vmid, true);
      to.forEach(({ vmid, permissions }, i) => {
        view.setUint32(OWNERS_AT + i * PERM_INFO_SIZE, vmid, true);
        view.setUint32(OWNERS_AT + i * PERM_INFO_SIZE + 4, permissions, true);
      });
      const more = [sources.length * 4, base + OWNERS_AT, to.length * PERM_INFO_SIZE, 0];
      for (const [i, value] of more.entries()) view.setBigUint64(MORE_AT + i * 8, BigInt(value), true);
      const x = this.#x;
      x.fill(0n);
      x[0] = BigInt(SCM_MP_ASSIGN);
      x[1] = SCM_MP_ASSIGN_ARGINFO;
      x[2] = BigInt(base + REGION_AT);
      x[3] = BigInt(MAP_INFO_SIZE);
      x[4] = BigInt(base + SOURCE_AT);
      x[5] = BigInt(base + MORE_AT);
      this.#kernel.smc(x);
      const error = remap(Number(BigInt.asIntN(64, x[0] as bigint)));
      if (error !== 0) return error;
      return x[1] === 0n ? 0 : -LinuxErrno.EINVAL;
    } finally {
      page.free();
    }
  }
}

function remap(result: number): Errno {
  switch (result) {
    case ScmError.OK:
      return 0;
    case ScmError.EINVAL_ARG:
    case ScmError.EINVAL_ADDR:
      return -LinuxErrno.EINVAL;
    case ScmError.EOPNOTSUPP:
      return -LinuxErrno.EOPNOTSUPP;
    case ScmError.ENOMEM:
      return -LinuxErrno.ENOMEM;
    case ScmError.ERROR:
      return -LinuxErrno.EIO;
    default:
      return -LinuxErrno.EINVAL;
  }
}
