import { IpaAllocList, IpaFixedList, IpaReserveType, RmCalls, RmError } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check } from "../errors.ts";
import type { Request, Vm } from "../vm/vm.ts";

/** ECC, tagged, normal, IO, owner-visible, bus-visible, base-memory compatible. */
const GENERIC_CONSTRAINTS = 0x7f;

/**
 * IPA_RESERVE: keep parts of the caller's own address space free of what the RM places by itself.
 * Source: gunyah-resource-manager src/vm_ipa/vm_ipa.c
 */
export function ipaReserve(_rm: RmContext, caller: Vm, request: Request<"IPA_RESERVE">): Uint8Array {
  check(caller.objects !== undefined, RmError.DENIED, "no address space");
  check((request.genericConstraints & ~GENERIC_CONSTRAINTS) === 0, RmError.ARGUMENT_INVALID, "constraints");
  const undo: (() => void)[] = [];
  const take = (base: number, size: number): boolean => {
    const release = caller.reserve(base, size, "reserved");
    if (release !== undefined) undo.push(release);
    return release !== undefined;
  };
  const refuse = (): never => {
    for (const release of undo) release();
    return check(false, RmError.NORESOURCE, "range is taken") as never;
  };
  if (request.type === IpaReserveType.FIXED) {
    const list = IpaFixedList.decode(request.list);
    check(list.ok, RmError.MSG_INVALID, "list");
    for (const { base, size } of list.value.entries) {
      check(isRange(base, size), RmError.ARGUMENT_INVALID, "range");
      if (!take(Number(base), Number(size))) refuse();
    }
    return new Uint8Array(0);
  }
  check(request.type === IpaReserveType.ALLOC, RmError.MSG_INVALID, "type");
  const list = IpaAllocList.decode(request.list);
  check(list.ok, RmError.MSG_INVALID, "list");
  const entries: { base: bigint; size: bigint }[] = [];
  for (const { regionBase, regionSize, size, alignment } of list.value.entries) {
    check(isRange(regionBase, regionSize) && isRange(0n, size), RmError.ARGUMENT_INVALID, "range");
    const step = Math.max(Number(alignment), 4096);
    check((step & (step - 1)) === 0 && step < 2 ** 31, RmError.ARGUMENT_INVALID, "alignment");
    const end = Number(regionBase + regionSize);
    let base = Math.ceil(Number(regionBase) / step) * step;
    while (base + Number(size) <= end && !caller.isFree(base, Number(size))) {
      // Jump behind what is in the way; there are only as many obstacles as reservations.
      const last = base;
      const next = caller.ranges.find((r) => last < r.base + r.size && r.base < last + Number(size));
      base = Math.ceil(((next?.base ?? base) + (next?.size ?? step)) / step) * step;
    }
    if (base + Number(size) > end || !take(base, Number(size))) refuse();
    entries.push({ base: BigInt(base), size });
  }
  return RmCalls.IPA_RESERVE.reply.encode({ entries });
}

function isRange(base: bigint, size: bigint): boolean {
  return base % 4096n === 0n && size % 4096n === 0n && size > 0n && base + size <= 2n ** 48n;
}
