/**
 * The root VM at boot: its objects, its capabilities and the environment that tells it about them.
 * Source: gunyah-hypervisor hyp/vm/rootvm/src/rootvm_init.c, hyp/vm/rootvm_package/src/package.c
 */

import { ALL_RIGHTS, GicFrame, GunyahError, MapAttrs, MemextentMemtype, MemextentType } from "@gunyah-ts/abi";
import { type BoardConfig, type BootEnvironment, bug, type Ipa, ModelError } from "@gunyah-ts/kernel";
import { Addrspace } from "../addrspace/addrspace.ts";
import type { HypCore } from "../core.ts";
import { Cspace } from "../cspace/cspace.ts";
import { attrsOfMap } from "../memory/intent.ts";
import { mapWhole } from "../memory/mapping.ts";
import { Memextent } from "../memory/memextent.ts";
import type { HypObject } from "../object/object.ts";
import type { VcpuRuntime } from "../vcpu/runtime.ts";
import { ROOT_PRIORITY, Vcpu } from "../vcpu/vcpu.ts";
import { Hwirq } from "../vgic/hwirq.ts";
import { SPI_BASE, SPI_COUNT } from "../vgic/interrupt-table.ts";
import { VicObject } from "../vgic/vic-object.ts";

/** VMID of the root VM's address space. Source: gunyah-hypervisor, ROOT_VM_VMID */
export const ROOT_VMID = 255;
/** Capabilities that the root VM can hold. */
const ROOT_CAPS = 13_000;
const NORMAL_WB = 15;
const RWX = 7;

export interface RootVm {
  readonly vcpu: Vcpu;
  readonly addrspace: Addrspace;
  readonly hwirqs: ReadonlyMap<number, Hwirq>;
  readonly environment: BootEnvironment;
  /** Where the JSON text of the environment lies. */
  readonly environmentIpa: Ipa;
}

/** Refuse a board that cannot boot. Errors: HYP_BOARD_INVALID */
export function checkBoard(board: BoardConfig): void {
  const fail = (what: string): never => {
    throw new ModelError("HYP_BOARD_INVALID", `board ${board.name}: ${what}`);
  };
  const { dram, carveOut, rootVm } = board;
  const inside = (r: { base: number; size: number }) => r.base >= dram.base && r.base + r.size <= dram.base + dram.size;
  const aligned = (r: { base: number; size: number }) => r.base % 4096 === 0 && r.size % 4096 === 0 && r.size > 0;
  for (const [name, range] of Object.entries({ dram, carveOut, rootVm })) {
    if (!aligned(range)) fail(`${name} is not page-aligned or is empty`);
    if (!inside(range)) fail(`${name} lies outside DRAM`);
  }
  if (carveOut.base < rootVm.base + rootVm.size && rootVm.base < carveOut.base + carveOut.size)
    fail("carveOut and rootVm overlap");
  if (!(board.physicalCpus >= 1 && board.hostCpus >= 1 && board.hostCpus <= board.physicalCpus))
    fail("needs 1 <= hostCpus <= physicalCpus");
}

function tooSmall(board: BoardConfig, type: string): ModelError {
  const what = `carveOut has no room for the root VM's ${type}; give it more than ${board.carveOut.size} bytes`;
  return new ModelError("HYP_BOARD_INVALID", `board ${board.name}: ${what}`);
}

/** Make the root VM. Its vCPU is ACTIVE and off. Errors: HYP_BOARD_INVALID */
export function createRootVm(core: HypCore, runtime: VcpuRuntime, board: BoardConfig): RootVm {
  const made = <T extends HypObject>(object: T): T => {
    if (!core.heap.take(object.bytes)) throw tooSmall(board, object.type);
    return object;
  };
  const activate = (object: HypObject): void => {
    const error = object.activate();
    if (error === GunyahError.NOMEM) throw tooSmall(board, object.type);
    if (error !== GunyahError.OK) bug("BUG_HYP_BOOT", `the root VM's ${object.type} is refused`, { error });
  };
  const partition = core.rootPartition;
  const cspace = made(new Cspace(core, partition));
  cspace.configure(ROOT_CAPS);
  activate(cspace);
  const cap = (object: HypObject): string => {
    const id = cspace.createMasterCap(object);
    if (typeof id === "number") bug("BUG_HYP_BOOT", `no capability for the root VM's ${object.type}`, { error: id });
    return id.toString();
  };

  const ddr = core.createDdrMemextent();
  const device = core.createDeviceMemextent(...deviceRange(board));
  const addrspace = made(new Addrspace(core, partition));
  addrspace.configure(ROOT_VMID);
  activate(addrspace);

  // The root VM's own memory, out of everybody else's reach.
  const memory = made(new Memextent(core, partition));
  memory.configure(ddr, board.rootVm.base, board.rootVm.size, {
    access: RWX,
    memtype: MemextentMemtype.ANY,
    type: MemextentType.BASIC,
  });
  activate(memory);
  const attrs = attrsOfMap(MapAttrs.pack({ userAccess: RWX, kernelAccess: RWX, memtype: NORMAL_WB }));
  const mapped = mapWhole(memory, addrspace, board.rootVm.base as number, attrs);
  if (mapped !== GunyahError.OK) bug("BUG_HYP_BOOT", "the root VM's memory cannot be mapped", { error: mapped });

  const vic = made(new VicObject(core, partition));
  vic.configure(1, SPI_COUNT, 0);
  activate(vic);
  const gic = gicAddresses(board);
  vic.attachVdevice(addrspace, 0, gic.distributor, GicFrame.DISTRIBUTOR, 0);
  vic.attachVdevice(addrspace, 1, gic.redistributors, GicFrame.REDISTRIBUTOR, 0);

  const vcpu = made(new Vcpu(core, partition, runtime));
  vcpu.cspace = cspace.retain();
  vcpu.addrspace = addrspace.retain();
  vcpu.vic = vic.retain();
  vcpu.vicIndex = 0;
  vcpu.priority = ROOT_PRIORITY;
  activate(vcpu);

  const hwirqs = new Map<number, Hwirq>();
  const hwirqCaps: Record<string, string> = {};
  for (let intid = SPI_BASE; intid < SPI_BASE + SPI_COUNT; intid++) {
    const hwirq = made(new Hwirq(core, partition, intid));
    activate(hwirq);
    hwirqs.set(intid, hwirq);
    hwirqCaps[intid] = cap(hwirq);
  }
  const environment: BootEnvironment = {
    vmid: ROOT_VMID,
    partition: addCap(cspace, partition),
    cspace: cap(cspace),
    addrspace: cap(addrspace),
    vic: cap(vic),
    vcpu: cap(vcpu),
    gic,
    memextent: cap(memory),
    ddrMemextent: cap(ddr),
    deviceMemextent: cap(device),
    hwirqs: hwirqCaps,
    board,
  };
  const text = new TextEncoder().encode(`${JSON.stringify(environment)}\0`);
  if (text.length > board.rootVm.size / 2) {
    throw new ModelError("HYP_BOARD_INVALID", `board ${board.name}: rootVm cannot hold ${2 * text.length} bytes`);
  }
  const environmentIpa = board.rootVm.base + board.rootVm.size - Math.ceil(text.length / 4096) * 4096;
  core.memory.write(environmentIpa, text);
  return { vcpu, addrspace, hwirqs, environment, environmentIpa };
}

/** A capability to an object that lives as long as the hypervisor. */
function addCap(cspace: Cspace, object: HypObject): string {
  const id = cspace.addCap(object.retain(), ALL_RIGHTS);
  if (typeof id === "number") bug("BUG_HYP_BOOT", `no capability for the ${object.type}`, { error: id });
  return id.toString();
}

/** Device memory: what lies below DRAM, or the gigabyte above it where DRAM begins at 0. */
function deviceRange(board: BoardConfig): [base: number, size: number] {
  const { base, size } = board.dram;
  return base > 0 ? [0, base] : [size, 2 ** 30];
}

/** Where the root VM sees its virtual GIC: in device space, below or above DRAM. */
function gicAddresses(board: BoardConfig): { distributor: Ipa; redistributors: Ipa } {
  const [base, size] = deviceRange(board);
  const distributor = base + size - 0x10_0000;
  return { distributor, redistributors: distributor + GicFrame.DISTRIBUTOR };
}
