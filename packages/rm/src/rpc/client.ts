import {
  fragmentRmMessage,
  GunyahError,
  Hypercall,
  MsgqueueSendFlags,
  RM_MESSAGE_SIZE,
  RmError,
  type RmHeader,
  RmMessageType,
  RmReceiver,
  rmReplyPayload,
} from "@gunyah-ts/abi";
import type { CapId, Ipa, NativeVcpu } from "@gunyah-ts/kernel";
import type { HypercallClient } from "../hypercall/client.ts";

/** Notifications that wait for room; then the oldest is dropped. Source: gunyah-resource-manager src/rpc/rm-rpc.c */
export const MAX_PENDING_NOTIFICATIONS = 256;

/** A complete request. The handler must answer it with `reply`, at once. */
export type RequestHandler = (header: RmHeader, payload: Uint8Array) => void;

interface Outgoing {
  readonly kind: "reply" | "notification";
  readonly entries: readonly Uint8Array[];
  next: number;
}

export interface RpcClientOptions {
  readonly vmid: number;
  /** Queue that the client sends to and the RM receives from; and the other. In the RM's capability space. */
  readonly fromClient: CapId;
  readonly toClient: CapId;
  /** 240 bytes of the RM's memory for messages. */
  readonly buffer: Ipa;
  readonly onRequest: RequestHandler;
  /** Each queue entry that passes, for traces. */
  readonly onEntry?: (direction: "to-rm" | "from-rm", bytes: Uint8Array) => void;
}

/**
 * The RM's end of the two message queues of one VM.
 *
 * A VM whose queue is full keeps its reply and its notifications waiting here, in order. While a reply waits, no further
 * request of that VM is taken from its queue, so there is at most one; other VMs are not held up.
 * Source: gunyah-resource-manager src/rpc/rm-rpc.c
 */
export class RpcClient {
  readonly vmid: number;
  readonly #hvc: HypercallClient;
  readonly #options: RpcClientOptions;
  readonly #receiver = new RmReceiver();
  readonly #entry = new Uint8Array(RM_MESSAGE_SIZE);
  readonly #outbox: Outgoing[] = [];
  #pendingReplies = 0;
  #notificationSequence = 0;
  #receiving = false;
  #dropped = 0;
  #closed = false;

  constructor(hvc: HypercallClient, options: RpcClientOptions) {
    this.#hvc = hvc;
    this.#options = options;
    this.vmid = options.vmid;
  }

  /** Notifications that were dropped because the client did not read. */
  get droppedNotifications(): number {
    return this.#dropped;
  }
  /** Messages that wait for room in the client's queue. */
  get pending(): number {
    return this.#outbox.length;
  }

  /** "Not empty" virq: take requests until the queue is empty or a reply cannot be delivered. */
  onReceive(): void {
    if (this.#receiving) return;
    this.#receiving = true;
    while (!this.#closed && this.#pendingReplies === 0) {
      const entry = this.#take();
      if (entry === undefined) break;
      this.#options.onEntry?.("to-rm", entry);
      const received = this.#receiver.push(entry);
      // Whatever is not a whole request is dropped in silence: a client can only hurt itself.
      if (received.kind === "message" && received.header.type === RmMessageType.REQUEST)
        this.#options.onRequest(received.header, received.payload);
    }
    this.#receiving = false;
  }

  /** "Not full" virq: go on with what waits, then with requests that had to wait for it. */
  onSendReady(): void {
    this.#flush();
    this.onReceive();
  }

  reply(header: RmHeader, error: RmError, data?: Uint8Array): void {
    let payload = rmReplyPayload(error, error === RmError.OK ? data : undefined);
    let entries: Uint8Array[];
    try {
      entries = fragmentRmMessage(RmMessageType.REPLY, header.sequence, header.messageId, payload);
    } catch {
      // More than 63 queue entries can carry: the only reply that still fits says so.
      payload = rmReplyPayload(RmError.NOMEM);
      entries = fragmentRmMessage(RmMessageType.REPLY, header.sequence, header.messageId, payload);
    }
    this.#pendingReplies++;
    this.#outbox.push({ kind: "reply", entries, next: 0 });
    this.#flush();
  }

  notify(messageId: number, payload: Uint8Array): void {
    if (this.#closed) return;
    const sequence = this.#notificationSequence;
    this.#notificationSequence = (sequence + 1) & 0xffff;
    const entries = fragmentRmMessage(RmMessageType.NOTIFICATION, sequence, messageId, payload);
    if (this.#outbox.length - this.#pendingReplies >= MAX_PENDING_NOTIFICATIONS) {
      // One that has begun must be finished, or the client would wait for its rest.
      const oldest = this.#outbox.findIndex((m) => m.kind === "notification" && m.next === 0);
      if (oldest >= 0) this.#outbox.splice(oldest, 1);
      this.#dropped++;
    }
    this.#outbox.push({ kind: "notification", entries, next: 0 });
    this.#flush();
  }

  /** The queues go away. */
  close(): void {
    this.#closed = true;
    this.#outbox.length = 0;
    this.#pendingReplies = 0;
  }

  #take(): Uint8Array | undefined {
    const { fromClient, buffer } = this.#options;
    const { error, size } = this.#hvc.call(Hypercall.msgqueue_receive, {
      msgqueue: fromClient,
      buffer,
      max_size: RM_MESSAGE_SIZE,
    });
    if (error !== GunyahError.OK) return undefined;
    const entry = this.#entry.subarray(0, Math.min(size, RM_MESSAGE_SIZE));
    return this.#vcpu.read(buffer, entry) ? entry : undefined;
  }

  #flush(): void {
    while (this.#outbox.length > 0) {
      const message = this.#outbox[0] as Outgoing;
      while (message.next < message.entries.length) {
        if (!this.#put(message.entries[message.next] as Uint8Array, message.next === message.entries.length - 1))
          return;
        message.next++;
      }
      this.#outbox.shift();
      if (message.kind === "reply") this.#pendingReplies--;
    }
  }

  /** @returns false when the queue is full; a queue that is gone takes everything */
  #put(entry: Uint8Array, last: boolean): boolean {
    const { toClient, buffer } = this.#options;
    this.#vcpu.write(buffer, entry);
    const { error } = this.#hvc.call(Hypercall.msgqueue_send, {
      msgqueue: toClient,
      size: entry.length,
      data: buffer,
      send_flags: MsgqueueSendFlags.pack({ push: last ? 1 : 0 }),
    });
    if (error === GunyahError.MSGQUEUE_FULL) return false;
    this.#options.onEntry?.("from-rm", entry);
    return true;
  }
  get #vcpu(): NativeVcpu {
    return this.#hvc.vcpu;
  }
}
