import {
  Access,
  GicFrame,
  Hypercall,
  MemextentDonateType,
  RM_MESSAGE_SIZE,
  RM_QUEUE_DEPTH,
  VcpuPoweronFlags,
  VmState,
} from "@gunyah-ts/abi";
import { DeviceTree, DeviceTreeError, dtbSize, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import type { BoardConfig, CapId } from "@gunyah-ts/kernel";
import { ModelError } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { must } from "../errors.ts";
import { VirqAllocator } from "../irq/virq-allocator.ts";
import { writeHostOverlay } from "../overlay/host.ts";
import { connect, type Line } from "../rpc/connect.ts";
import { buildVm } from "../vm/build.ts";
import { withMapped } from "../vm/image-memory.ts";
import { Vm } from "../vm/vm.ts";

/**
 * Make the host (primary) VM and start it: all DRAM that is neither the hypervisor's nor the RM's, mapped one to one;
 * its vCPUs scheduled by the hypervisor; a line to the RM; its device tree with the /hypervisor node.
 * Source: gunyah-resource-manager src/vm_creation/vm_creation.c, hlos_vm_create, hlos_vm_setup, hlos_vm_start
 */
export function bootHost(rm: RmContext): Vm {
  const { board, objects } = rm;
  const host = new Vm(board.hostVmid, board.hostVmid, new VirqAllocator(board.freeSpiStart));
  rm.vms.add(host);
  host.name = "HLOS";
  const made = buildVm(rm, host, {
    cpus: Array.from({ length: board.hostCpus }, (_, i) => ({ boots: i === 0 })),
    gic: { ...board.hostGic, stride: GicFrame.REDISTRIBUTOR },
    psci: true,
    isHost: true,
    proxy: false,
    affinityMap: Array.from({ length: board.hostCpus }, (_, i) => i % board.physicalCpus),
  });

  const own = objects.extent();
  made.memextent = own;
  for (const { base, size } of hostMemory(board))
    must("give memory to the host", objects.donate(MemextentDonateType.TO_CHILD, objects.root.ddr, own, base, size));
  const { base, size } = board.dram;
  must("map memory of the host", objects.map(made.addrspace, own, base, base, size, Access.RWX));

  rm.irqLends.bindToHost(rm, host);
  const line = connect(rm, host, host.undoVm, { depth: RM_QUEUE_DEPTH, size: RM_MESSAGE_SIZE });
  patchDeviceTree(rm, own, line);

  host.state = VmState.RUNNING;
  rm.traceState(host);
  must(
    "vcpu_poweron",
    rm.hvc.call(Hypercall.vcpu_poweron, {
      vcpu: made.vcpus[0]?.cap as CapId,
      entry_point: board.hostEntry,
      context: board.hostDtb.base,
      flags: VcpuPoweronFlags.pack({}),
    }).error,
  );
  return host;
}

/** DRAM without the carve-out and without the RM's own memory, in order. */
export function hostMemory(board: BoardConfig): { readonly base: number; readonly size: number }[] {
  const taken = [board.carveOut, board.rootVm].sort((a, b) => a.base - b.base);
  const out: { base: number; size: number }[] = [];
  const end = board.dram.base + board.dram.size;
  let at: number = board.dram.base;
  for (const range of taken) {
    if (range.base >= end || range.base + range.size <= at) continue;
    if (range.base > at) out.push({ base: at, size: range.base - at });
    at = Math.max(at, range.base + range.size);
  }
  if (at < end) out.push({ base: at, size: end - at });
  return out;
}

/** Read the blob that firmware left, add our nodes, write it back in its place. */
function patchDeviceTree(rm: RmContext, extent: CapId, line: Line): void {
  const { size } = rm.board.hostDtb;
  // The RM sees it where it is in physical memory.
  const base: number = rm.board.hostDtb.base;
  withMapped(rm, extent, [{ pa: base, size, ownerIpa: base }], Access.RW, () => {
    const blob = new Uint8Array(size);
    if (!rm.vcpu.read(base, blob)) throw broken("its memory cannot be read");
    try {
      const tree = readTree(blob);
      writeHostOverlay(tree, rm.board, line);
      const patched = writeDtb(tree);
      if (patched.length > size) throw broken(`${patched.length} bytes do not fit the ${size} that it has`);
      rm.vcpu.write(base, patched);
    } catch (thrown) {
      if (thrown instanceof DeviceTreeError) throw broken(thrown.message, thrown);
      throw thrown;
    }
  });
}

/** A board without firmware has no blob there, only zeroes: then the tree has nothing but our nodes. */
function readTree(blob: Uint8Array): DeviceTree {
  const size = dtbSize(blob);
  if (size !== undefined) return parseDtb(blob);
  if (blob.subarray(0, 4).some((byte) => byte !== 0)) throw broken("it does not begin with the magic number of a tree");
  const tree = new DeviceTree();
  tree.root.set("#address-cells", 2).set("#size-cells", 2);
  return tree;
}

const broken = (why: string, cause?: unknown): ModelError =>
  new ModelError(
    "RM_HOST_DTB",
    `The host's device tree at hostDtb: ${why}. Give the board a larger place or a valid blob.`,
    {
      path: "soc.board.hostDtb",
      cause,
    },
  );
