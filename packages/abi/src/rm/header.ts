import { AbiError } from "../errors.ts";

/**
 * The eight bytes before every fragment of an RM message, and how a message is cut.
 * Source: gunyah-resource-manager include/rm-rpc.h, src/rpc/rm-rpc.c; Linux series v17, drivers/virt/gunyah/rsc_mgr.c
 */
export const RmMessageType = { CONTINUATION: 0, REQUEST: 1, REPLY: 2, NOTIFICATION: 3 } as const;
export type RmMessageType = (typeof RmMessageType)[keyof typeof RmMessageType];

/** Byte 0: version 1 in bits 3:0, header length in words (2) in bits 7:4. */
export const RM_API = 0x21;
export const RM_HEADER_SIZE = 8;
/** Message queue geometry between the RM and every client. */
export const RM_QUEUE_DEPTH = 8;
export const RM_MESSAGE_SIZE = 240;
export const RM_FRAGMENT_PAYLOAD = RM_MESSAGE_SIZE - RM_HEADER_SIZE;
/** Largest value of the fragments field. */
export const RM_MAX_FRAGMENTS = 62;
/** Largest payload that the format can carry: 63 queue entries. */
export const RM_MAX_PAYLOAD = RM_FRAGMENT_PAYLOAD * (RM_MAX_FRAGMENTS + 1);
/** Largest request payload that Linux sends; more is -E2BIG. */
export const LINUX_RM_MAX_PAYLOAD = RM_FRAGMENT_PAYLOAD * RM_MAX_FRAGMENTS;
/** Header and error word, which Linux reads as one reply header. */
export const RM_REPLY_HEADER_SIZE = RM_HEADER_SIZE + 4;

export interface RmHeader {
  readonly type: RmMessageType;
  /** Fragments that follow the first, 0-62. The same in every fragment of a message. */
  readonly fragments: number;
  /** 16 bits. */
  readonly sequence: number;
  /** 32 bits. */
  readonly messageId: number;
}

export function writeRmHeader(bytes: Uint8Array, header: RmHeader): void {
  bytes[0] = RM_API;
  bytes[1] = header.type | (header.fragments << 2);
  bytes[2] = header.sequence & 0xff;
  bytes[3] = header.sequence >>> 8;
  bytes[4] = header.messageId & 0xff;
  bytes[5] = (header.messageId >>> 8) & 0xff;
  bytes[6] = (header.messageId >>> 16) & 0xff;
  bytes[7] = header.messageId >>> 24;
}

/** @returns undefined when the entry is shorter than a header or byte 0 is not 0x21 */
export function readRmHeader(bytes: Uint8Array): RmHeader | undefined {
  if (bytes.length < RM_HEADER_SIZE || bytes[0] !== RM_API) return undefined;
  const info = bytes[1] as number;
  return {
    type: (info & 3) as RmMessageType,
    fragments: info >>> 2,
    sequence: (bytes[2] as number) | ((bytes[3] as number) << 8),
    messageId:
      ((bytes[4] as number) |
        ((bytes[5] as number) << 8) |
        ((bytes[6] as number) << 16) |
        ((bytes[7] as number) << 24)) >>>
      0,
  };
}

/** Fragments that follow the first for a payload of `length` bytes. */
export function rmFragments(length: number): number {
  return length === 0 ? 0 : Math.floor((length - 1) / RM_FRAGMENT_PAYLOAD);
}

/**
 * Cut a message into queue entries of at most 240 bytes. Continuations repeat sequence, message id and count.
 * @param payload at most `RM_MAX_PAYLOAD` bytes; a reply's starts with its error word. Throws AbiError beyond that.
 */
export function fragmentRmMessage(
  type: RmMessageType,
  sequence: number,
  messageId: number,
  payload: Uint8Array,
): Uint8Array[] {
  if (payload.length > RM_MAX_PAYLOAD)
    throw new AbiError(`a message of ${payload.length} bytes, at most ${RM_MAX_PAYLOAD} fit`);
  const fragments = rmFragments(payload.length);
  const out: Uint8Array[] = [];
  for (let i = 0; i <= fragments; i++) {
    const part = payload.subarray(i * RM_FRAGMENT_PAYLOAD, (i + 1) * RM_FRAGMENT_PAYLOAD);
    const entry = new Uint8Array(RM_HEADER_SIZE + part.length);
    writeRmHeader(entry, { type: i === 0 ? type : RmMessageType.CONTINUATION, fragments, sequence, messageId });
    entry.set(part, RM_HEADER_SIZE);
    out.push(entry);
  }
  return out;
}

/** A reply's payload: error word, then `data`. */
export function rmReplyPayload(error: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const out = new Uint8Array(4 + data.length);
  new DataView(out.buffer).setUint32(0, error, true);
  out.set(data, 4);
  return out;
}
