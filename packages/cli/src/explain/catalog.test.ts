import { GunyahError, LinuxErrno, PsciResult, RmError } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { catalog, explain } from "./catalog.ts";
import { ERRNO_TEXT, GUNYAH_TEXT, PSCI_TEXT, RM_TEXT } from "./texts.ts";

const layers = (query: string): string[] => explain(query).map(({ layer, code }) => `${layer}: ${code}`);

describe("explain", () => {
  it("finds a name in whatever case and with the sign of an errno", () => {
    expect(layers("einval")).toEqual(["ioctl (Linux errno): EINVAL"]);
    expect(layers("-ENODEV")).toEqual(["ioctl (Linux errno): ENODEV"]);
    expect(layers("VMM_MEMORY_SIZE")).toEqual(["VMM: VMM_MEMORY_SIZE"]);
  });

  it("finds a name that several layers share in each of them", () => {
    expect(layers("BUSY")).toEqual(["Resource Manager RPC: BUSY", "hypercall: BUSY"]);
  });

  it("finds a number in every layer that has it", () => {
    expect(layers("0x14")).toEqual(["Resource Manager RPC: VM_STATE", "hypercall: ADDR_OVERFLOW"]);
    expect(layers("-22")).toEqual(["ioctl (Linux errno): EINVAL"]);
    expect(layers("22")).toContain("ioctl (Linux errno): EINVAL");
    expect(layers("0xffffffff")).toContain("hypercall: UNIMPLEMENTED");
  });

  it("falls back to a part of a name, and to nothing", () => {
    expect(layers("DTB_INVALID")).toEqual(["VMM: VMM_DTB_INVALID"]);
    expect(layers("NO_SUCH_THING")).toEqual([]);
  });
});

it("has a text for every number of the errno, RM and PSCI tables, and for every hypercall error that can arrive", () => {
  const missing = (codes: object, texts: object): string[] => Object.keys(codes).filter((code) => !(code in texts));
  expect(missing(LinuxErrno, ERRNO_TEXT)).toEqual([]);
  expect(missing(RmError, RM_TEXT)).toEqual([]);
  expect(missing(PsciResult, PSCI_TEXT)).toEqual([]);
  // Helpers of the hypervisor's log and allocator: no call of the API returns them.
  expect(missing(GunyahError, GUNYAH_TEXT).every((code) => /^(STRING|ALLOCATOR)_/.test(code))).toBe(true);
  expect(catalog().every(({ meaning }) => meaning.length > 3)).toBe(true);
});
