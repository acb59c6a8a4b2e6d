/**
 * A whole hypervisor over the scripted CPU backend, with a native root VM that tests drive call by call.
 */

import {
  GunyahError,
  gunyahErrorFromRegister,
  Hypercall,
  type HypercallDefinition,
  MapAttrs,
  MemextentAttrs,
  MemextentType,
} from "@gunyah-ts/abi";
import {
  type BoardConfig,
  type BootEnvironment,
  type Clock,
  type CpuBackend,
  createPhysicalMemory,
  createSeededEntropy,
  createTrace,
  type NativeProgram,
  type NativeVcpu,
  type PhysicalMemory,
  type SecureMonitor,
} from "@gunyah-ts/kernel";
import {
  type FakeClock,
  type FakeCpuBackend,
  type FakeTrace,
  fakeClock,
  fakeCpuBackend,
  fakeTrace,
} from "@gunyah-ts/kernel/testing";
import { createHypervisor, type GunyahHypervisor } from "../src/hypervisor.ts";

const MIB = 1024 * 1024;
export const BOARD: BoardConfig = {
  name: "test",
  dram: { base: 0x8000_0000, size: 64 * MIB },
  carveOut: { base: 0x8380_0000, size: 8 * MIB },
  rootVm: { base: 0x8300_0000, size: MIB },
  rootVmEntry: 0x8300_0000,
  hostEntry: 0x8020_0000,
  hostDtb: { base: 0x8010_0000, size: 0x1_0000 },
  hostVmid: 3,
  physicalCpus: 2,
  hostCpus: 1,
  hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
  timerFrequencyHz: 19_200_000,
  freeSpiStart: 960,
};

type Call = HypercallDefinition | { readonly number: number };
type Argument = number | bigint;

/** Hypercalls of a native vCPU. */
export class Client {
  readonly x = new BigUint64Array(18);
  readonly vcpu: NativeVcpu;

  constructor(vcpu: NativeVcpu) {
    this.vcpu = vcpu;
  }

  /** @returns the error; results are in `x` */
  call(definition: Call, ...args: Argument[]): number {
    this.x.fill(0n);
    this.x[0] = 0xc600_8000n | BigInt(definition.number);
    args.forEach((value, i) => {
      this.x[i + 1] = BigInt.asUintN(64, BigInt(value));
    });
    this.vcpu.hvc(this.x);
    return gunyahErrorFromRegister(this.x[0]!);
  }

  /** As `call`, for calls that must succeed. @returns X1 */
  ok(definition: Call, ...args: Argument[]): bigint {
    const error = this.call(definition, ...args);
    if (error !== GunyahError.OK) throw new Error(`hypercall 0x${definition.number.toString(16)} gave ${error}`);
    return this.x[1]!;
  }

  smccc(fid: number, ...args: Argument[]): bigint {
    this.x.fill(0n);
    this.x[0] = BigInt(fid);
    args.forEach((value, i) => {
      this.x[i + 1] = BigInt.asUintN(64, BigInt(value));
    });
    this.vcpu.hvc(this.x);
    return this.x[0]!;
  }
}

/** The capabilities of a VM that a test made. */
export interface TestVm {
  readonly vmid: number;
  readonly cspace: bigint;
  readonly addrspace: bigint;
  readonly memory: bigint;
  readonly vic: bigint;
  readonly vpm: bigint;
  readonly vcpus: readonly bigint[];
}

export interface VmOptions {
  readonly vmid: number;
  /** Memory of the VM, IPA = PA. */
  readonly base: number;
  readonly size?: number;
  readonly vcpus?: number;
  readonly proxy?: boolean;
  readonly psci?: boolean;
  /** Its vCPUs use the root VM's capability space, so that a guest can make any call. */
  readonly inRootCspace?: boolean;
  readonly priority?: number;
  readonly timesliceNs?: number;
  /** Physical page of an info area, which the VM can read at INFO_AREA. */
  readonly infoArea?: number;
  /** Watchdog of its vCPUs. */
  readonly watchdog?: bigint;
}

/** Where a VM sees its info area. */
export const INFO_AREA = 0x1_0000;

export interface MachineOptions {
  readonly backend?: (memory: PhysicalMemory, clock: FakeClock) => CpuBackend;
  readonly quantum?: number;
  readonly secureMonitors?: readonly SecureMonitor[];
  readonly board?: Partial<BoardConfig>;
  /** Default true. */
  readonly checkOwnership?: boolean;
  /** Record trace events. Default true. */
  readonly trace?: boolean;
  readonly instructionsPerTick?: number;
  /** Default a virtual clock that tests can advance. */
  readonly clock?: Clock;
}

export class Machine {
  readonly memory: PhysicalMemory;
  readonly clock: FakeClock;
  readonly trace: FakeTrace = fakeTrace();
  readonly hypervisor: GunyahHypervisor;
  readonly backend: CpuBackend;
  root!: Client;
  env!: BootEnvironment;
  /** What the root VM's interrupt handler saw. */
  readonly rootInterrupts: number[] = [];
  onRootInterrupt: ((intid: number) => void) | undefined;

  constructor(options: MachineOptions = {}) {
    const board = { ...BOARD, ...options.board };
    this.memory = createPhysicalMemory({
      dramBase: board.dram.base,
      dramSize: board.dram.size,
      reservedBytes: 64 * MIB,
    });
    this.clock = (options.clock ??
      fakeClock(
        options.instructionsPerTick === undefined ? {} : { instructionsPerTick: options.instructionsPerTick },
      )) as FakeClock;
    this.backend =
      options.backend?.(this.memory, this.clock) ?? fakeCpuBackend({ memory: this.memory, clock: this.clock });
    this.hypervisor = createHypervisor({
      board,
      backend: this.backend,
      memory: this.memory,
      clock: this.clock,
      entropy: createSeededEntropy(7),
      trace: options.trace === false ? createTrace() : this.trace,
      ...(options.quantum === undefined ? {} : { quantum: options.quantum }),
      ...(options.secureMonitors === undefined ? {} : { secureMonitors: options.secureMonitors }),
      checkOwnership: options.checkOwnership ?? true,
    });
    const machine = this;
    this.hypervisor.programs.install(board.rootVmEntry, {
      name: "root",
      start(vcpu, context) {
        machine.root = new Client(vcpu);
        const text = new Uint8Array(256 * 1024);
        vcpu.read(Number(context), text.subarray(0, board.rootVm.base + board.rootVm.size - Number(context)));
        machine.env = JSON.parse(new TextDecoder().decode(text.subarray(0, text.indexOf(0)))) as BootEnvironment;
        enableGic(vcpu, machine.env.gic.distributor, machine.env.gic.redistributors);
      },
      interrupt(vcpu) {
        const intid = vcpu.acknowledge();
        machine.rootInterrupts.push(intid);
        machine.onRootInterrupt?.(intid);
        vcpu.endOfInterrupt(intid);
      },
    });
    this.hypervisor.boot();
  }

  get fake(): FakeCpuBackend {
    return this.backend as FakeCpuBackend;
  }

  /** Install a native program. */
  program(entry: number, program: Partial<NativeProgram> & { name: string }): void {
    this.hypervisor.programs.install(entry, { start() {}, interrupt() {}, ...program });
  }

  /** Bind through `bind(vic, virqInfo)` and enable the SPI in the root VM. */
  enableRootSpi(spi: number, level = false): void {
    enableSpi(this.root.vcpu, this.env.gic.distributor, spi, level);
  }

  createVm(options: VmOptions): TestVm {
    const { root, env } = this;
    const { partition, cspace: rootCspace } = env;
    const make = (call: Call): bigint => root.ok(call, BigInt(partition), BigInt(rootCspace), 0);
    const cspace = make(Hypercall.partition_create_cspace);
    root.ok(Hypercall.cspace_configure, cspace, 64);
    root.ok(Hypercall.object_activate, cspace);
    const addrspace = make(Hypercall.partition_create_addrspace);
    root.ok(Hypercall.addrspace_configure, addrspace, options.vmid);
    const { infoArea } = options;
    const info = infoArea === undefined ? undefined : this.#derive(infoArea, 0x1000);
    if (info !== undefined) root.ok(Hypercall.addrspace_configure_info_area, addrspace, info, INFO_AREA, 0);
    root.ok(Hypercall.object_activate, addrspace);
    if (info !== undefined) {
      const readOnly = MapAttrs.pack({ userAccess: 4, kernelAccess: 4, memtype: 15 });
      root.ok(Hypercall.addrspace_map, addrspace, info, INFO_AREA, readOnly, 0, 0, 0);
    }
    const size = options.size ?? MIB;
    const memory = this.#derive(options.base, size);
    const mapAttrs = MapAttrs.pack({ userAccess: 7, kernelAccess: 7, memtype: 15 });
    root.ok(Hypercall.addrspace_map, addrspace, memory, options.base, mapAttrs, 0, 0, 0);
    const count = options.vcpus ?? 1;
    const vic = make(Hypercall.partition_create_vic);
    root.ok(Hypercall.vic_configure, vic, count, 988, 0, 0);
    root.ok(Hypercall.object_activate, vic);
    root.ok(Hypercall.addrspace_attach_vdevice, addrspace, vic, 0, BOARD.hostGic.distributor, 0x1_0000, 0);
    for (let i = 0; i < count; i++)
      root.ok(
        Hypercall.addrspace_attach_vdevice,
        addrspace,
        vic,
        i + 1,
        BOARD.hostGic.redistributors + i * 0x2_0000,
        0x2_0000,
        0,
      );
    const vpm = make(Hypercall.partition_create_vpm_group);
    root.ok(Hypercall.object_activate, vpm);
    const vcpus: bigint[] = [];
    for (let i = 0; i < count; i++) {
      const vcpu = make(Hypercall.partition_create_thread);
      root.ok(Hypercall.vcpu_configure, vcpu, options.proxy === true ? 1 << 9 : 0);
      if (options.priority !== undefined) root.ok(Hypercall.vcpu_set_priority, vcpu, options.priority);
      if (options.timesliceNs !== undefined) root.ok(Hypercall.vcpu_set_timeslice, vcpu, options.timesliceNs);
      root.ok(Hypercall.vcpu_set_affinity, vcpu, i % this.hypervisor.scheduler.cpuCount, -1);
      root.ok(Hypercall.cspace_attach_thread, options.inRootCspace === true ? BigInt(rootCspace) : cspace, vcpu);
      root.ok(Hypercall.addrspace_attach_thread, addrspace, vcpu);
      root.ok(Hypercall.vic_attach_vcpu, vic, vcpu, i);
      if (options.watchdog !== undefined) root.ok(Hypercall.watchdog_attach_vcpu, options.watchdog, vcpu);
      if (options.psci === true) root.ok(Hypercall.vpm_group_attach_vcpu, vpm, vcpu, i);
      root.ok(Hypercall.object_activate, vcpu);
      vcpus.push(vcpu);
    }
    return { vmid: options.vmid, cspace, addrspace, memory, vic, vpm, vcpus };
  }

  /** A basic extent of DRAM. */
  #derive(base: number, size: number): bigint {
    const extent = this.create(Hypercall.partition_create_memextent);
    const attrs = MemextentAttrs.pack({ access: 7, memtype: 0, type: MemextentType.BASIC });
    this.root.ok(Hypercall.memextent_configure_derive, extent, BigInt(this.env.ddrMemextent), base, size, attrs);
    this.root.ok(Hypercall.object_activate, extent);
    return extent;
  }

  /** Copy a capability of the root VM into another VM's space. */
  give(cap: bigint, vm: TestVm, rights = 0xffff_ffff): bigint {
    return this.root.ok(Hypercall.cspace_copy_cap_from, BigInt(this.env.cspace), cap, vm.cspace, rights, 0);
  }

  create(call: Call): bigint {
    return this.root.ok(call, BigInt(this.env.partition), BigInt(this.env.cspace), 0);
  }

  createMsgqueue(depth = 4, size = 64): bigint {
    const cap = this.create(Hypercall.partition_create_msgqueue);
    this.root.ok(Hypercall.msgqueue_configure, cap, depth | (size << 16));
    this.root.ok(Hypercall.object_activate, cap);
    return cap;
  }

  createDoorbell(): bigint {
    const cap = this.create(Hypercall.partition_create_doorbell);
    this.root.ok(Hypercall.object_activate, cap);
    return cap;
  }

  delete(cap: bigint): void {
    this.root.ok(Hypercall.cspace_delete_cap_from, BigInt(this.env.cspace), cap);
  }
}

/** What a GIC driver does first. */
export function enableGic(vcpu: NativeVcpu, distributor: number, redistributor: number): void {
  vcpu.store(distributor, 4, 0x13n);
  vcpu.store(redistributor + 0x14, 4, 0n);
  vcpu.store(redistributor + 0x1_0080, 4, 0xffff_ffffn);
  vcpu.setPriorityMask(0xf0);
  vcpu.setGroup1Enabled(true);
  vcpu.masked = false;
}

export function enableSpi(vcpu: NativeVcpu, distributor: number, spi: number, level = false): void {
  const bit = 1n << BigInt(spi % 32);
  const group = distributor + 0x80 + Math.floor(spi / 32) * 4;
  vcpu.store(group, 4, vcpu.load(group, 4)! | bit);
  const config = distributor + 0xc00 + Math.floor(spi / 16) * 4;
  const edge = 2n << BigInt(2 * (spi % 16));
  vcpu.store(config, 4, level ? vcpu.load(config, 4)! & ~edge : vcpu.load(config, 4)! | edge);
  vcpu.store(distributor + 0x400 + spi, 1, 0xa0n);
  vcpu.store(distributor + 0x6000 + 8 * spi, 8, 0n);
  vcpu.store(distributor + 0x100 + Math.floor(spi / 32) * 4, 4, bit);
}
