/**
 * A 64-bit address or size of the wire as a number.
 * @returns undefined for 2^53 and more, which no arm64 address space reaches
 */
export function toNumber(value: bigint): number | undefined {
  return value <= 0x1f_ffff_ffff_ffffn ? Number(value) : undefined;
}
