/**
 * Sizes of the memory-mapped frames of a GICv3 without GICv4, in bytes: what device trees, VIC objects and guests agree on.
 * Source: IHI 0069H §12.8 (distributor), §12.10 (redistributor: RD_base and SGI_base, 64 KiB each)
 */
export const GicFrame = {
  DISTRIBUTOR: 0x1_0000,
  /** One vCPU's; also the least distance between two. */
  REDISTRIBUTOR: 0x2_0000,
  /** SGI_base, from the start of a redistributor. */
  SGI_OFFSET: 0x1_0000,
} as const;
