/**
 * The model of the hypervisor that most tests of the RM run on, and the hypervisor: the same requests, in any order, get
 * the same answers, make the RM do the same hypercalls with the same errors, and leave the host with the same pages.
 */

import { writeDtb } from "@gunyah-ts/devicetree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boot, configRequest, DTB_SIZE, guestTree, lendRequest, type RmClient } from "./host.ts";
import { bootSystem, SYSTEM_BOARD } from "./system.ts";

const NIGHTLY = process.env["GUNYAH_NIGHTLY"] === "1";
const AT = 0x8090_0000;
const PAGES = 16;
const HOST = SYSTEM_BOARD.hostVmid;
const VMIDS = [0x80, 0x81];

interface Side {
  readonly host: RmClient;
  write(ipa: number, bytes: Uint8Array): boolean;
  read(ipa: number): boolean;
  /** The RM's hypercalls since the last time. */
  hypercalls(): string[];
}
function fake(): Side {
  const { hyp, host, write } = boot(SYSTEM_BOARD);
  const read = (ipa: number) => hyp.readFrom(hyp.addrspaceOf(HOST), ipa, 1) !== undefined;
  return { host, write, read, hypercalls: () => hyp.log.splice(0) };
}
function real(): Side {
  const { host, write, program, trace } = bootSystem({ quiet: true });
  let log: string[] = [];
  trace.listen((event) => {
    if (event.kind === "hypercall" && event.vmid === 255) log.push(`${event.name} ${event.error}`);
  });
  const read = (ipa: number) => program.vcpu.read(ipa, new Uint8Array(1));
  return {
    host,
    write,
    read,
    hypercalls: () => {
      const done = log;
      log = [];
      return done;
    },
  };
}

type Name = Parameters<RmClient["call"]>[0];
type Step = readonly [name: Name, request: object] | "tree";

const vmid = fc.constantFrom(...VMIDS);
const handle = fc.integer({ min: 1, max: 6 });
const region = fc
  .tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: 4 }))
  .map(([page, count]) => ({ address: BigInt(AT + page * 4096), size: BigInt(count * 4096) }));
const regions = fc.array(region, { minLength: 1, maxLength: 3 });
const flags = fc.constantFrom(0, 0, 0, 1);
const to = (name: Name, request: fc.Arbitrary<object>) => request.map((value): Step => [name, value]);
const plain = (name: Name) =>
  to(
    name,
    vmid.map((id) => ({ vmid: id, reserved: 0 })),
  );
const step: fc.Arbitrary<Step> = fc.oneof(
  plain("VM_ALLOCATE").map((): Step => ["VM_ALLOCATE", { vmid: 0, reserved: 0 }]),
  {
    weight: 2,
    arbitrary: to(
      "MEM_LEND",
      fc.tuple(vmid, regions, flags).map(([id, sgl, f]) => ({ ...lendRequest(id, AT, 4096), sgl, flags: f })),
    ),
  },
  to(
    "MEM_SHARE",
    fc.tuple(vmid, regions, fc.constantFrom(4, 6, 7)).map(([id, sgl, rights]) => ({
      ...lendRequest(id, AT, 4096),
      sgl,
      acl: [
        { vmid: id, rights: 7 },
        { vmid: HOST, rights },
      ],
    })),
  ),
  {
    weight: 2,
    arbitrary: to(
      "MEM_RECLAIM",
      fc.tuple(handle, flags).map(([h, f]) => ({ handle: h, flags: f })),
    ),
  },
  // The pages of a device tree, lent one after the other as a driver does.
  fc.constant<Step>("tree"),
  to(
    "VM_CONFIG_IMAGE",
    fc.tuple(vmid, handle).map(([id, h]) => configRequest(id, h)),
  ),
  to(
    "VM_SET_ADDRESS_LAYOUT",
    vmid.map((id) => ({ vmid: id, rangeId: 0, base: 0x8010_0000n, size: 0x10_0000n })),
  ),
  to(
    "VM_SET_DEMAND_PAGING",
    vmid.map((id) => ({ vmid: id, ranges: [{ base: 0x8000_0000n, size: 0x20_0000n }] })),
  ),
  plain("VM_INIT"),
  plain("VM_START"),
  to(
    "VM_STOP",
    vmid.map((id) => ({ vmid: id, flags: 1, reason: 3 })),
  ),
  plain("VM_RESET"),
  plain("VM_DEALLOCATE"),
);
/** A whole life, so that every request is reached; what is drawn at random lies between its steps. */
const LIFE: readonly Step[] = [
  ["VM_ALLOCATE", { vmid: 0, reserved: 0 }],
  "tree",
  ["VM_CONFIG_IMAGE", configRequest(0x80, 1)],
  ["VM_SET_DEMAND_PAGING", { vmid: 0x80, ranges: [{ base: 0x8000_0000n, size: 0x20_0000n }] }],
  ["VM_SET_ADDRESS_LAYOUT", { vmid: 0x80, rangeId: 0, base: 0x8010_0000n, size: 0x10_0000n }],
  ["VM_INIT", { vmid: 0x80, reserved: 0 }],
  ["VM_START", { vmid: 0x80, reserved: 0 }],
  ["VM_STOP", { vmid: 0x80, flags: 1, reason: 3 }],
  ["VM_RESET", { vmid: 0x80, reserved: 0 }],
  ["MEM_RECLAIM", { handle: 1, flags: 0 }],
];

function run({ host, write, read, hypercalls }: Side, steps: readonly Step[]): unknown[] {
  hypercalls();
  return steps.map((one) => {
    const [name, request] =
      one === "tree" ? (["MEM_LEND", lendRequest(VMIDS[0] as number, AT, DTB_SIZE)] as const) : one;
    const wrote = one === "tree" && write(AT, writeDtb(guestTree({ cpus: 2 }), { size: DTB_SIZE }));
    const { error, value } = host.call(name, request as never);
    const pages = Array.from({ length: PAGES + 4 }, (_, page) => (read(AT + page * 4096) ? "+" : "-")).join("");
    const heard = host.takeNotifications().map((note) => note.name);
    return { name, wrote, error, handle: value?.handle, pages, heard, hypercalls: hypercalls() };
  });
}

describe("the model of the hypervisor", () => {
  it("does what the hypervisor does", { timeout: NIGHTLY ? 3_600_000 : 120_000 }, () => {
    const between = fc.array(step, { maxLength: 3 });
    fc.assert(
      fc.property(fc.tuple(...LIFE.map(() => between)), (gaps) => {
        const steps = LIFE.flatMap((one, i) => [one, ...(gaps[i] as Step[])]);
        expect(run(fake(), steps)).toEqual(run(real(), steps));
      }),
      { numRuns: NIGHTLY ? 1000 : 40, examples: [[LIFE.map(() => [])]] as never },
    );
  });
});
