/**
 * What a call leaves in the registers, for every call of the table with good and bad arguments, in both forms.
 * Source: gunyah-hypervisor hyp/vm/smccc/aarch64/templates/hyp_wrapper.c.tmpl, hyp/vm/vcpu/armv8-64/src/return.S
 */

import { GUNYAH_UID, GunyahError, Hypercall, hypercallByNumber, SMCCC_NOT_SUPPORTED } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { Registers } from "../src/hypercall/registers.ts";
import { type CallForm, createWorld, RETURN_ADDRESS, type Vm } from "./fixture.ts";
import { type Args, rowsOf } from "./hypercall-spec.ts";
import { memorySpecs } from "./hypercalls-memory.ts";
import { objectSpecs } from "./hypercalls-objects.ts";
import { vcpuSpecs } from "./hypercalls-vcpu.ts";
import { Client, Machine } from "./machine.ts";
import { createMachineWorld } from "./machine-world.ts";
import { RegisterProbe } from "./register-probe.ts";

const specs = [...objectSpecs, ...memorySpecs, ...vcpuSpecs];
const FORMS: readonly CallForm[] = ["smccc", "native"];

/** A value that no call takes for anything, another in each register. */
const filled = (i: number): bigint => 0xa5c3_0000_5a00_0000n | (BigInt(i) << 32n) | BigInt(0x77 + i);

/** Registers as they are at the HVC: `args` in their places, everything else filled. */
function atCall(number: number, args: Args, form: CallForm): Registers {
  const r = new Registers();
  for (let i = 0; i < 18; i++) r.x[i] = filled(i);
  if (form === "smccc") r.x[0] = 0xc600_8000n | BigInt(number);
  args.forEach((value, i) => {
    r.x[form === "smccc" ? i + 1 : i] = BigInt.asUintN(64, BigInt(value));
  });
  return r;
}

/** X<first> and up after a call with `results` declared results. */
function expectRest(before: Registers, after: Registers, results: number, form: CallForm): void {
  for (let i = results; i < 18; i++) {
    let expected = before.x[i]!;
    if (form === "native" && i !== 8) expected = i === 9 ? RETURN_ADDRESS : 0n;
    expect(after.x[i], `X${i}`).toBe(expected);
  }
}

function issue(vm: Vm, number: number, before: Registers, form: CallForm): Registers {
  const after = new Registers(before.x.slice());
  vm.raw(number, after, form);
  return after;
}

describe.each(FORMS)("a hypercall in the %s form", (form) => {
  describe.each(specs.map((spec) => [spec.call, spec] as const))("%s", (call, spec) => {
    const definition = Hypercall[call];
    const results = definition.outputs.length + (definition.returnsError ? 1 : 0);

    it("writes its results alone, and zero results with an error", () => {
      for (const row of rowsOf(spec)) {
        const { world, args } = row.prepare();
        const before = atCall(definition.number, args, form);
        const after = issue(world.root, definition.number, before, form);
        expectRest(before, after, results, form);
        if (!definition.returnsError) continue;
        expect(after.x[0], row.when).toBe(BigInt.asUintN(64, BigInt(row.error)));
        if (row.error === GunyahError.OK) continue;
        for (let i = 1; i < results; i++) expect(after.x[i], `X${i}, ${row.when}`).toBe(0n);
      }
    });
  });

  it.each([0x08, 0x16, 0x1e, 0x33, 0x35, 0x36, 0x37])("0x%s, which is a hole in the table", (number) => {
    expect(hypercallByNumber[number]).toBeUndefined();
    const before = atCall(number, [], form);
    const after = issue(createWorld().root, number, before, form);
    expect(after.x[0]).toBe(SMCCC_NOT_SUPPORTED);
    expectRest(before, after, 1, form);
  });

  it.each([hypercallByNumber.length, 0x100, 0x1ff])("0x%s, which is beyond the table", (number) => {
    const before = atCall(number, [], form);
    const after = issue(createWorld().root, number, before, form);
    expect(after.x[0]).toBe(SMCCC_NOT_SUPPORTED);
    // No hypercall at all: not even the native form touches anything else.
    expectRest(before, after, 1, "smccc");
  });
});

/** What X1-X3 are afterwards: as before, their low 32 bits, or these values. */
type Rest = "kept" | "zero-extended" | readonly (bigint | "zero-extended")[];
const NOT_SUPPORTED_32 = 0xffff_ffffn;

/** [name, function id, arguments, X0, X1-X3] */
const SERVICES: readonly (readonly [string, number, readonly number[], bigint, Rest])[] = [
  ["SMCCC_VERSION", 0x8000_0000, [], 0x1_0003n, "zero-extended"],
  ["ARCH_FEATURES", 0x8000_0001, [0x8000_0000], 0n, "zero-extended"],
  ["ARCH_FEATURES of nothing", 0x8000_0001, [0x8000_7fff], NOT_SUPPORTED_32, "zero-extended"],
  ["an architecture call that does not exist", 0x8000_7fff, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["PV_TIME_FEATURES", 0xc500_0020, [0xc500_0020], 0n, "kept"],
  ["PV_TIME_ST", 0xc500_0021, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["standard CALL_UID", 0x8500_ff01, [], BigInt(GUNYAH_UID[0]), GUNYAH_UID.slice(1).map(BigInt)],
  ["standard REVISION", 0x8500_ff03, [], 1n, [0n, "zero-extended", "zero-extended"]],
  ["vendor CALL_UID", 0x8600_ff01, [], BigInt(GUNYAH_UID[0]), GUNYAH_UID.slice(1).map(BigInt)],
  ["vendor REVISION", 0x8600_ff03, [], 0x5100_0000_0000_8001n, "kept"],
  ["vendor CALL_COUNT", 0x8600_ff00, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["TRNG_VERSION", 0x8400_0050, [], 0x1_0000n, [0n, 0n, 0n]],
  ["TRNG_FEATURES", 0x8400_0051, [0x8400_0053], 0n, "kept"],
  ["TRNG_FEATURES of nothing", 0x8400_0051, [0x8400_0054], SMCCC_NOT_SUPPORTED, "kept"],
  ["TRNG_RND of too many bits", 0x8400_0053, [97], 0xffff_ffff_ffff_fffen, "kept"],
  ["TRNG_RND of too many bits, SMC64", 0xc400_0053, [193], 0xffff_ffff_ffff_fffen, "kept"],
  ["PSCI_VERSION", 0x8400_0000, [], 0x1_0001n, "zero-extended"],
  ["PSCI_FEATURES", 0x8400_000a, [0xc400_0001], 2n, "zero-extended"],
  ["PSCI_FEATURES of nothing", 0x8400_000a, [0x8400_000e], NOT_SUPPORTED_32, "zero-extended"],
  ["AFFINITY_INFO", 0x8400_0004, [0, 0], 0n, "zero-extended"],
  ["AFFINITY_INFO of a cluster", 0x8400_0004, [0, 1], 0xffff_fffen, "zero-extended"],
  ["AFFINITY_INFO, SMC64", 0xc400_0004, [0, 0], 0n, "kept"],
  ["CPU_ON of itself", 0x8400_0003, [0, 0, 0], 0xffff_fffcn, "zero-extended"],
  ["CPU_ON of itself, SMC64", 0xc400_0003, [0, 0, 0], 0xffff_ffff_ffff_fffcn, "kept"],
  ["CPU_OFF of the last one", 0x8400_0002, [], 0xffff_fffdn, "zero-extended"],
  ["SET_SUSPEND_MODE", 0x8400_000f, [1], 0xffff_fffen, "zero-extended"],
  ["SYSTEM_SUSPEND", 0xc400_000e, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["MIGRATE, SMC32", 0x8400_0005, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["a hypercall in SMC32 form", 0x8600_8012, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["a yielding hypercall", 0x4600_8012, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["a yielding call", 0x0400_0000, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["reserved bits in the id", 0xc602_8012, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["reserved bits in the id, SMC32", 0x8402_0000, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["an unassigned class of the vendor", 0xc600_4000, [], SMCCC_NOT_SUPPORTED, "kept"],
  ["an owner that nobody is", 0xc700_0000, [], SMCCC_NOT_SUPPORTED, "kept"],
];

function afterService(before: BigUint64Array, x0: bigint, rest: Rest): bigint[] {
  const expected = [...before];
  expected[0] = x0;
  for (let i = 1; i <= 3; i++) {
    const x = typeof rest === "string" ? rest : rest[i - 1]!;
    if (x === "zero-extended") expected[i] = before[i]! & 0xffff_ffffn;
    else if (x !== "kept") expected[i] = x;
  }
  return expected;
}

function atService(x: BigUint64Array, fid: number, args: readonly number[]): void {
  for (let i = 0; i < x.length; i++) x[i] = filled(i);
  x[0] = 0x1234_5678_0000_0000n | BigInt(fid);
  args.forEach((value, i) => {
    x[i + 1] = BigInt(value);
  });
}

const BASE = 0x8100_0000;

describe.each(["hvc", "smc"] as const)("a service by %s", (instruction) => {
  const m = new Machine();
  const vm = m.createVm({ vmid: 9, base: BASE, vcpus: 2, psci: true });
  let guest!: Client;
  m.program(BASE, {
    name: "guest",
    start(vcpu) {
      guest ??= new Client(vcpu);
    },
  });
  m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
  m.hypervisor.schedule(1000);

  it.each(SERVICES)("%s", (_name, fid, args, x0, rest) => {
    const x = new BigUint64Array(18);
    atService(x, fid, args);
    const before = x.slice();
    guest.vcpu[instruction](x);
    expect([...x]).toEqual(afterService(before, x0, rest));
  });

  it("leaves PSCI calls without a VPM group unanswered, and their registers alone", () => {
    const x = new BigUint64Array(18);
    atService(x, 0x8400_0000, []);
    const before = x.slice();
    m.root.vcpu[instruction](x);
    expect([...x]).toEqual(afterService(before, SMCCC_NOT_SUPPORTED, "kept"));
  });

  it.each([
    ["TRNG_RND", 0x8400_0053, 32, 32n],
    ["TRNG_RND, SMC64", 0xc400_0053, 64, 64n],
  ] as const)("%s writes X0-X3", (_name, fid, bits, width) => {
    const x = new BigUint64Array(18);
    atService(x, fid, []);
    // An SMC32 argument is 32 bits wide.
    x[1] = BigInt(bits) | (width === 32n ? 1n << 40n : 0n);
    const before = x.slice();
    guest.vcpu[instruction](x);
    expect([...x.subarray(0, 3)]).toEqual([0n, 0n, 0n]);
    expect(x[3]! >> width).toBe(0n);
    expect([...x.subarray(4)]).toEqual([...before.subarray(4)]);
  });
});

describe("on a PE, with every register of the guest filled", () => {
  const probe = new RegisterProbe();
  const immediates = [1, 0x1234, 0x5fff, 0x6200, 0xffff];

  /** Everything but X0-X17 survives; @returns those */
  function execute(
    on: RegisterProbe,
    instruction: "hvc" | "smc",
    immediate: number,
    fill: (x: BigUint64Array) => void,
  ) {
    const before = on.filled();
    fill(before.x);
    const after = on.execute(instruction, immediate, before);
    expect([...after.x.subarray(18)]).toEqual([...before.x.subarray(18)]);
    expect(after.sp).toBe(before.sp);
    expect(after.fpsr).toBe(before.fpsr);
    expect(after.fpcr).toBe(before.fpcr);
    expect(after.v).toEqual(before.v);
    return { before: before.x, after: after.x };
  }

  it.each(immediates)("an immediate that nobody answers: #0x%s", (immediate) => {
    for (const instruction of ["hvc", "smc"] as const) {
      const { before, after } = execute(probe, instruction, immediate, () => {});
      expect([...after]).toEqual([SMCCC_NOT_SUPPORTED, ...before.subarray(1)]);
    }
  });

  it("answers hypercalls of the native form by HVC alone", () => {
    const { before, after } = execute(probe, "smc", 0x6000, () => {});
    expect([...after]).toEqual([SMCCC_NOT_SUPPORTED, ...before.subarray(1)]);
  });

  it("a number beyond the table", () => {
    const { before, after } = execute(probe, "hvc", 0x6000 + hypercallByNumber.length, () => {});
    expect([...after]).toEqual([SMCCC_NOT_SUPPORTED, ...before.subarray(1)]);
  });

  it.each(SERVICES)("%s", (_name, fid, args, x0, rest) => {
    for (const instruction of ["hvc", "smc"] as const) {
      const { before, after } = execute(probe, instruction, 0, (x) => {
        atService(x, fid, args);
      });
      expect([...after]).toEqual(afterService(before, x0, rest));
    }
  });

  it.each(specs.map((spec) => [spec.call, spec] as const))("%s", (call, spec) => {
    const definition = Hypercall[call];
    const results = definition.outputs.length + (definition.returnsError ? 1 : 0);
    // The good call changes its world.
    const own = new RegisterProbe();
    const good = spec.good(createMachineWorld(own.machine));
    const bad = good.map((value, i) => (spec.lookups.some(({ arg }) => arg === i) ? 5n : value));
    const calls: readonly (readonly [CallForm, Args])[] = [
      ["native", bad],
      ["smccc", bad],
      // The call can succeed once; every other one as a native call.
      [definition.number % 2 === 0 ? "smccc" : "native", good],
    ];
    for (const [form, args] of calls) {
      const { before, after } = execute(own, "hvc", form === "native" ? 0x6000 + definition.number : 0, (x) => {
        x.set(atCall(definition.number, args, form).x);
      });
      for (let i = results; i < 18; i++) {
        let expected = before[i]!;
        if (form === "native" && i !== 8) expected = i === 9 ? own.returnAddress : 0n;
        expect(after[i], `X${i}, ${form}`).toBe(expected);
      }
    }
  });
});
