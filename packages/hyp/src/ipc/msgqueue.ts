/**
 * Message queue: a ring of messages of bounded size, one sender side and one receiver side, an interrupt for each.
 * Source: gunyah-hypervisor hyp/ipc/msgqueue/src/msgqueue.c, msgqueue_common.c
 */

import { GunyahError } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";
import type { ByteSize, GuestVa } from "../hypercall/arguments.ts";
import type { Caller } from "../hypercall/caller.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { VirqSource } from "../virq/virq-source.ts";

/** Depths and sizes are below these. */
export const MSGQUEUE_DEPTH_LIMIT = 256;
export const MSGQUEUE_SIZE_LIMIT = 1024;
/** Threshold words: leave as it is; as deep as the queue. 64 bits seen as 32. */
const UNCHANGED = 0xffff_ffff;
const MAXIMUM = 0xffff_fffe;

export class Msgqueue extends HypObject {
  static readonly TYPE = "msgqueue";
  override readonly type = Msgqueue.TYPE;
  /** The sender's interrupt: there is room. */
  readonly sendSource = new VirqSource((reasserted) => reasserted || this.#count <= this.#notFull);
  /** The receiver's interrupt: there is a message. */
  readonly receiveSource = new VirqSource((reasserted) => reasserted || this.#count >= this.#notEmpty);
  #depth = 0;
  #maxSize = 0;
  #buffer = new Uint8Array(0);
  #sizes = new Uint16Array(0);
  #head = 0;
  #count = 0;
  #notFull = 0;
  #notEmpty = 1;
  #charged = 0;
  /** Windows on the slots of the ring, made once so that a message costs no allocation. */
  #slots: Uint8Array[] = [];

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 192);
  }

  get count(): number {
    return this.#count;
  }
  get depth(): number {
    return this.#depth;
  }
  get isFull(): boolean {
    return this.#count === this.#depth;
  }

  /** @returns GunyahError: ARGUMENT_INVALID */
  configure(depth: number, maxSize: number): GunyahError {
    if (depth === 0 || maxSize === 0 || depth >= MSGQUEUE_DEPTH_LIMIT || maxSize >= MSGQUEUE_SIZE_LIMIT)
      return GunyahError.ARGUMENT_INVALID;
    this.#depth = depth;
    this.#maxSize = maxSize;
    return GunyahError.OK;
  }

  protected override onActivate(): GunyahError {
    if (this.#depth === 0) return GunyahError.OBJECT_CONFIG;
    const bytes = (this.#maxSize + 8) * this.#depth;
    if (!this.core.heap.take(bytes)) return GunyahError.NOMEM;
    this.#charged = bytes;
    this.#buffer = new Uint8Array(this.#maxSize * this.#depth);
    this.#slots = Array.from({ length: this.#depth }, (_, i) =>
      this.#buffer.subarray(i * this.#maxSize, (i + 1) * this.#maxSize),
    );
    this.#sizes = new Uint16Array(this.#depth);
    this.#notFull = this.#depth - 1;
    this.#notEmpty = 1;
    return GunyahError.OK;
  }

  protected override onDeactivate(): void {
    this.core.heap.free(this.#charged);
    this.sendSource.unbind();
    this.receiveSource.unbind();
  }

  /**
   * Append a message of `size` bytes that lies at `va` of the caller.
   *
   * A message that cannot be copied (too large, or not readable) is dropped and the call still succeeds, with the
   * queue as it was: the hypervisor keeps the OK that it started with.
   * @returns GunyahError: MSGQUEUE_FULL
   * Source: msgqueue_send_msg
   */
  send(caller: Caller, va: GuestVa, size: ByteSize, push: boolean): GunyahError {
    if (this.#count === this.#depth) return GunyahError.MSGQUEUE_FULL;
    const index = (this.#head + this.#count) % this.#depth;
    if (size > this.#maxSize) return GunyahError.OK;
    const slot = this.#slots[index] as Uint8Array;
    if (!caller.guestRead(va, size === this.#maxSize ? slot : slot.subarray(0, size))) return GunyahError.OK;
    this.#sizes[index] = size;
    this.#count++;
    if (push || this.#count === this.#notEmpty) this.receiveSource.assert(false);
    return GunyahError.OK;
  }

  /** Size of the last message that `receive` took, 0 for none. */
  receivedSize = 0;

  /**
   * Take the oldest message to `va` of the caller, whose buffer holds `maxSize` bytes. As with `send`, a failed copy
   * succeeds with size 0 and the message stays.
   * @returns GunyahError: MSGQUEUE_EMPTY
   * Source: msgqueue_receive_msg
   */
  receive(caller: Caller, va: GuestVa, maxSize: ByteSize): GunyahError {
    this.receivedSize = 0;
    if (this.#count === 0) return GunyahError.MSGQUEUE_EMPTY;
    const size = this.#sizes[this.#head] as number;
    if (size > maxSize) return GunyahError.OK;
    if (!caller.guestWrite(va, (this.#slots[this.#head] as Uint8Array).subarray(0, size))) return GunyahError.OK;
    this.receivedSize = size;
    this.#count--;
    this.#head = this.#head + 1 === this.#depth ? 0 : this.#head + 1;
    if (this.#count === this.#notFull) this.sendSource.assert(false);
    return GunyahError.OK;
  }

  /** Drop everything. Source: msgqueue_flush_queue */
  flush(): void {
    if (this.#count !== 0) {
      this.sendSource.assert(false);
      this.receiveSource.clear();
    }
    this.#buffer.fill(0);
    this.#count = 0;
    this.#head = 0;
  }

  /** @param threshold 32 bits; see UNCHANGED. @returns GunyahError: ARGUMENT_INVALID. Source: msgqueue_configure_send */
  setNotFull(threshold: number): GunyahError {
    if (threshold === UNCHANGED) return GunyahError.OK;
    if (threshold >= this.#depth) return GunyahError.ARGUMENT_INVALID;
    this.#notFull = threshold;
    if (this.#count <= threshold) this.sendSource.assert(false);
    else this.sendSource.clear();
    return GunyahError.OK;
  }

  /** @returns GunyahError: ARGUMENT_INVALID. Source: msgqueue_configure_receive */
  setNotEmpty(threshold: number): GunyahError {
    if (threshold === UNCHANGED) return GunyahError.OK;
    if (threshold === MAXIMUM) {
      this.#notEmpty = this.#depth;
      return GunyahError.OK;
    }
    if (threshold === 0 || threshold > this.#depth) return GunyahError.ARGUMENT_INVALID;
    this.#notEmpty = threshold;
    if (this.#count >= threshold) this.receiveSource.assert(false);
    else this.receiveSource.clear();
    return GunyahError.OK;
  }
}
