import {
  RM_API,
  RM_FRAGMENT_PAYLOAD,
  RM_HEADER_SIZE,
  RM_MAX_FRAGMENTS,
  RM_REPLY_HEADER_SIZE,
  type RmHeader,
  RmMessageType,
  readRmHeader,
} from "./header.ts";

/**
 * Putting fragments together, as each side does it. The two differ in what they forgive, so there are two classes.
 */
class Assembly {
  readonly header: RmHeader;
  readonly #bytes: Uint8Array;
  #length = 0;
  #received = 0;

  constructor(header: RmHeader, first: Uint8Array) {
    this.header = header;
    this.#bytes = new Uint8Array((header.fragments + 1) * RM_FRAGMENT_PAYLOAD);
    this.add(first);
  }
  add(part: Uint8Array): void {
    const room = this.#bytes.length - this.#length;
    this.#bytes.set(part.length > room ? part.subarray(0, room) : part, this.#length);
    this.#length += Math.min(part.length, room);
    this.#received++;
  }
  get complete(): boolean {
    return this.#received > this.header.fragments;
  }
  get payload(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** What one queue entry led to on the RM's side. */
export type RmReceived =
  | { readonly kind: "message"; readonly header: RmHeader; readonly payload: Uint8Array }
  | { readonly kind: "incomplete" }
  | { readonly kind: "dropped"; readonly reason: "header" | "fragments" | "no-message" | "mismatch" };

/**
 * The RM's receiver for one client.
 * Source: gunyah-resource-manager src/rpc/rm-rpc.c, rm_rpc_handle_rx
 */
export class RmReceiver {
  #active: Assembly | undefined;

  /** @param entry one message of the queue. The payload of a result is a copy. */
  push(entry: Uint8Array): RmReceived {
    const header = readRmHeader(entry);
    if (header === undefined) return { kind: "dropped", reason: "header" };
    const part = entry.subarray(RM_HEADER_SIZE);
    if (header.type !== RmMessageType.CONTINUATION) {
      // A new message ends an older incomplete one.
      this.#active = undefined;
      if (header.fragments > RM_MAX_FRAGMENTS) return { kind: "dropped", reason: "fragments" };
      if (header.fragments === 0) return { kind: "message", header, payload: part.slice() };
      this.#active = new Assembly(header, part);
      return { kind: "incomplete" };
    }
    const active = this.#active;
    if (active === undefined) return { kind: "dropped", reason: "no-message" };
    const { sequence, messageId, fragments } = active.header;
    if (header.sequence !== sequence || header.messageId !== messageId || header.fragments !== fragments)
      return { kind: "dropped", reason: "mismatch" };
    active.add(part);
    if (!active.complete) return { kind: "incomplete" };
    this.#active = undefined;
    return { kind: "message", header: active.header, payload: active.payload };
  }
  /** Forget a partial message (the queue was reset). */
  reset(): void {
    this.#active = undefined;
  }
}

/** What one queue entry led to on Linux's side. `aborted` names the message that it ended early. */
export type LinuxReceived = { readonly aborted?: RmHeader } & (
  | { readonly kind: "reply"; readonly header: RmHeader; readonly rmError: number; readonly payload: Uint8Array }
  | { readonly kind: "notification"; readonly header: RmHeader; readonly payload: Uint8Array }
  | { readonly kind: "incomplete" }
  /** The caller of this request gets -ENOMEM. */
  | { readonly kind: "bad-reply"; readonly header: RmHeader }
  /** Logged or ignored; the next entry is read. */
  | { readonly kind: "ignored"; readonly reason: "short" | "unknown-sequence" | "notification" | "continuation" }
  /** Wrong API byte or a request: the receive loop ends for this interrupt. */
  | { readonly kind: "stop" }
);

/**
 * The Linux driver's receiver.
 * Source: Linux series v17, drivers/virt/gunyah/rsc_mgr.c, gunyah_rm_rx, gunyah_rm_process_{reply,notif,cont}
 */
export class LinuxRmReceiver {
  readonly #expects: (sequence: number, messageId: number) => boolean;
  #active: Assembly | undefined;

  /** @param expects whether a call with this sequence and message id waits for a reply */
  constructor(expects: (sequence: number, messageId: number) => boolean) {
    this.#expects = expects;
  }

  push(entry: Uint8Array): LinuxReceived {
    if (entry.length < RM_HEADER_SIZE) return { kind: "ignored", reason: "short" };
    if (entry[0] !== RM_API) return { kind: "stop" };
    const header = readRmHeader(entry) as RmHeader;
    switch (header.type) {
      case RmMessageType.REQUEST:
        return { kind: "stop" };
      case RmMessageType.CONTINUATION:
        return this.#continuation(header, entry);
      case RmMessageType.REPLY:
        return this.#reply(header, entry);
      default:
        return this.#notification(header, entry);
    }
  }

  #reply(header: RmHeader, entry: Uint8Array): LinuxReceived {
    if (!this.#expects(header.sequence, header.messageId)) return { kind: "ignored", reason: "unknown-sequence" };
    const aborted = this.#abort();
    if (entry.length < RM_REPLY_HEADER_SIZE || header.fragments > RM_MAX_FRAGMENTS)
      return { kind: "bad-reply", header, ...aborted };
    return { ...this.#start(header, entry), ...aborted };
  }
  #notification(header: RmHeader, entry: Uint8Array): LinuxReceived {
    const aborted = this.#abort();
    if (header.fragments > RM_MAX_FRAGMENTS) return { kind: "ignored", reason: "notification", ...aborted };
    return { ...this.#start(header, entry), ...aborted };
  }
  #continuation(header: RmHeader, entry: Uint8Array): LinuxReceived {
    const active = this.#active;
    if (active === undefined) return { kind: "ignored", reason: "continuation" };
    // The sequence is not compared.
    if (header.messageId !== active.header.messageId || header.fragments !== active.header.fragments)
      return { kind: "ignored", reason: "continuation", ...this.#abort() };
    active.add(entry.subarray(RM_HEADER_SIZE));
    return this.#finish(active);
  }
  #start(header: RmHeader, entry: Uint8Array): LinuxReceived {
    this.#active = new Assembly(header, entry.subarray(RM_HEADER_SIZE));
    return this.#finish(this.#active);
  }
  #finish(active: Assembly): LinuxReceived {
    if (!active.complete) return { kind: "incomplete" };
    this.#active = undefined;
    const payload = active.payload;
    if (active.header.type === RmMessageType.NOTIFICATION)
      return { kind: "notification", header: active.header, payload };
    const rmError = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
    return { kind: "reply", header: active.header, rmError, payload: payload.subarray(4) };
  }
  #abort(): { aborted?: RmHeader } {
    const active = this.#active;
    this.#active = undefined;
    return active === undefined ? {} : { aborted: active.header };
  }
}
