/**
 * The exclusive monitor in a saved PE: a place in DRAM, by physical address, and the value that was loaded there.
 * Source: DDI 0487 K.a, B2.12 (synchronization and semaphores)
 */
import type { PeState } from "@gunyah-ts/kernel";
import { arm64Error } from "../errors.ts";
import type { StateBlock } from "./block.ts";
import { L } from "./layout.ts";
import type { Machine } from "./machine.ts";

/** `L.EXCL_ADDRESS` of an open monitor. */
export const MONITOR_OPEN = 0xffff_ffff_ffff_ffffn;

type Physical = Machine["physical"];

export function savedMonitor(state: StateBlock, physical: Physical): PeState["exclusive"] {
  const offset = state.get64(L.EXCL_ADDRESS);
  if (offset === MONITOR_OPEN) return { valid: false, address: "0x0", size: 0, value: "0x0" };
  return {
    valid: true,
    address: hex(offset - BigInt(physical.dramOffset) + BigInt(physical.dramBase)),
    size: state.get(L.EXCL_SIZE),
    value: hex((state.get64(L.EXCL_VALUE + 8) << 64n) | state.get64(L.EXCL_VALUE)),
  };
}

/**
 * Errors: ARM64_STATE_INVALID for a place outside of DRAM, or that no load-exclusive can have. An open monitor changes nothing.
 * @param unaligned FEAT_LSE2: any place within 16 aligned bytes
 */
export function restoreMonitor(
  state: StateBlock,
  physical: Physical,
  saved: PeState["exclusive"],
  unaligned: boolean,
): void {
  if (!saved.valid) return;
  const pa = Number(BigInt(saved.address));
  const { size } = saved;
  if (
    ![1, 2, 4, 8, 16].includes(size) ||
    !physical.contains(pa, size) ||
    (unaligned ? (pa % 16) + size > 16 : pa % size !== 0)
  )
    throw arm64Error("ARM64_STATE_INVALID", "the exclusive monitor is not a place in DRAM that an access may have");
  const value = BigInt(saved.value);
  state.set64(L.EXCL_ADDRESS, BigInt(physical.offsetOf(pa)));
  state.set(L.EXCL_SIZE, size);
  state.set64(L.EXCL_VALUE, BigInt.asUintN(64, value));
  state.set64(L.EXCL_VALUE + 8, BigInt.asUintN(64, value >> 64n));
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
