import type { DemandFolio, Errno, MemParcel } from "@gunyah-ts/kernel";

/**
 * What the platform does around ownership changes. No provider: every operation succeeds.
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_platform_hooks.c, struct gunyah_rm_platform_ops
 */
export interface PlatformOps {
  preMemShare(parcel: MemParcel): Errno;
  postMemReclaim(parcel: MemParcel): Errno;
  preDemandPage(folio: DemandFolio): Errno;
  releaseDemandPage(folio: DemandFolio): Errno;
}

export const NO_PLATFORM: PlatformOps = {
  preMemShare: () => 0,
  postMemReclaim: () => 0,
  preDemandPage: () => 0,
  releaseDemandPage: () => 0,
};
