import { GUNYAH_UID, GunyahError, Hypercall, SMCCC_NOT_SUPPORTED } from "@gunyah-ts/abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Client, Machine } from "./machine.ts";

const BASE = 0x8100_0000;
const NOT_SUPPORTED_32 = 0xffff_ffffn;

describe("SMCCC services", () => {
  const m = new Machine();

  it.each([
    ["VERSION", 0x8000_0000, [], 0x1_0003n],
    ["ARCH_FEATURES of VERSION", 0x8000_0001, [0x8000_0000], 0n],
    ["ARCH_FEATURES of ARCH_WORKAROUND_1", 0x8000_0001, [0x8000_8000], NOT_SUPPORTED_32],
    ["PV_TIME_FEATURES of itself", 0xc500_0020, [0xc500_0020], 0n],
    ["PV_TIME_FEATURES of PV_TIME_ST without an info area", 0xc500_0020, [0xc500_0021], SMCCC_NOT_SUPPORTED],
    ["PV_TIME_ST without an info area", 0xc500_0021, [], SMCCC_NOT_SUPPORTED],
    ["standard hypervisor REVISION", 0x8500_ff03, [], 1n],
    ["vendor hypervisor CALL_COUNT", 0x8600_ff00, [], SMCCC_NOT_SUPPORTED],
    ["vendor hypervisor REVISION", 0x8600_ff03, [], 0x5100_0000_0000_8001n],
    ["TRNG_VERSION", 0x8400_0050, [], 0x1_0000n],
    ["TRNG_FEATURES of TRNG_RND", 0x8400_0051, [0xc400_0053], 0n],
    ["TRNG_FEATURES of nothing", 0x8400_0051, [0x8400_0099], SMCCC_NOT_SUPPORTED],
    ["TRNG_RND of 97 bits", 0x8400_0053, [97], 0xffff_ffff_ffff_fffen],
    ["TRNG_RND of 0 bits", 0xc400_0053, [0], 0xffff_ffff_ffff_fffen],
    ["a yielding call", 0x4600_8012, [], SMCCC_NOT_SUPPORTED],
    ["a hypercall in SMC32 form", 0x8600_8012, [], SMCCC_NOT_SUPPORTED],
    ["a hypercall with reserved bits", 0xc602_8012, [], SMCCC_NOT_SUPPORTED],
    ["an unknown hypercall number", 0xc600_8016, [], SMCCC_NOT_SUPPORTED],
    ["PSCI without a VPM group", 0x8400_0000, [], SMCCC_NOT_SUPPORTED],
  ] as const)("answers %s", (_name, fid, args, expected) => {
    expect(m.root.smccc(fid, ...args)).toBe(expected);
  });

  it.each([0x8600_ff01, 0x8500_ff01])("gives the Gunyah UUID for 0x%s", (fid) => {
    m.root.smccc(fid);
    expect([...m.root.x.subarray(0, 4)].map(Number)).toEqual([...GUNYAH_UID]);
  });

  it("fills exactly the bits that TRNG_RND is asked for", () => {
    m.root.smccc(0xc400_0053, 70);
    const { x } = m.root;
    expect(x[0]).toBe(0n);
    expect(x[1]).toBe(0n);
    expect(x[2]! >> 6n).toBe(0n);
    expect(x[3]).not.toBe(0n);
  });

  it("forwards SMCs that nobody answers to secure firmware, HVCs never", () => {
    const seen: number[] = [];
    const other = new Machine({
      secureMonitors: [
        {
          smc(vmid, x) {
            if (x[0] !== 0x4200_0c16n) return false;
            seen.push(vmid);
            x[0] = 5n;
            return true;
          },
        },
      ],
    });
    const x = new BigUint64Array(18);
    x[0] = 0x4200_0c16n;
    other.root.vcpu.hvc(x);
    expect(x[0]).toBe(SMCCC_NOT_SUPPORTED);
    x[0] = 0x4200_0c16n;
    other.root.vcpu.smc(x);
    expect(x[0]).toBe(5n);
    expect(seen).toEqual([255]);
    x[0] = 0x4200_0c17n;
    other.root.vcpu.smc(x);
    expect(x[0]).toBe(SMCCC_NOT_SUPPORTED);
  });
});

describe("PSCI", () => {
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

  it.each([
    ["PSCI_VERSION", 0x8400_0000, [], 0x1_0001n],
    ["FEATURES of CPU_SUSPEND", 0x8400_000a, [0xc400_0001], 2n],
    ["FEATURES of CPU_ON", 0x8400_000a, [0xc400_0003], 0n],
    ["FEATURES of CPU_OFF", 0x8400_000a, [0x8400_0002], 0n],
    ["FEATURES of CPU_OFF in SMC64 form", 0x8400_000a, [0xc400_0002], NOT_SUPPORTED_32],
    ["FEATURES of SYSTEM_SUSPEND", 0x8400_000a, [0xc400_000e], NOT_SUPPORTED_32],
    ["FEATURES of SMCCC_VERSION", 0x8400_000a, [0x8000_0000], 0n],
    ["SYSTEM_SUSPEND", 0xc400_000e, [], SMCCC_NOT_SUPPORTED],
    ["MIGRATE", 0xc400_0005, [], SMCCC_NOT_SUPPORTED],
    ["SET_SUSPEND_MODE platform-coordinated", 0x8400_000f, [0], 0n],
    ["SET_SUSPEND_MODE OS-initiated", 0x8400_000f, [1], 0xffff_fffen],
    ["AFFINITY_INFO of itself", 0xc400_0004, [0, 0], 0n],
    ["AFFINITY_INFO of one that is off", 0xc400_0004, [1, 0], 1n],
    ["AFFINITY_INFO of nobody", 0xc400_0004, [5, 0], 0xffff_ffff_ffff_fffen],
    ["AFFINITY_INFO of a cluster", 0xc400_0004, [0, 1], 0xffff_ffff_ffff_fffen],
    ["CPU_ON of itself", 0xc400_0003, [0, BASE, 0], 0xffff_ffff_ffff_fffcn],
    ["CPU_ON of a known MPIDR without a vCPU", 0xc400_0003, [7, BASE, 0], 0xffff_ffff_ffff_fffan],
    ["CPU_ON of an impossible MPIDR", 0xc400_0003, [0x10_0000, BASE, 0], 0xffff_ffff_ffff_fffen],
    ["CPU_OFF of the last one", 0x8400_0002, [], 0xffff_fffdn],
    ["CPU_ON of the other", 0xc400_0003, [1, BASE, 0], 0n],
    ["CPU_ON again", 0x8400_0003, [1, BASE, 0], 0xffff_fffcn],
    ["AFFINITY_INFO of one that is on", 0x8400_0004, [1, 0], 0n],
  ] as const)("%s", (_name, fid, args, expected) => {
    expect(guest.smccc(fid, ...args)).toBe(expected);
  });

  it("kills the others and powers off on SYSTEM_OFF", () => {
    guest.smccc(0x8400_0008);
    const states = m.hypervisor.inspect
      .vms()
      .find((v) => v.vmid === 9)!
      .vcpus.map((v) => v.state);
    m.hypervisor.schedule(1000);
    expect(states[0]).toBe("VCPU_OFF");
    expect(m.root.call(Hypercall.vpm_group_get_state, vm.vpm)).toBe(GunyahError.OK);
    const after = m.hypervisor.inspect
      .vms()
      .find((v) => v.vmid === 9)!
      .vcpus.map((v) => v.state);
    expect(after).toEqual(["VCPU_OFF", "EXITED"]);
  });
});

describe("any register contents", () => {
  it("never throw and leave the hypervisor whole", () => {
    const m = new Machine();
    const vm = m.createVm({ vmid: 9, base: BASE, vcpus: 2, proxy: true, psci: true });
    m.fake.program(BASE, function* (cpu) {
      for (;;) yield* cpu.nop(10);
    });
    const caps = [
      ...vm.vcpus,
      vm.vic,
      vm.vpm,
      vm.memory,
      vm.addrspace,
      vm.cspace,
      m.createDoorbell(),
      m.createMsgqueue(),
    ];
    const word = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...caps) },
      { weight: 3, arbitrary: fc.bigInt({ min: 0n, max: 300n }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(BigInt(BASE), 0xffff_ffff_ffff_ffffn, 1n << 63n, 0xffff_0000_0000_0000n),
      },
      { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
    );
    const numbers = Object.values(Hypercall).map((call) => call.number);
    fc.assert(
      fc.property(
        fc.oneof(
          { weight: 8, arbitrary: fc.constantFrom(...numbers).map((n) => 0xc600_8000 | n) },
          { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff_ffff }) },
        ),
        fc.array(word, { minLength: 8, maxLength: 8 }),
        fc.boolean(),
        (fid, args, isSmc) => {
          const x = new BigUint64Array(18);
          x[0] = BigInt(fid >>> 0);
          x.set(args, 1);
          if (isSmc) m.root.vcpu.smc(x);
          else m.root.vcpu.hvc(x);
        },
      ),
      { numRuns: 3000 },
    );
    expect(m.hypervisor.inspect.checkOwnership()).toBeUndefined();
    expect(m.root.smccc(0x8000_0000)).toBe(0x1_0003n);
  });
});
