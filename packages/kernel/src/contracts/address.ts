/**
 * Branded numbers: an address of one space cannot be passed where another is meant.
 * Addresses are at most 48 bits wide, so a JavaScript number holds them exactly. The brand is a plain property name, so
 * that @gunyah-ts/abi, which does not know this package, types its hypercalls with the same spaces.
 */
/** Physical address, bytes, at most 48 bits. */
export type Pa = number & { readonly __space?: "pa" };
/** Intermediate physical address: what a VM's stage 1 produces and its stage 2 translates. Bytes, at most 48 bits. */
export type Ipa = number & { readonly __space?: "ipa" };
/** Interrupt id as the GIC counts them: SGI 0-15, PPI 16-31, SPI 32-1019, extended SPI 4096-5119. */
export type Intid = number & { readonly __space?: "intid" };
/** Capability id, 64 bits, meaningful in one capability space only. */
export type CapId = bigint & { readonly __space?: "cap" };

/** Smallest unit of ownership and translation, bytes. */
export const PAGE_SIZE = 4096;
