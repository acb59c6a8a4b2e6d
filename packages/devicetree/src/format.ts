/**
 * Numbers of the flattened format.
 * Source: Devicetree Specification v0.4, §5 Flattened Devicetree (DTB) Format.
 */
export const MAGIC = 0xd00dfeed;
export const HEADER_SIZE = 40;
export const VERSION = 17;
export const LAST_COMPATIBLE_VERSION = 16;

/** Tokens of the structure block. §5.4.1 */
export const Token = { BEGIN_NODE: 1, END_NODE: 2, PROP: 3, NOP: 4, END: 9 } as const;

/** Byte offsets of the header's 32-bit big-endian fields. §5.2 */
export const Header = {
  MAGIC: 0,
  TOTAL_SIZE: 4,
  OFF_STRUCT: 8,
  OFF_STRINGS: 12,
  OFF_RESERVATIONS: 16,
  VERSION: 20,
  LAST_COMPATIBLE: 24,
  BOOT_CPU: 28,
  SIZE_STRINGS: 32,
  SIZE_STRUCT: 36,
} as const;

/** Deepest nesting that is read; Linux stops at 64 too (drivers/of/fdt.c, FDT_MAX_DEPTH). */
export const MAX_DEPTH = 64;
/** Largest blob that is read. arm64 Linux takes 2 MiB; the rest is head room for other readers. */
export const MAX_SIZE = 16 * 1024 * 1024;

/** Characters of a property name, and of a node name with its unit address. §2.2.1, §2.2.4 (dtc accepts the same). */
export const PROPERTY_NAME = /^[0-9a-zA-Z,._+?#*-]+$/;
export const NODE_NAME = /^[0-9a-zA-Z,._+*#?@-]+$/;

export const align4 = (offset: number): number => (offset + 3) & ~3;
