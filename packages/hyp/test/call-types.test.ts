/** A handler that takes an argument for another one does not compile. */

import { GunyahError, Hypercall } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { Addrspace } from "../src/addrspace/addrspace.ts";
import type { HypercallTable } from "../src/hypercall/table.ts";
import { mapPart, unmapPart } from "../src/memory/mapping.ts";
import { Memextent } from "../src/memory/memextent.ts";

/** Never called: what matters is whether it compiles. */
function handlers(table: HypercallTable): void {
  table.add(Hypercall.addrspace_map, ({ cspace }, args) => {
    const addrspace = cspace.lookup(args.addrspace, Addrspace, 0);
    const extent = cspace.lookup(args.memextent, Memextent, 0);
    if (typeof addrspace === "number" || typeof extent === "number") return GunyahError.FAILURE;
    // @ts-expect-error the capability of an extent is not one of an address space
    cspace.lookup(args.memextent, Addrspace, 0);
    // @ts-expect-error an address is no capability
    cspace.lookup(args.vbase, Addrspace, 0);
    // @ts-expect-error an extent is no address space
    mapPart(addrspace, extent, args.vbase, args.offset, args.size, 0);
    // @ts-expect-error a size is no offset
    mapPart(extent, addrspace, args.vbase, args.size, args.offset, 0);
    // @ts-expect-error an offset is no address
    unmapPart(extent, addrspace, args.offset, args.vbase, args.size);
    // @ts-expect-error the call has no such argument
    args.options;
    return mapPart(extent, addrspace, args.vbase, args.offset, args.size, 0);
  });
  table.add(Hypercall.doorbell_send, (_caller, args, results) => {
    // @ts-expect-error 64 flags are no number
    const flags: number = args.new_flags;
    // @ts-expect-error the result of another call
    results.new_cap.value = BigInt(flags);
    results.old_flags.setHalves(args.new_flags.low, args.new_flags.high);
    return GunyahError.OK;
  });
  // @ts-expect-error an error is not a capability id
  const id: bigint | undefined = undefined as unknown as GunyahError;
  // @ts-expect-error nor is any number an error
  const error: GunyahError = 77 as number;
  void [id, error];
}

describe("typed arguments", () => {
  it("are checked by the compiler", () => {
    expect(handlers).toBeTypeOf("function");
  });
});
