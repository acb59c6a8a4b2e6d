import {
  type Codec,
  MemAppendFlag,
  RM_LIST_MAX,
  RmCalls,
  RmError,
  type RmHeader,
  rmCallName,
  rmMessageName,
  TransType,
} from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check, errorOf, RmFailure } from "../errors.ts";
import { acceptParcel, acceptRequest } from "../parcel/accept.ts";
import { appendParcel, createParcel } from "../parcel/create.ts";
import { lookupSgl } from "../parcel/lookup.ts";
import { notifyRequest } from "../parcel/notify.ts";
import { reclaimRequest, releaseRequest } from "../parcel/release.ts";
import { ipaReserve } from "../query/ipa-reserve.ts";
import * as query from "../query/requests.ts";
import * as life from "../vm/requests.ts";
import type { Request, Vm } from "../vm/vm.ts";
import type { RpcClient } from "./client.ts";

type CallName = keyof typeof RmCalls;
/** What a request does. Returns what follows the error word; throws RmFailure for an error. */
type Handler<Name extends CallName> = (
  rm: RmContext,
  caller: Vm,
  request: Request<Name>,
) => Uint8Array | undefined | void;
type Handlers = { readonly [Name in CallName]: Handler<Name> };

const create =
  (transType: number) =>
  (rm: RmContext, caller: Vm, request: Request<"MEM_LEND">): Uint8Array =>
    RmCalls.MEM_LEND.reply.encode({ handle: createParcel(rm, caller, transType, request).handle });

/** One entry for every request that has a layout; the type says so when one is missing. */
const handlers: Handlers = {
  MEM_DONATE: create(TransType.DONATE),
  MEM_LEND: create(TransType.LEND),
  MEM_SHARE: create(TransType.SHARE),
  MEM_APPEND: (rm, caller, { handle, flags, sgl }) =>
    appendParcel(rm, caller, handle, (flags & MemAppendFlag.END) !== 0, sgl),
  MEM_ACCEPT: accept,
  MEM_RELEASE: (rm, caller, { handle, flags }) => releaseRequest(rm, caller, handle, flags),
  MEM_RECLAIM: (rm, caller, { handle, flags }) => reclaimRequest(rm, caller, handle, flags),
  MEM_NOTIFY: notifyRequest,
  MEM_QCOM_LOOKUP_SGL: (rm, caller, request) =>
    RmCalls.MEM_QCOM_LOOKUP_SGL.reply.encode({ handle: lookupSgl(rm, caller, request).handle }),
  FW_MILESTONE: () => undefined,
  FW_SET_VM_FIRMWARE: () => {
    throw new RmFailure(RmError.DENIED, "the platform has no firmware authentication");
  },

  VM_ALLOCATE: life.allocate,
  VM_DEALLOCATE: life.deallocate,
  VM_START: life.start,
  VM_STOP: life.stop,
  VM_RESET: life.reset,
  VM_CONFIG_IMAGE: life.configImage,
  VM_AUTH_IMAGE: life.authImage,
  VM_INIT: life.init,
  VM_SET_TIME_BASE: life.setTimeBase,
  VM_SET_BOOT_CONTEXT: life.setBootContext,
  VM_SET_FIRMWARE_MEM: life.setFirmwareMem,
  VM_SET_DEMAND_PAGING: life.setDemandPaging,
  VM_SET_ADDRESS_LAYOUT: life.setAddressLayout,
  VM_SET_STATUS: life.setStatus,
  VM_EXIT: life.exit,

  VM_GET_ID: query.getId,
  VM_LOOKUP_URI: (rm, _caller, request) => query.lookup(rm, request, (vm) => vm.uri),
  VM_LOOKUP_GUID: (rm, _caller, request) => query.lookup(rm, request, (vm) => vm.guid),
  VM_LOOKUP_NAME: (rm, _caller, request) => query.lookup(rm, request, (vm) => vm.name),
  VM_GET_OWNER: query.getOwner,
  VM_GET_STATE: query.getState,
  VM_GET_CRASH_MSG: query.getCrashMessage,
  VM_SET_CRASH_MSG: (_rm, caller, { text }) => query.setCrashMessage(caller, text),
  VM_GET_HYP_RESOURCES: query.hypResources,
  VM_GET_VMID: (_rm, caller) => query.getVmid(caller),
  VM_GET_PEERS: query.getPeers,
  VM_HOST_GET_TYPE: () => query.hostType(),
  IPA_RESERVE: ipaReserve,

  VM_IRQ_ACCEPT: (rm, caller, request) => rm.irqLends.accept(rm, caller, request),
  VM_IRQ_LEND: (rm, caller, request) => rm.irqLends.lend(rm, caller, request),
  VM_IRQ_RELEASE: (rm, caller, request) => rm.irqLends.release(rm, caller, request),
  VM_IRQ_RECLAIM: (rm, caller, request) => rm.irqLends.reclaim(rm, caller, request),
  VM_IRQ_NOTIFY: (rm, caller, request) => rm.irqLends.notify(rm, caller, request),

  VM_CONSOLE_OPEN: (rm, caller, request) => rm.consoles.open(rm, caller, request),
  VM_CONSOLE_CLOSE: (rm, caller, request) => rm.consoles.close(rm, caller, request),
  VM_CONSOLE_WRITE: (rm, caller, request) => rm.consoles.write(rm, caller, request),
  VM_CONSOLE_FLUSH: (rm, caller, request) => rm.consoles.flush(rm, caller, request),
};

/** Lists come first in a parcel request; more than 512 entries is NORESOURCE before anything else is looked at. */
const MEMORY_CALLS: ReadonlySet<CallName> = new Set([
  "MEM_DONATE",
  "MEM_LEND",
  "MEM_SHARE",
  "MEM_APPEND",
  "MEM_ACCEPT",
]);

/**
 * Carry out one request and reply to it. An id that nobody knows is UNIMPLEMENTED, a payload of the wrong form
 * MSG_INVALID; the trace tells why before the reply goes. What was deferred runs when the reply is on its way.
 */
export function dispatch(rm: RmContext, caller: Vm, client: RpcClient, header: RmHeader, payload: Uint8Array): void {
  const name = rmCallName(header.messageId);
  try {
    client.reply(header, RmError.OK, carryOut(rm, caller, name, payload));
  } catch (thrown) {
    const error = errorOf(thrown);
    const { messageId: id, sequence } = header;
    rm.traceFailure(rmMessageName(id), thrown as RmFailure, { vmid: caller.vmid, id, sequence });
    client.reply(header, error);
  }
  rm.runTasks();
}

/** @returns what follows the error word of the reply. Throws RmFailure */
function carryOut(rm: RmContext, caller: Vm, name: CallName | undefined, payload: Uint8Array): Uint8Array | undefined {
  check(name !== undefined, RmError.UNIMPLEMENTED, "no such message");
  const request = (RmCalls[name].request as Codec<never>).decode(payload);
  if (!request.ok) {
    check(!MEMORY_CALLS.has(name) || !tooLong(name, payload), RmError.NORESOURCE, `more than ${RM_LIST_MAX} entries`);
    throw new RmFailure(RmError.MSG_INVALID, `${payload.length} bytes that are not its request`);
  }
  return (handlers[name] as Handler<CallName>)(rm, caller, request.value) ?? undefined;
}

/** The first list announces more than a message may hold. */
function tooLong(name: CallName, payload: Uint8Array): boolean {
  const at = name === "MEM_ACCEPT" ? 12 : 8;
  if (payload.length < at + 4) return false;
  return new DataView(payload.buffer, payload.byteOffset).getUint16(at, true) > RM_LIST_MAX;
}

function accept(rm: RmContext, caller: Vm, request: Request<"MEM_ACCEPT">): Uint8Array | undefined {
  const { acceptance, parcel, incomplete } = acceptParcel(rm, caller, acceptRequest(request));
  if (request.sgl.entries.length > 0) return undefined;
  const entries = parcel.regions.map(({ size }, i) => ({
    address: BigInt(acceptance.ipas[i] ?? 0),
    size: BigInt(size),
  }));
  return RmCalls.MEM_ACCEPT.reply.encode({ sgl: { tag: incomplete ? 1 : 0, entries } });
}
