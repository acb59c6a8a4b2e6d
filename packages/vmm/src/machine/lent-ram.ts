import { type Ipa, ModelError } from "@gunyah-ts/kernel";
import type { GuestMemory, GunyahDevice, GunyahVm, MappedMemory } from "@gunyah-ts/vm-manager";
import type { GuestRam } from "./guest-ram.ts";

const PAGE = 4096;
/** Bindings are cut into pieces of this size, so that making a page of one shared disturbs little. */
const PIECE = 2 * 1024 * 1024;
/** SET_DEMAND_PAGING announces at most 512 ranges; leave room for the pool and the device tree. */
const MAX_PIECES = 480;

interface Binding {
  readonly start: number;
  readonly end: number;
  readonly access: "lend" | "share";
  /** The VMM's mapping of a shared range. */
  readonly mapping: MappedMemory | undefined;
}

/**
 * Guest memory from a guest memory fd, lent: the guest gets a page when it first touches it, and the VMM loses it.
 *
 * Devices need shared memory, which the guest may not execute. A pool for them is bound as shared from the start; a
 * guest that honours the pool's node (restricted-dma-pool) uses nothing else. Where a guest names other memory, those
 * pages are bound anew as shared when a device first touches them. All of it with VM_MAP_MEM alone: the binding is
 * removed (which takes its pages back, contents kept) and its parts are bound again.
 *
 * A shared range is bound as lent until the VM has started: only lent ranges are announced as demand paged, and only
 * faults in announced ranges come back to the driver. Source: Linux series v17, vm_mgr.c, gunyah_vm_start.
 */
export class LentRam implements GuestRam {
  readonly address: number;
  readonly size: number;
  readonly dmaPool: { readonly address: number; readonly size: number } | undefined;
  readonly #vm: GunyahVm;
  readonly #memory: GuestMemory;
  /** Sorted by start, without gaps. */
  #bindings: Binding[] = [];
  #latest: Binding | undefined;

  private constructor(vm: GunyahVm, memory: GuestMemory, address: number, pool: LentRam["dmaPool"]) {
    this.#vm = vm;
    this.#memory = memory;
    this.address = address;
    this.size = memory.size;
    this.dmaPool = pool;
  }

  static async create(
    device: GunyahDevice,
    vm: GunyahVm,
    options: {
      readonly address: number;
      readonly size: number;
      readonly dmaPool: { readonly address: number; readonly size: number } | undefined;
    },
  ): Promise<LentRam> {
    return new LentRam(vm, await device.createGuestMemory(options.size), options.address, options.dmaPool);
  }

  load(address: number, bytes: Uint8Array): void {
    this.#memory.load(address - this.address, bytes);
  }

  async attach(): Promise<void> {
    const piece = Math.max(PIECE, Math.ceil(this.size / MAX_PIECES / PIECE) * PIECE);
    const end = this.address + this.size;
    const pool = this.dmaPool ?? { address: end, size: 0 };
    for (let start = this.address; start < end; ) {
      // The pool is a binding of its own, so that it can change alone.
      const limit =
        start < pool.address ? pool.address : start < pool.address + pool.size ? pool.address + pool.size : end;
      const stop = start === pool.address ? limit : Math.min(start + piece, limit);
      await this.#vm.mapMemory(this.#range(start, stop, "lend"));
      this.#bindings.push({ start, end: stop, access: "lend", mapping: undefined });
      start = stop;
    }
  }

  async started(): Promise<void> {
    if (this.dmaPool !== undefined) this.#share(this.dmaPool.address, this.dmaPool.address + this.dmaPool.size);
  }

  window(address: Ipa, length: number, access: "r" | "rw"): Uint8Array | undefined {
    const shared = this.#shared(address, length);
    return shared?.mapping?.bytes(address - shared.start, length, access);
  }

  read(address: Ipa, into: Uint8Array): boolean {
    return this.#copy(address, into.length, (mapping, offset, done, length) =>
      mapping.read(offset, into.subarray(done, done + length)),
    );
  }

  write(address: Ipa, bytes: Uint8Array): boolean {
    return this.#copy(address, bytes.length, (mapping, offset, done, length) =>
      mapping.write(offset, bytes.subarray(done, done + length)),
    );
  }

  #copy(
    address: number,
    length: number,
    copy: (mapping: MappedMemory, offset: number, done: number, length: number) => void,
  ): boolean {
    if (!this.#contains(address, length)) return false;
    this.#share(floor(address), ceil(address + length));
    for (let done = 0; done < length; ) {
      const binding = this.#bindingAt(address + done);
      if (binding?.mapping === undefined) return false;
      const part = Math.min(length - done, binding.end - address - done);
      copy(binding.mapping, address + done - binding.start, done, part);
      done += part;
    }
    return true;
  }

  #shared(address: number, length: number): Binding | undefined {
    const latest = this.#latest;
    if (latest !== undefined && address >= latest.start && address + length <= latest.end) return latest;
    if (length === 0 || !this.#contains(address, length)) return undefined;
    this.#share(floor(address), ceil(address + length));
    const binding = this.#bindingAt(address);
    if (binding === undefined || address + length > binding.end) return undefined;
    this.#latest = binding;
    return binding;
  }

  #contains(address: number, length: number): boolean {
    return address >= this.address && address + length <= this.address + this.size;
  }

  #bindingAt(address: number): Binding | undefined {
    return this.#bindings[this.#indexAt(address)];
  }

  /** Index of the binding that holds `address`: the bindings have no gaps. */
  #indexAt(address: number): number {
    let low = 0;
    let high = this.#bindings.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#bindings[middle] as Binding).start <= address) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Bind every lent page of [start, end) as shared. */
  #share(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const index = this.#indexAt(at);
      const binding = this.#bindings[index] as Binding;
      if (binding.access === "lend") {
        this.#split(index, binding, at, Math.min(end, binding.end));
        this.#latest = undefined;
      }
      at = binding.end;
    }
  }

  /** Replace a lent binding by lent, shared, lent. */
  #split(index: number, binding: Binding, start: number, end: number): void {
    this.#vm.unmapMemoryNow(this.#range(binding.start, binding.end, "lend"));
    const parts: Binding[] = [];
    const lend = (from: number, to: number): void => {
      if (from === to) return;
      this.#vm.mapMemoryNow(this.#range(from, to, "lend"));
      parts.push({ start: from, end: to, access: "lend", mapping: undefined });
    };
    lend(binding.start, start);
    this.#vm.mapMemoryNow(this.#range(start, end, "share"));
    parts.push({ start, end, access: "share", mapping: this.#memory.map(start - this.address, end - start) });
    lend(end, binding.end);
    this.#bindings.splice(index, 1, ...parts);
  }

  #range(start: number, end: number, access: "lend" | "share") {
    return {
      guestAddress: start,
      memory: this.#memory,
      offset: start - this.address,
      size: end - start,
      access,
      permissions: "rwx",
    };
  }
}

const floor = (address: number): number => address - (address % PAGE);
const ceil = (address: number): number => Math.ceil(address / PAGE) * PAGE;

/** Errors: VMM_MEMORY_SIZE */
export function checkRamSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 16 * 2 ** 20 || size > 3 * 2 ** 30 || size % PIECE !== 0)
    throw new ModelError(
      "VMM_MEMORY_SIZE",
      `${size} bytes of guest memory; give a multiple of 2 MiB from 16 MiB to 3 GiB, for example 512M`,
    );
}
