import { AbiErrorCode, type Decoded } from "../errors.ts";
import type { Codec } from "../schema/index.ts";
import { rmErrorName } from "./error.ts";
import { type RmHeader, RmMessageType } from "./header.ts";
import { RmMessageId, RmNotificationId } from "./ids.ts";
import * as mem from "./messages-memory.ts";
import * as vm from "./messages-vm.ts";

/** One request: its id, the layout of its payload, and of what follows the error word of a successful reply. */
export interface RmCall<Request = unknown, Reply = unknown> {
  readonly id: number;
  readonly request: Codec<Request>;
  readonly reply: Codec<Reply>;
}
export interface RmNotification<T = unknown> {
  readonly id: number;
  readonly payload: Codec<T>;
}

const call = <Q, R>(id: number, request: Codec<Q>, reply: Codec<R>): RmCall<Q, R> => ({ id, request, reply });
const notification = <T>(id: number, payload: Codec<T>): RmNotification<T> => ({ id, payload });
const id = RmMessageId;
const std = vm.Empty;

/** Every request of the protocol by name. */
export const RmCalls = {
  MEM_DONATE: call(id.MEM_DONATE, mem.MemCreateRequest, mem.MemCreateReply),
  MEM_ACCEPT: call(id.MEM_ACCEPT, mem.MemAcceptRequest, mem.MemAcceptReply),
  MEM_LEND: call(id.MEM_LEND, mem.MemCreateRequest, mem.MemCreateReply),
  MEM_SHARE: call(id.MEM_SHARE, mem.MemCreateRequest, mem.MemCreateReply),
  MEM_RELEASE: call(id.MEM_RELEASE, mem.MemReleaseRequest, std),
  MEM_RECLAIM: call(id.MEM_RECLAIM, mem.MemReleaseRequest, std),
  MEM_NOTIFY: call(id.MEM_NOTIFY, mem.MemNotifyRequest, std),
  MEM_APPEND: call(id.MEM_APPEND, mem.MemAppendRequest, std),
  MEM_QCOM_LOOKUP_SGL: call(id.MEM_QCOM_LOOKUP_SGL, mem.MemLookupSglRequest, mem.MemCreateReply),
  FW_MILESTONE: call(id.FW_MILESTONE, vm.Empty, std),
  FW_SET_VM_FIRMWARE: call(id.FW_SET_VM_FIRMWARE, vm.FwSetVmFirmwareRequest, std),

  VM_ALLOCATE: call(id.VM_ALLOCATE, vm.VmidRequest, vm.VmAllocateReply),
  VM_DEALLOCATE: call(id.VM_DEALLOCATE, vm.VmidRequest, std),
  VM_START: call(id.VM_START, vm.VmidRequest, std),
  VM_STOP: call(id.VM_STOP, vm.VmStopRequest, std),
  VM_RESET: call(id.VM_RESET, vm.VmidRequest, std),
  VM_CONFIG_IMAGE: call(id.VM_CONFIG_IMAGE, vm.VmConfigImageRequest, std),
  VM_AUTH_IMAGE: call(id.VM_AUTH_IMAGE, vm.VmAuthImageRequest, std),
  VM_INIT: call(id.VM_INIT, vm.VmidRequest, std),
  VM_GET_ID: call(id.VM_GET_ID, vm.VmidRequest, vm.VmGetIdReply),
  VM_LOOKUP_URI: call(id.VM_LOOKUP_URI, vm.VmLookupRequest, vm.VmLookupReply),
  VM_LOOKUP_GUID: call(id.VM_LOOKUP_GUID, vm.VmLookupRequest, vm.VmLookupReply),
  VM_LOOKUP_NAME: call(id.VM_LOOKUP_NAME, vm.VmLookupRequest, vm.VmLookupReply),
  VM_GET_OWNER: call(id.VM_GET_OWNER, vm.VmidRequest, vm.VmOwnerReply),
  VM_GET_STATE: call(id.VM_GET_STATE, vm.VmidRequest, vm.VmStateReply),
  VM_GET_CRASH_MSG: call(id.VM_GET_CRASH_MSG, vm.VmidRequest, vm.VmCrashMessage),
  VM_GET_HYP_RESOURCES: call(id.VM_GET_HYP_RESOURCES, vm.VmidRequest, vm.VmHypResourcesReply),
  VM_GET_VMID: call(id.VM_GET_VMID, vm.Empty, vm.VmOwnerReply),
  VM_GET_PEERS: call(id.VM_GET_PEERS, vm.VmidRequest, vm.VmLookupReply),
  VM_SET_TIME_BASE: call(id.VM_SET_TIME_BASE, vm.VmSetTimeBaseRequest, vm.VmSetTimeBaseReply),
  VM_SET_BOOT_CONTEXT: call(id.VM_SET_BOOT_CONTEXT, vm.VmSetBootContextRequest, std),
  VM_SET_FIRMWARE_MEM: call(id.VM_SET_FIRMWARE_MEM, vm.VmSetFirmwareMemRequest, std),
  VM_SET_DEMAND_PAGING: call(id.VM_SET_DEMAND_PAGING, vm.VmSetDemandPagingRequest, std),
  VM_SET_ADDRESS_LAYOUT: call(id.VM_SET_ADDRESS_LAYOUT, vm.VmSetAddressLayoutRequest, std),
  VM_IRQ_ACCEPT: call(id.VM_IRQ_ACCEPT, vm.IrqAcceptRequest, vm.IrqAcceptReply),
  VM_IRQ_LEND: call(id.VM_IRQ_LEND, vm.IrqLendRequest, vm.IrqHandle),
  VM_IRQ_RELEASE: call(id.VM_IRQ_RELEASE, vm.IrqHandle, std),
  VM_IRQ_RECLAIM: call(id.VM_IRQ_RECLAIM, vm.IrqHandle, std),
  VM_IRQ_NOTIFY: call(id.VM_IRQ_NOTIFY, vm.IrqNotifyRequest, std),
  VM_SET_STATUS: call(id.VM_SET_STATUS, vm.VmSetStatusRequest, std),
  VM_CONSOLE_OPEN: call(id.VM_CONSOLE_OPEN, vm.VmidRequest, std),
  VM_CONSOLE_CLOSE: call(id.VM_CONSOLE_CLOSE, vm.VmidRequest, std),
  VM_CONSOLE_WRITE: call(id.VM_CONSOLE_WRITE, vm.ConsoleChars, std),
  VM_CONSOLE_FLUSH: call(id.VM_CONSOLE_FLUSH, vm.VmidRequest, std),
  VM_EXIT: call(id.VM_EXIT, vm.VmExitRequest, std),
  VM_SET_CRASH_MSG: call(id.VM_SET_CRASH_MSG, vm.VmCrashMessage, std),
  VM_HOST_GET_TYPE: call(id.VM_HOST_GET_TYPE, vm.Empty, vm.VmHostTypeReply),
  IPA_RESERVE: call(id.IPA_RESERVE, vm.IpaReserveRequest, vm.IpaReserveReply),
} as const;
export type RmCallName = keyof typeof RmCalls;

/** Every notification by name. */
export const RmNotifications = {
  MEM_SHARED: notification(RmNotificationId.MEM_SHARED, mem.MemSharedNotification),
  MEM_RELEASED: notification(RmNotificationId.MEM_RELEASED, mem.MemAnswerNotification),
  MEM_ACCEPTED: notification(RmNotificationId.MEM_ACCEPTED, mem.MemAnswerNotification),
  MEM_RECALL: notification(RmNotificationId.MEM_RECALL, mem.MemRecallNotification),
  VM_EXITED: notification(RmNotificationId.VM_EXITED, vm.VmExitedNotification),
  VM_SHUTDOWN: notification(RmNotificationId.VM_SHUTDOWN, vm.VmShutdownNotification),
  VM_STATUS: notification(RmNotificationId.VM_STATUS, vm.VmStatusNotification),
  IRQ_LENT: notification(RmNotificationId.IRQ_LENT, vm.IrqLentNotification),
  IRQ_RELEASED: notification(RmNotificationId.IRQ_RELEASED, vm.IrqHandle),
  IRQ_ACCEPTED: notification(RmNotificationId.IRQ_ACCEPTED, vm.IrqHandle),
  CONSOLE_CHARS: notification(RmNotificationId.CONSOLE_CHARS, vm.ConsoleChars),
} as const;
export type RmNotificationName = keyof typeof RmNotifications;

/** The value that a codec carries. */
export type CodecValue<C> = C extends Codec<infer T> ? T : never;

const callNames = new Map<number, RmCallName>(Object.entries(RmCalls).map(([n, c]) => [c.id, n as RmCallName]));
const notificationNames = new Map<number, RmNotificationName>(
  Object.entries(RmNotifications).map(([n, c]) => [c.id, n as RmNotificationName]),
);
const idNames = new Map<number, string>(
  Object.entries({ ...RmMessageId, ...RmNotificationId }).map(([name, value]) => [value, name]),
);

export const rmCallName = (messageId: number): RmCallName | undefined => callNames.get(messageId);
export const rmNotificationName = (messageId: number): RmNotificationName | undefined =>
  notificationNames.get(messageId);
/** Name of any message id, known by this package or only reserved; hexadecimal otherwise. */
export const rmMessageName = (messageId: number): string => idNames.get(messageId) ?? `0x${messageId.toString(16)}`;

/** A whole message, decoded. */
export type RmMessage =
  | { readonly type: "request"; readonly name: RmCallName; readonly value: unknown }
  | { readonly type: "reply"; readonly name: RmCallName; readonly error: number; readonly value: unknown }
  | { readonly type: "notification"; readonly name: RmNotificationName; readonly value: unknown };

/** Decode a reassembled message. A reply with an error has no value. */
export function decodeRmMessage(header: RmHeader, payload: Uint8Array): Decoded<RmMessage> {
  if (header.type === RmMessageType.NOTIFICATION) {
    const name = notificationNames.get(header.messageId);
    if (name === undefined) return { ok: false, code: AbiErrorCode.UNKNOWN, at: 0 };
    const result = (RmNotifications[name].payload as Codec<unknown>).decode(payload);
    return result.ok ? { ok: true, value: { type: "notification", name, value: result.value } } : result;
  }
  const name = callNames.get(header.messageId);
  if (name === undefined || header.type === RmMessageType.CONTINUATION)
    return { ok: false, code: AbiErrorCode.UNKNOWN, at: 0 };
  if (header.type === RmMessageType.REQUEST) {
    const result = (RmCalls[name].request as Codec<unknown>).decode(payload);
    return result.ok ? { ok: true, value: { type: "request", name, value: result.value } } : result;
  }
  if (payload.length < 4) return { ok: false, code: AbiErrorCode.TRUNCATED, at: 0 };
  const error = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
  if (error !== 0) return { ok: true, value: { type: "reply", name, error, value: undefined } };
  const result = (RmCalls[name].reply as Codec<unknown>).decode(payload.subarray(4));
  return result.ok
    ? { ok: true, value: { type: "reply", name, error, value: result.value } }
    : { ...result, at: result.at + 4 };
}

/** One line for traces. */
export function formatRmMessage(header: RmHeader, payload: Uint8Array): string {
  const head = `${rmMessageName(header.messageId)}#${header.sequence}`;
  const decoded = decodeRmMessage(header, payload);
  if (!decoded.ok) return `${head} ${decoded.code}@${decoded.at} (${payload.length} bytes)`;
  const message = decoded.value;
  if (message.type === "notification")
    return `${head} notification ${(RmNotifications[message.name].payload as Codec<unknown>).format(message.value)}`;
  const { request, reply } = RmCalls[message.name] as RmCall;
  if (message.type === "request") return `${head} request ${request.format(message.value)}`;
  return message.error === 0
    ? `${head} reply OK ${reply.format(message.value)}`
    : `${head} reply ${rmErrorName(message.error)}`;
}
