/**
 * A guest on a PE of the A64 backend that loads every register from memory, executes one HVC or SMC, and stores them.
 */

import { Hypercall, VcpuRunState } from "@gunyah-ts/abi";
import { createArm64Backend } from "@gunyah-ts/arch-arm64";
import { Machine } from "./machine.ts";

const CODE = 0x8100_0000;
const IN = CODE + 0x1000;
const OUT = CODE + 0x2000;
/** A store here ends vcpu_run. */
const DONE = 0x900_0000;

/** A frame: X0-X30, SP, V0-V31, FPSR, FPCR. Offsets in bytes. */
const SP = 0xf8;
const V = 0x100;
const FPSR = 0x300;
const FPCR = 0x308;
const FRAME_SIZE = 0x310;

export interface GuestRegisters {
  /** X0-X30. */
  readonly x: BigUint64Array;
  readonly sp: bigint;
  /** V0-V31. */
  readonly v: Uint8Array;
  readonly fpsr: bigint;
  readonly fpcr: bigint;
}

// A64 instructions. Source: DDI 0487 K.a C6.2, C7.2
const X30 = 30;
const movz = (d: number, value: number, half: number) => 0xd280_0000 | (half << 21) | (value << 5) | d;
const movk = (d: number, value: number, half: number) => 0xf280_0000 | (half << 21) | (value << 5) | d;
const address = (d: number, value: number) => [movz(d, value & 0xffff, 0), movk(d, value >>> 16, 1)];
const ldr = (t: number, n: number, offset: number) => 0xf940_0000 | ((offset / 8) << 10) | (n << 5) | t;
const str = (t: number, n: number, offset: number) => 0xf900_0000 | ((offset / 8) << 10) | (n << 5) | t;
const ldrQ = (t: number, n: number, offset: number) => 0x3dc0_0000 | ((offset / 16) << 10) | (n << 5) | t;
const strQ = (t: number, n: number, offset: number) => 0x3d80_0000 | ((offset / 16) << 10) | (n << 5) | t;
const msr = (encoding: number, t: number) => 0xd510_0000 | encoding | t;
const mrs = (encoding: number, t: number) => 0xd530_0000 | encoding | t;
const TPIDR_EL1 = 0x8_d080;
const CPACR_EL1 = 0x8_1040;
const FPSR_REGISTER = 0xb_4420;
const FPCR_REGISTER = 0xb_4400;
const ISB = 0xd503_3fdf;
const SP_FROM_X0 = 0x9100_001f;
const X0_FROM_SP = 0x9100_03e0;
const CALL = { hvc: 0xd400_0002, smc: 0xd400_0003 } as const;
const branch = (words: number) => 0x1400_0000 | (words & 0x3ff_ffff);
const each = (count: number, make: (i: number) => number) => Array.from({ length: count }, (_, i) => make(i));

const enableFloatingPoint = [movz(0, 0x30, 1), msr(CPACR_EL1, 0), ISB];
const load = [
  ...address(X30, IN),
  ...each(32, (i) => ldrQ(i, X30, V + 16 * i)),
  ldr(0, X30, FPSR),
  msr(FPSR_REGISTER, 0),
  ldr(0, X30, FPCR),
  msr(FPCR_REGISTER, 0),
  ldr(0, X30, SP),
  SP_FROM_X0,
  ...each(31, (i) => ldr(i, X30, 8 * i)),
];
const store = [
  msr(TPIDR_EL1, X30),
  ...address(X30, OUT),
  ...each(30, (i) => str(i, X30, 8 * i)),
  mrs(TPIDR_EL1, 0),
  str(0, X30, 8 * 30),
  X0_FROM_SP,
  str(0, X30, SP),
  ...each(32, (i) => strQ(i, X30, V + 16 * i)),
  mrs(FPSR_REGISTER, 0),
  str(0, X30, FPSR),
  mrs(FPCR_REGISTER, 0),
  str(0, X30, FPCR),
  ...address(X30, DONE),
  str(0, X30, 0),
];
const CALL_AT = enableFloatingPoint.length + load.length;

export class RegisterProbe {
  readonly machine: Machine;
  /** Of the call's instruction. */
  readonly returnAddress = BigInt(CODE + 4 * (CALL_AT + 1));
  readonly #vcpu: bigint;

  constructor() {
    const m = new Machine({ backend: (physicalMemory, clock) => createArm64Backend({ physicalMemory, clock }) });
    this.machine = m;
    const vm = m.createVm({ vmid: 9, base: CODE, vcpus: 2, proxy: true, psci: true, inRootCspace: true });
    this.#vcpu = vm.vcpus[0]!;
    m.root.ok(Hypercall.addrspace_configure_vmmio, vm.addrspace, DONE, 0x1000, 0);
    const body = [...load, CALL.hvc, ...store];
    const words = [...enableFloatingPoint, ...body, branch(-body.length)];
    m.memory.write(CODE, new Uint8Array(Uint32Array.from(words).buffer));
    m.root.ok(Hypercall.vcpu_poweron, this.#vcpu, CODE, 0, 0);
  }

  /** Registers with a value of its own in each. */
  filled(): GuestRegisters {
    return {
      x: BigUint64Array.from(
        each(31, (i) => i),
        (i) => 0x5ac3_0000_0000_0000n | (BigInt(i) << 40n) | BigInt(0x1111 * i),
      ),
      sp: BigInt(CODE + 0x8000),
      v: Uint8Array.from(each(512, (i) => (i * 7 + 3) & 0xff)),
      fpsr: 0x0800_0015n,
      fpcr: 0x00c0_0000n,
    };
  }

  /** Execute `hvc` or `smc` with these registers. @returns the registers at the next instruction */
  execute(instruction: "hvc" | "smc", immediate: number, registers: GuestRegisters): GuestRegisters {
    const { memory, root } = this.machine;
    const word = Uint32Array.of(CALL[instruction] | (immediate << 5));
    memory.write(CODE + 4 * CALL_AT, new Uint8Array(word.buffer));
    const frame = new Uint8Array(FRAME_SIZE);
    const words = new BigUint64Array(frame.buffer);
    words.set(registers.x);
    words[SP / 8] = registers.sp;
    frame.set(registers.v, V);
    words[FPSR / 8] = registers.fpsr;
    words[FPCR / 8] = registers.fpcr;
    memory.write(IN, frame);
    let state: number = VcpuRunState.READY;
    for (let turns = 0; state === VcpuRunState.READY && turns < 3; turns++) {
      root.ok(Hypercall.vcpu_run, this.#vcpu, 0, 0, 0);
      state = Number(root.x[1]);
    }
    if (state !== VcpuRunState.ADDRSPACE_VMMIO_WRITE || Number(root.x[2]) !== DONE)
      throw new Error(`the guest stopped with state ${state} at 0x${root.x[2]!.toString(16)}`);
    return this.#read(memory.view(OUT, FRAME_SIZE).slice());
  }

  #read(frame: Uint8Array): GuestRegisters {
    const words = new BigUint64Array(frame.buffer);
    return {
      x: words.slice(0, 31),
      sp: words[SP / 8]!,
      v: frame.slice(V, V + 512),
      fpsr: words[FPSR / 8]!,
      fpcr: words[FPCR / 8]!,
    };
  }
}
