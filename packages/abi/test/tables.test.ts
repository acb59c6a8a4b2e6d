import { describe, expect, it } from "vitest";
import {
  GunyahError,
  gunyahErrorFromRegister,
  gunyahErrorToErrno,
  gunyahErrorToRegister,
  Hypercall,
  hypercallByNumber,
  LINUX_HYPERCALLS,
  RmCalls,
  RmError,
  RmMessageId,
  RmNotificationId,
  RmNotifications,
  rmErrorFromGunyah,
  rmErrorToErrno,
  selectHypercall,
  virqToSpecifier,
} from "../src/index.ts";

describe("hypercall table", () => {
  it("has each number once, in the place that its number names", () => {
    const numbers = Object.values(Hypercall).map((d) => d.number);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const [name, d] of Object.entries(Hypercall)) {
      expect(d.name).toBe(name);
      expect(hypercallByNumber[d.number]).toBe(d);
    }
  });
  it("leaves out the reserved and unassigned numbers", () => {
    const absent = Array.from(hypercallByNumber.keys()).filter((n) => hypercallByNumber[n] === undefined);
    expect(absent).toEqual([0x08, 0x16, 0x1e, 0x33, 0x35, 0x36, 0x37]);
  });
  it("fits every call into X0-X17", () => {
    for (const d of Object.values(Hypercall))
      for (const p of [...d.inputs, ...d.outputs]) expect(p.register).toBeLessThanOrEqual(8);
  });
  it("selects by function id", () => {
    for (const d of Object.values(LINUX_HYPERCALLS))
      expect(selectHypercall(d.fid)).toEqual({ kind: "hypercall", number: d.number });
    expect(selectHypercall(0xc601_8012)).toEqual({ kind: "hypercall", number: 0x12 });
    expect(selectHypercall(0x8600_8012)).toEqual({ kind: "other" });
    expect(selectHypercall(0x4600_8012)).toEqual({ kind: "other" });
    expect(selectHypercall(0xc602_8012)).toEqual({ kind: "other" });
    expect(selectHypercall(0xc600_0012)).toEqual({ kind: "vendor", class: 0, number: 0x12 });
    expect(selectHypercall(0xc600_ff01)).toEqual({ kind: "vendor", class: 3, number: 0x3f01 });
  });
});

describe("errors", () => {
  it("map to errno as the driver maps them", () => {
    const expected: Record<string, number> = {
      OK: 0,
      UNIMPLEMENTED: -95,
      RETRY: -11,
      NOMEM: -12,
      DENIED: -13,
      BUSY: -16,
      IDLE: -16,
      VIRQ_BOUND: -5,
      VIRQ_NOT_BOUND: -5,
      CSPACE_CAP_NULL: -13,
      CSPACE_CAP_REVOKED: -13,
      CSPACE_WRONG_OBJECT_TYPE: -13,
      CSPACE_INSUFFICIENT_RIGHTS: -13,
      CSPACE_FULL: -16,
      MSGQUEUE_EMPTY: -5,
      MSGQUEUE_FULL: -5,
    };
    for (const [name, value] of Object.entries(GunyahError))
      expect([name, gunyahErrorToErrno(value)]).toEqual([name, expected[name] ?? -22]);
  });
  it("pass through a register", () => {
    for (const value of Object.values(GunyahError)) {
      expect(gunyahErrorFromRegister(gunyahErrorToRegister(value))).toBe(value);
    }
    expect(gunyahErrorToRegister(GunyahError.UNIMPLEMENTED)).toBe(0xffff_ffff_ffff_ffffn);
  });
  it("of the RM map to errno", () => {
    const expected: Record<string, number> = {
      OK: 0,
      UNIMPLEMENTED: -95,
      NOMEM: -12,
      NORESOURCE: -19,
      DENIED: -1,
      BUSY: -16,
      IN_USE: -74,
      IRQ_NOT_MAPPED: -74,
      VM_STATE: -74,
    };
    for (const [name, value] of Object.entries(RmError))
      expect([name, rmErrorToErrno(value)]).toEqual([name, expected[name] ?? -22]);
    expect(rmErrorToErrno(0x7777)).toBe(-74);
  });
  it("of the hypervisor become RM errors", () => {
    expect(rmErrorFromGunyah(GunyahError.ADDR_INVALID)).toBe(RmError.MEM_INVALID);
    expect(rmErrorFromGunyah(GunyahError.ARGUMENT_SIZE)).toBe(RmError.ARGUMENT_INVALID);
    expect(rmErrorFromGunyah(GunyahError.OBJECT_STATE)).toBe(RmError.DENIED);
  });
});

describe("RM ids", () => {
  it("have a codec each, but for those that the RM answers with UNIMPLEMENTED", () => {
    const covered = new Set<number>(Object.values(RmCalls).map((call) => call.id));
    const without = Object.entries(RmMessageId)
      .filter(([, id]) => !covered.has(id))
      .map(([name]) => name);
    expect(without).toEqual(["VM_GET_HYP_CAPIDS", "VM_GET_HYP_IRQS", "VM_IRQ_UNMAP", "IPA_UNRESERVE"]);
    expect(
      Object.values(RmNotifications)
        .map((n) => n.id)
        .sort(),
    ).toEqual(Object.values(RmNotificationId).sort());
  });
  it("name calls by their id", () => {
    for (const [name, call] of Object.entries(RmCalls)) expect(RmMessageId[name as keyof typeof RmCalls]).toBe(call.id);
  });
  it("turn virqs into interrupt specifiers", () => {
    expect([31, 32, 1019, 1020, 4095, 4096, 5119, 5120].map(virqToSpecifier)).toEqual([
      undefined,
      { type: 0, number: 0 },
      { type: 0, number: 987 },
      undefined,
      undefined,
      { type: 2, number: 0 },
      { type: 2, number: 1023 },
      undefined,
    ]);
  });
});
