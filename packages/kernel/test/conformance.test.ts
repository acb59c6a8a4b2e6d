import { createMachine, definePlugin, hostHooks, type VmFunction } from "@gunyah-ts/kernel";
import { platformConformance, type VmFunctionWorld, vmFunctionConformance } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";

/** A VM function whose argument is a label: a ticket and an eventfd descriptor. */
function labelFunction({ vm, kernel }: VmFunctionWorld, breaks?: "unbind" | "compare" | "refusal"): VmFunction {
  const bound = new Map<object, () => void>();
  return {
    bind(instance) {
      if (instance.arg.length < 2) return -22;
      const label = instance.arg[0] as number;
      const ticket = { type: 1, label, populate: () => true, unpopulate() {} };
      const added = vm.addResourceTicket(ticket);
      if (added !== 0) return added;
      const eventfd = kernel.eventfd(instance.arg[1] as number);
      if (typeof eventfd === "number") {
        if (breaks !== "refusal") vm.removeResourceTicket(ticket);
        return eventfd;
      }
      bound.set(instance, () => vm.removeResourceTicket(ticket));
      return 0;
    },
    unbind(instance) {
      if (breaks !== "unbind") bound.get(instance)?.();
    },
    compare: (instance, arg) => breaks === "compare" || instance.arg[0] === arg[0],
  };
}

const suite = {
  type: 9,
  arg: ({ kernel }: VmFunctionWorld, n: number) => Uint8Array.of(n, kernel.open(new FakeFd())),
  refused: [{ why: "a closed descriptor", arg: () => Uint8Array.of(0, 200), errno: -9 }],
};
class FakeFd {
  readable = false;
  write = () => 0;
  signal() {}
  read = () => undefined;
  wait = () => Promise.resolve(0n);
  onSignal = () => () => {};
}

vmFunctionConformance({ describe, it, name: "a correct function", create: (world) => labelFunction(world), ...suite });

/** Run a suite with a runner that collects failures. */
async function failures(register: (runner: { describe: typeof collect; it: typeof add }) => void): Promise<string[]> {
  const failed: string[] = [];
  const tests: (() => Promise<void>)[] = [];
  add = (name, body) =>
    void tests.push(async () => {
      try {
        await body();
      } catch {
        failed.push(name);
      }
    });
  register({ describe: collect, it: add });
  for (const test of tests) await test();
  return failed;
}
const collect = (_name: string, body: () => void) => body();
let add = (_name: string, _body: () => void | Promise<void>): void => {};

describe("the suites find what is broken", () => {
  it.each([
    ["unbind", "binds a correct argument and leaves nothing after unbind"],
    ["compare", "keeps two instances apart"],
    ["refusal", "refuses a closed descriptor and leaves nothing"],
  ] as const)("a VM function with a broken %s", async (breaks, test) => {
    const failed = await failures((runner) =>
      vmFunctionConformance({ ...runner, name: breaks, create: (world) => labelFunction(world, breaks), ...suite }),
    );
    expect(failed).toContain(test);
  });

  it("a platform that forgets to unwind, and no other", async () => {
    expect(await failures((runner) => platformConformance({ ...runner, name: "good", ...platform(true) }))).toEqual([]);
    expect(await failures((runner) => platformConformance({ ...runner, name: "bad", ...platform(false) }))).toEqual([
      "returns to where it was when a later step fails and the hook is unwound",
    ]);
  });
});

/** A platform that counts who holds a page. */
function platform(unwinds: boolean) {
  const create = async () => {
    const held = new Map<number, number>();
    const hold = (address: number, by: number) => {
      const count = (held.get(address) ?? 0) + by;
      if (count === 0) held.delete(address);
      else held.set(address, count);
      return 0;
    };
    const plugin = definePlugin({
      name: "platform",
      version: "1.0.0",
      setup(ctx) {
        const hooks = ctx.hooks(hostHooks);
        const undo = (address: number) => void (unwinds && hold(address, -1));
        const first = (parcel: { entries: readonly { address: number }[] }) => parcel.entries[0]?.address ?? 0;
        ctx.onSetup(
          hooks.preMemShare,
          (parcel) => hold(first(parcel), 1),
          (parcel) => undo(first(parcel)),
        );
        ctx.onSetup(hooks.postMemReclaim, (parcel) => hold(first(parcel), -1));
        ctx.onSetup(
          hooks.preDemandPage,
          (folio) => hold(folio.address, 1),
          (folio) => undo(folio.address),
        );
        ctx.onSetup(hooks.releaseDemandPage, (folio) => hold(folio.address, -1));
      },
    });
    const machine = await createMachine({ plugins: [plugin] });
    return { hooks: machine.hooks(hostHooks), state: () => [...held] };
  };
  const parcel = {
    label: 1,
    acl: [{ vmid: 45, permissions: 7 }],
    entries: [{ address: 0x9000, size: 4096 }],
    handle: 1,
  };
  return { create, parcel, folio: { vmid: 45, access: 6, address: 0xa000, size: 4096 } };
}
