/**
 * How long one vcpu_run keeps the process, for guests that loop in what retires few instructions or costs much.
 * `npx tsx --conditions=gunyah-source packages/hyp/bench/turns.ts`; median and longest of 60 calls, milliseconds.
 */

import { Hypercall } from "@gunyah-ts/abi";
import { createArm64Backend } from "@gunyah-ts/arch-arm64";
import { createHostClock, createVirtualClock } from "@gunyah-ts/kernel";
import { BOARD, Machine } from "../test/machine.ts";

const BASE = 0x8100_0000;
const VECTORS = BASE + 0x1000;
const B = (words: number) => (0x1400_0000 | (words & 0x3ff_ffff)) >>> 0;
/** msr vbar_el1, x0; then a loop. X0 is the vectors' address. */
const SET_VBAR = 0xd518_c000;
const ERET_NEXT = [0xd538_4021, 0x9100_1021, 0xd518_4021, 0xd69f_03e0]; // mrs x1, elr_el1; add x1, x1, #4; msr; eret
const moveGicd = [0xd2a0_0000 | ((BOARD.hostGic.distributor >>> 16) << 5) | 2]; // movz x2, #hi, lsl 16
const HVC = 0xd400_0002;
const call = (fid: number, loop: number) => [
  0xd280_0000 | ((fid & 0xffff) << 5),
  (0xf2a0_0000 | ((fid >>> 16) << 5)) >>> 0,
  loop,
  B(-3),
];

/** Code; vectors where there are any. */
const LOOPS: Record<string, { code: number[]; vectors?: number[]; vbar?: number }> = {
  "nothing: b .": { code: [B(0)] },
  "data abort, skipped by the handler": { code: [SET_VBAR, 0xd280_0002, 0xf940_0043, B(-1)], vectors: ERET_NEXT },
  "vectors outside memory": { code: [SET_VBAR, HVC + 32, B(-1)], vbar: 0x4000_0000 },
  "vectors that are undefined": { code: [SET_VBAR, 0], vectors: [0] },
  "fetch from the distributor": { code: [...moveGicd, 0xd61f_0040], vbar: BOARD.hostGic.distributor },
  "read of GICD_CTLR": { code: [...moveGicd, 0xb940_0043, B(-1)] },
  "write of GICD_CTLR, both ways": {
    code: [...moveGicd, 0x5280_0263, 0xb900_0043, 0x5280_0203, 0xb900_0043, B(-4)],
  },
  "SMCCC_VERSION by HVC": { code: call(0x8000_0000, HVC) },
  "SMCCC_VERSION by SMC": { code: call(0x8000_0000, 0xd400_0003) },
  "PSCI AFFINITY_INFO": { code: call(0xc400_0004, HVC) },
  TRNG_RND64: { code: [0xd280_1801, ...call(0xc400_0053, HVC)] },
  hypervisor_identify: { code: call(0xc600_8000, HVC) },
  "HVC of no call, undefined": { code: [SET_VBAR, 0xd400_0022, B(-1)], vectors: ERET_NEXT },
  "SGI to oneself, masked": { code: [0xd2a0_2000, 0xd518_cba0, B(-1)] },
  "trapped system register": { code: [SET_VBAR, 0xd538_f220, B(-1)], vectors: ERET_NEXT },
  "svc and back": { code: [SET_VBAR, 0xd400_0001, B(-1)], vectors: [0xd69f_03e0] },
  "tlbi vmalle1is": { code: [0xd508_831f, B(-1)] },
  "tlbi vaae1is": { code: [0xd508_8360, B(-1)] },
  "ic iallu": { code: [0xd508_751f, B(-1)] },
  "mrs cntvct_el0": { code: [0xd53b_e043, B(-1)] },
  "msr cntv_cval_el0": { code: [0xd51b_e343, B(-1)] },
  "at s1e1r": { code: [0xd508_7800, B(-1)] },
  "wfe and sevl": { code: [0xd503_20bf, 0xd503_205f, B(-2)] },
  "store over one's code": { code: [0x1000_0001, 0xb940_0023, 0xb900_0023, B(-1)] },
};

const only = process.argv[2];
for (const kind of ["virtual", "host"] as const) {
  console.log(`${kind} clock`);
  for (const [name, { code, vectors, vbar }] of Object.entries(LOOPS)) {
    if (only !== undefined && !name.includes(only)) continue;
    const m = new Machine({
      clock: kind === "host" ? createHostClock() : createVirtualClock(),
      backend: (physicalMemory, clock) => createArm64Backend({ physicalMemory, clock }),
      quantum: 200_000,
      trace: false,
      checkOwnership: false,
    });
    const vm = m.createVm({ vmid: 40, base: BASE, proxy: true, psci: true });
    const vcpu = vm.vcpus[0]!;
    m.memory.write(BASE, new Uint8Array(new Uint32Array(code).buffer));
    if (vectors !== undefined)
      for (let entry = 0; entry < 16; entry++)
        m.memory.write(VECTORS + entry * 0x80, new Uint8Array(new Uint32Array(vectors).buffer));
    m.root.ok(Hypercall.vcpu_poweron, vcpu, BASE, vbar ?? VECTORS, 0);
    const times: number[] = [];
    let state = 0n;
    for (let i = 0; i < 60; i++) {
      const start = performance.now();
      m.root.ok(Hypercall.vcpu_run, vcpu, 0, 0, 0);
      times.push(performance.now() - start);
      state = m.root.x[1]!;
    }
    times.sort((a, b) => a - b);
    const retired = m.hypervisor.inspect.vms().find((v) => v.vmid === 40)!.vcpus[0]!.retired;
    console.log(
      `${name.padEnd(40)} ${times[30]!.toFixed(2).padStart(8)} ${times[59]!.toFixed(2).padStart(8)}  state ${state}, ${Math.round(retired / 60)} instructions a call`,
    );
  }
}
