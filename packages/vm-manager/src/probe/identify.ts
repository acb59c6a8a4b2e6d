import { API_VERSION, ApiFeature, GUNYAH_UID, unpackApiInfo } from "@gunyah-ts/abi";
import { ModelError, type NativeVcpu } from "@gunyah-ts/kernel";
import { HostHypercalls } from "../kernel/hypercalls.ts";

/** What the hypervisor said of itself. */
export interface HypervisorIdentity {
  /** API version; 1. */
  readonly version: number;
  /** 8 bits: 0x51 Qualcomm, 0x48 Gunyah. */
  readonly variant: number;
  /** Bit numbers of `ApiFeature` that are set in flags0. */
  readonly features: ReadonlySet<number>;
}

const hex = (words: readonly number[]) => words.map((w) => (w >>> 0).toString(16).padStart(8, "0")).join(" ");

/**
 * Find the hypervisor by its vendor UID, then ask for its API. Works in any VM, host or guest.
 *
 * Throws VMM_PROBE_FAILED: no Gunyah (the message has the UID that was found), or an API version other than 1.
 * Source: Linux series v17, arch/arm64/gunyah/gunyah_hypercall.c, arch_is_gunyah_guest; drivers/virt/gunyah/gunyah.c
 */
export function identifyHypervisor(vcpu: NativeVcpu): HypervisorIdentity {
  const hypercalls = new HostHypercalls(vcpu);
  const uid = hypercalls.callUid();
  if (uid.some((word, i) => word >>> 0 !== (GUNYAH_UID[i] as number) >>> 0)) {
    const what = uid.every((word) => word >>> 0 === 0xffff_ffff) ? "the call is not supported" : `it is ${hex(uid)}`;
    throw new ModelError(
      "VMM_PROBE_FAILED",
      `no Gunyah hypervisor: the vendor hypervisor's UID should be ${hex(GUNYAH_UID)}, ${what} (ENODEV)`,
    );
  }
  const [info, flags0] = hypercalls.identify();
  const api = unpackApiInfo(info);
  if (api.version !== API_VERSION)
    throw new ModelError(
      "VMM_PROBE_FAILED",
      `the hypervisor's API version is ${api.version}, this driver knows ${API_VERSION} (ENODEV)`,
    );
  const features = new Set<number>();
  for (const bit of Object.values(ApiFeature)) if (((flags0 >> BigInt(bit)) & 1n) === 1n) features.add(bit);
  return { version: api.version, variant: api.variant, features };
}
