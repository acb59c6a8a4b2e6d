import {
  type CodecValue,
  errnoName,
  fragmentRmMessage,
  GunyahError,
  gunyahErrorName,
  gunyahErrorToErrno,
  LINUX_RM_MAX_PAYLOAD,
  LinuxErrno,
  LinuxRmReceiver,
  RM_MESSAGE_SIZE,
  type RmCallName,
  RmCalls,
  RmMessageType,
  RmVmid,
  rmErrorName,
  rmErrorToErrno,
  rmMessageName,
} from "@gunyah-ts/abi";
import type { CapId, Clock, Ipa, LayerError, NativeVcpu, TraceError } from "@gunyah-ts/kernel";
import type { HostHypercalls } from "../kernel/hypercalls.ts";
import type { HostScheduler, Sleep } from "../kernel/scheduler.ts";

type Request<N extends RmCallName> = CodecValue<(typeof RmCalls)[N]["request"]>;
type Reply<N extends RmCallName> = CodecValue<(typeof RmCalls)[N]["reply"]>;

/** What came of a call. `value` is there exactly when `errno` is 0. */
export interface RmResult<T> {
  /** 0 or a negative Linux errno. */
  readonly errno: number;
  readonly value: T | undefined;
  /** What RM or the hypervisor said, outermost first. */
  readonly layers: readonly LayerError[];
}

/** @param payload without the header. */
export type RmNotificationListener = (messageId: number, payload: Uint8Array) => void;

export interface RmClientOptions {
  readonly vcpu: NativeVcpu;
  readonly hypercalls: HostHypercalls;
  readonly scheduler: HostScheduler;
  readonly clock: Clock;
  readonly txCap: CapId;
  readonly rxCap: CapId;
  /** Two buffers of 240 bytes in host memory. */
  readonly txBuffer: Ipa;
  readonly rxBuffer: Ipa;
  /** Give up a call after this long, ticks; Linux never does (0, the default). */
  readonly timeoutTicks?: number;
  readonly log: (level: "warn" | "error", message: string) => void;
  /** Whether this call fails before it is sent (tests, fault points). */
  readonly fault?: (name: RmCallName) => boolean;
}

interface Waiting {
  readonly messageId: number;
  readonly name: RmCallName;
  readonly sleep: Sleep;
  /** What the trace told of its refusal. */
  readonly reasons: LayerError[];
  result: RmResult<Uint8Array> | undefined;
}

const NO_LAYERS: readonly LayerError[] = [];
const EMPTY = new Uint8Array(0);

/**
 * The client's end of the RM RPC: one sender at a time, many calls outstanding, replies by sequence.
 * Source: Linux series v17, drivers/virt/gunyah/rsc_mgr.c
 */
export class RmClient {
  readonly #o: RmClientOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #receiver: LinuxRmReceiver;
  readonly #listeners: { readonly priority: number; readonly listen: RmNotificationListener }[] = [];
  readonly #rxBytes = new Uint8Array(RM_MESSAGE_SIZE);
  #sequence = 0;
  /** The queue has room: a completion, so a wake that comes early is kept. */
  #sendReady = true;
  #sendReadySleep: Sleep | undefined;
  #sending = false;
  readonly #senders: Sleep[] = [];
  #receiveFailed = false;

  constructor(options: RmClientOptions) {
    this.#o = options;
    this.#receiver = new LinuxRmReceiver((sequence, id) => this.#waiting.get(sequence)?.messageId === id);
  }

  /** Calls that wait for a reply, by name. */
  get outstanding(): readonly RmCallName[] {
    return [...this.#waiting.values()].map((w) => w.name);
  }

  /** Listen to notifications; higher priority first. @returns the function that ends it */
  onNotification(listen: RmNotificationListener, priority = 0): () => void {
    const entry = { priority, listen };
    const at = this.#listeners.findIndex((other) => other.priority < priority);
    this.#listeners.splice(at < 0 ? this.#listeners.length : at, 0, entry);
    return () => {
      const index = this.#listeners.indexOf(entry);
      if (index >= 0) this.#listeners.splice(index, 1);
    };
  }

  /**
   * Send a request and wait for its reply. Must be called from a task.
   *
   * @returns -E2BIG for a request of more than 14384 bytes; an RM error, remapped; -EBADMSG for a reply whose size is
   * not that of its message; what the hypervisor said about the queue, remapped; -ETIMEDOUT when a timeout is set
   */
  async call<N extends RmCallName>(name: N, request: Request<N>): Promise<RmResult<Reply<N>>> {
    const spec = RmCalls[name] as unknown as {
      readonly id: number;
      readonly request: { encode(value: unknown): Uint8Array };
      readonly reply: { decode(bytes: Uint8Array): { ok: true; value: Reply<N> } | { ok: false; code: string } };
    };
    if (this.#o.fault?.(name) === true) return failure(-LinuxErrno.EINVAL, name, "FAULT_POINT", 0);
    const payload = spec.request.encode(request);
    if (payload.length > LINUX_RM_MAX_PAYLOAD) return failure(-LinuxErrno.E2BIG, name, "E2BIG", payload.length);

    const raw = await this.#exchange(name, spec.id, payload);
    if (raw.errno !== 0) return raw as unknown as RmResult<Reply<N>>;
    const decoded = spec.reply.decode(raw.value ?? EMPTY);
    if (!decoded.ok) return failure(-LinuxErrno.EBADMSG, name, decoded.code, raw.value?.length ?? 0);
    return { errno: 0, value: decoded.value, layers: NO_LAYERS };
  }

  /**
   * Why RM refuses a message, which its reply, one word, does not say. The trace tells it before the reply comes; the
   * client's VMID, the message and the sequence number name the call.
   */
  readonly explain = ({ layer, value, code, detail, message }: TraceError): void => {
    if (message?.vmid !== RmVmid.HLOS || (layer !== "rm" && layer !== "hypervisor")) return;
    const waiting = this.#waiting.get(message.sequence);
    if (waiting?.messageId === message.id) waiting.reasons.push({ layer, value, code, detail });
  };

  /** The tx interrupt: the queue is not full. */
  readonly handleTx = (): void => {
    this.#sendReady = true;
    this.#sendReadySleep?.wake();
  };

  /**
   * Nothing else will happen: a receive that failed left its message in the queue, and no interrupt comes for it.
   * Differs: Linux waits for the next message of RM.
   * @returns whether there was something to try again
   */
  retryReceive(): boolean {
    const failed = this.#receiveFailed;
    this.#receiveFailed = false;
    if (failed) this.handleRx();
    return failed;
  }

  /** The rx interrupt: read until the queue is empty. */
  readonly handleRx = (): void => {
    const { hypercalls, rxCap, rxBuffer, vcpu } = this.#o;
    for (;;) {
      const received = hypercalls.msgqReceive(rxCap, rxBuffer, RM_MESSAGE_SIZE);
      const { error, size, ready } = received;
      if (error !== 0) {
        if (error !== GunyahError.MSGQUEUE_EMPTY) {
          this.#o.log("warn", `failed to receive message from RM: ${gunyahErrorName(error)}`);
          this.#receiveFailed = true;
        }
        return;
      }
      const entry = this.#rxBytes.subarray(0, Math.min(size, RM_MESSAGE_SIZE));
      if (!vcpu.read(rxBuffer, entry)) {
        this.#o.log("error", "RM receive buffer is not readable");
        return;
      }
      if (!this.#take(entry) || !ready) return;
    }
  };

  /** @returns whether the receive loop goes on */
  #take(entry: Uint8Array): boolean {
    const message = this.#receiver.push(entry);
    if (message.aborted !== undefined) this.#finish(message.aborted.sequence, -LinuxErrno.EIO, "ABORTED");
    switch (message.kind) {
      case "reply": {
        const { rmError, header, payload } = message;
        if (rmError === 0) {
          this.#settle(header.sequence, { errno: 0, value: payload, layers: NO_LAYERS });
          break;
        }
        const reasons = this.#waiting.get(header.sequence)?.reasons ?? [];
        const detail = rmMessageName(header.messageId);
        const word: LayerError = { layer: "rm", value: rmError, code: rmErrorName(rmError), detail };
        const layers = reasons.length > 0 ? reasons : [word];
        this.#settle(header.sequence, { errno: rmErrorToErrno(rmError), value: undefined, layers });
        break;
      }
      case "bad-reply":
        this.#finish(message.header.sequence, -LinuxErrno.ENOMEM, "BAD_REPLY");
        break;
      case "notification": {
        const { messageId } = message.header;
        for (const { listen } of [...this.#listeners]) listen(messageId, message.payload);
        break;
      }
      case "stop":
        this.#o.log("error", "invalid message from RM: wrong version or type");
        return false;
      default:
        break;
    }
    return true;
  }

  async #exchange(name: RmCallName, messageId: number, payload: Uint8Array): Promise<RmResult<Uint8Array>> {
    const sequence = this.#allocateSequence();
    if (sequence < 0) return failure(-LinuxErrno.EBUSY, name, "NO_SEQUENCE", 0);
    // The reply may come at any hypercall, and the number is taken from now on: the waiter is in the table before both.
    const bed: { sleep: Sleep | undefined; done: boolean } = { sleep: undefined, done: false };
    const waiting: Waiting = {
      messageId,
      name,
      reasons: [],
      result: undefined,
      sleep: {
        done: Promise.resolve(),
        wake: () => {
          bed.done = true;
          bed.sleep?.wake();
        },
      },
    };
    this.#waiting.set(sequence, waiting);
    await this.#lockSender();
    const sent = await this.#send(name, sequence, messageId, payload);
    this.#unlockSender();
    if (sent !== undefined) {
      this.#waiting.delete(sequence);
      return sent;
    }
    if (!bed.done) {
      bed.sleep = this.#o.scheduler.sleep();
      const { clock, timeoutTicks = 0 } = this.#o;
      const timer =
        timeoutTicks > 0
          ? clock.at(clock.now() + timeoutTicks, () => this.#finish(sequence, -LinuxErrno.ETIMEDOUT, "ETIMEDOUT"))
          : undefined;
      await bed.sleep.done;
      timer?.cancel();
    }
    return waiting.result ?? failure(-LinuxErrno.EIO, name, "NO_RESULT", 0);
  }

  async #send(
    name: RmCallName,
    sequence: number,
    messageId: number,
    payload: Uint8Array,
  ): Promise<RmResult<Uint8Array> | undefined> {
    const { hypercalls, txCap, txBuffer, vcpu, scheduler } = this.#o;
    const fragments = fragmentRmMessage(RmMessageType.REQUEST, sequence, messageId, payload);
    for (const [index, fragment] of fragments.entries()) {
      for (;;) {
        if (!this.#sendReady) {
          this.#sendReadySleep = scheduler.sleep();
          await this.#sendReadySleep.done;
          this.#sendReadySleep = undefined;
        }
        this.#sendReady = false;
        if (!vcpu.write(txBuffer, fragment)) {
          // Nothing was sent, so the queue has the room that it had.
          this.#sendReady = true;
          return failure(-LinuxErrno.EFAULT, name, "TX_BUFFER", txBuffer);
        }
        const push = index === fragments.length - 1;
        const { error, ready } = hypercalls.msgqSend(txCap, fragment.length, txBuffer, push);
        if (ready) this.#sendReady = true;
        if (error === 0) break;
        if (error === GunyahError.MSGQUEUE_FULL) {
          this.#o.log("warn", "RM message queue is full although it said that it was not");
          continue;
        }
        this.#sendReady = true;
        const layer: LayerError = {
          layer: "hypervisor",
          value: error,
          code: gunyahErrorName(error),
          detail: `msgq_send of ${name}`,
        };
        return { errno: gunyahErrorToErrno(error), value: undefined, layers: [layer] };
      }
    }
    return undefined;
  }

  #allocateSequence(): number {
    for (let i = 0; i < 0x1_0000; i++) {
      const sequence = this.#sequence;
      this.#sequence = (sequence + 1) & 0xffff;
      if (!this.#waiting.has(sequence)) return sequence;
    }
    return -1;
  }

  async #lockSender(): Promise<void> {
    if (!this.#sending) {
      this.#sending = true;
      return;
    }
    const sleep = this.#o.scheduler.sleep();
    this.#senders.push(sleep);
    await sleep.done;
  }

  #unlockSender(): void {
    const next = this.#senders.shift();
    if (next === undefined) this.#sending = false;
    else next.wake();
  }

  #finish(sequence: number, errno: number, code: string): void {
    const name = this.#waiting.get(sequence)?.name;
    if (name !== undefined) this.#settle(sequence, failure(errno, name, code, errno));
  }

  #settle(sequence: number, result: RmResult<Uint8Array>): void {
    const waiting = this.#waiting.get(sequence);
    if (waiting === undefined) return;
    this.#waiting.delete(sequence);
    waiting.result = result;
    waiting.sleep.wake();
  }
}

function failure(errno: number, name: RmCallName, code: string, value: number): RmResult<never> {
  const layer: LayerError = { layer: "driver", value, code, detail: `${name}: ${errnoName(errno)}` };
  return { errno, value: undefined, layers: [layer] };
}
