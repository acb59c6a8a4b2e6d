/**
 * Everything below vCPUs and interrupts: object types that can be created, and their hypercalls.
 */

import { Addrspace } from "../addrspace/addrspace.ts";
import { addAddrspaceCalls } from "../addrspace/calls.ts";
import type { HypCore } from "../core.ts";
import { addCspaceCalls } from "../cspace/calls.ts";
import { Cspace } from "../cspace/cspace.ts";
import { Doorbell } from "../ipc/doorbell.ts";
import { addDoorbellCalls } from "../ipc/doorbell-calls.ts";
import { Msgqueue } from "../ipc/msgqueue.ts";
import { addMsgqueueCalls } from "../ipc/msgqueue-calls.ts";
import { addMemextentCalls } from "../memory/calls.ts";
import { Memextent } from "../memory/memextent.ts";
import { addIdentifyCall } from "../misc/identify.ts";
import { addPrngCall } from "../misc/prng.ts";
import { addTraceCall } from "../misc/trace-flags.ts";
import { VirtioMmio } from "../misc/virtio-mmio.ts";
import { addVirtioMmioCalls } from "../misc/virtio-mmio-calls.ts";
import { addObjectCalls } from "../object/calls.ts";
import { addPartitionCalls } from "../partition/calls.ts";

/** Add the factories and handlers of capabilities, memory, messages and the miscellaneous calls. */
export function installCore(core: HypCore): void {
  core.factories.set("cspace", (c, partition) => new Cspace(c, partition));
  core.factories.set("addrspace", (c, partition) => new Addrspace(c, partition));
  core.factories.set("memextent", (c, partition) => new Memextent(c, partition));
  core.factories.set("doorbell", (c, partition) => new Doorbell(c, partition));
  core.factories.set("msgqueue", (c, partition) => new Msgqueue(c, partition));
  core.factories.set("virtio_mmio", (c, partition) => new VirtioMmio(c, partition));
  const table = core.hypercalls;
  addIdentifyCall(core);
  addPartitionCalls(core);
  addObjectCalls(table);
  addCspaceCalls(table);
  addMemextentCalls(table);
  addAddrspaceCalls(table);
  addDoorbellCalls(table);
  addMsgqueueCalls(table);
  addVirtioMmioCalls(table);
  addPrngCall(core);
  addTraceCall(table);
}
