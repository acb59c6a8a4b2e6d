/**
 * A VM's memory as its own vCPUs reach it: stage 2 and SoC access control, with translations remembered until either
 * changes.
 */

import { type Ipa, PAGE_SIZE, type PhysicalMemory } from "@gunyah-ts/kernel";
import { Stage2Access, type VcpuAddressSpace } from "./address-space.ts";

/** Entries of the translation cache; a power of two. */
const ENTRIES = 256;

export class GuestMemory {
  readonly #addrspace: VcpuAddressSpace;
  readonly #memory: PhysicalMemory;
  readonly #domain: number;
  readonly #page = new Float64Array(ENTRIES).fill(-1);
  readonly #pa = new Float64Array(ENTRIES);
  readonly #access = new Uint8Array(ENTRIES);
  #generation = -1;
  readonly #unlisten: () => void;

  /** @param domain security domain of the accesses, 0-63 */
  constructor(addrspace: VcpuAddressSpace, memory: PhysicalMemory, domain: number) {
    this.#addrspace = addrspace;
    this.#memory = memory;
    this.#domain = domain;
    this.#unlisten = memory.accessControl?.onChange(() => this.#page.fill(-1)) ?? (() => {});
  }

  dispose(): void {
    this.#unlisten();
  }

  /** Changes whenever an address may translate differently. */
  get generation(): number {
    return this.#addrspace.generation;
  }

  /**
   * @param access `Stage2Access` bits
   * @returns the physical address, or -1 when stage 2, access control or the SoC (no memory there) refuses
   */
  translate(ipa: Ipa, access: number): number {
    const generation = this.#addrspace.generation;
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#page.fill(-1);
    }
    const offset = ipa % PAGE_SIZE;
    const page = ipa - offset;
    const slot = (page / PAGE_SIZE) & (ENTRIES - 1);
    if (this.#page[slot] === page && (this.#access[slot]! & access) === access) return this.#pa[slot]! + offset;
    const pa = this.#addrspace.translate(page, access);
    if (pa < 0 || !this.#memory.contains(pa, PAGE_SIZE)) return -1;
    const control = this.#memory.accessControl;
    if (control !== undefined && !control.allows(this.#domain, pa)) return -1;
    this.#access[slot] = this.#page[slot] === page ? this.#access[slot]! | access : access;
    this.#page[slot] = page;
    this.#pa[slot] = pa;
    return pa + offset;
  }

  /** Whether every page of [ipa, ipa + size) allows the access. */
  isAccessible(ipa: Ipa, size: number, access: number): boolean {
    if (!(ipa >= 0 && size >= 0)) return false;
    for (let at = ipa - (ipa % PAGE_SIZE); at < ipa + size; at += PAGE_SIZE)
      if (this.translate(at, access) < 0) return false;
    return true;
  }

  /** Physical address of [ipa, ipa + size) when it is contiguous there and accessible, else -1. */
  translateRange(ipa: Ipa, size: number, access: number): number {
    const first = this.translate(ipa, access);
    if (first < 0) return -1;
    for (let at = PAGE_SIZE - (ipa % PAGE_SIZE); at < size; at += PAGE_SIZE)
      if (this.translate(ipa + at, access) !== first + at) return -1;
    return first;
  }

  /** @returns false on any fault; nothing is copied then */
  read(ipa: Ipa, into: Uint8Array): boolean {
    if (!this.isAccessible(ipa, into.length, Stage2Access.READ)) return false;
    for (let done = 0; done < into.length; ) {
      const at = ipa + done;
      const size = Math.min(into.length - done, PAGE_SIZE - (at % PAGE_SIZE));
      const from = this.#memory.offsetOf(this.translate(at, Stage2Access.READ));
      into.set(this.#memory.bytes.subarray(from, from + size), done);
      done += size;
    }
    return true;
  }

  write(ipa: Ipa, bytes: Uint8Array): boolean {
    if (!this.isAccessible(ipa, bytes.length, Stage2Access.WRITE)) return false;
    for (let done = 0; done < bytes.length; ) {
      const at = ipa + done;
      const size = Math.min(bytes.length - done, PAGE_SIZE - (at % PAGE_SIZE));
      const whole = done === 0 && size === bytes.length;
      this.#memory.write(this.translate(at, Stage2Access.WRITE), whole ? bytes : bytes.subarray(done, done + size));
      done += size;
    }
    return true;
  }

  fill(ipa: Ipa, size: number, value: number): boolean {
    if (!this.isAccessible(ipa, size, Stage2Access.WRITE)) return false;
    for (let done = 0; done < size; ) {
      const at = ipa + done;
      const part = Math.min(size - done, PAGE_SIZE - (at % PAGE_SIZE));
      this.#memory.fill(this.translate(at, Stage2Access.WRITE), part, value);
      done += part;
    }
    return true;
  }

  /** Report stores made through a view. */
  wrote(ipa: Ipa, size: number): void {
    for (let done = 0; done < size; ) {
      const at = ipa + done;
      const part = Math.min(size - done, PAGE_SIZE - (at % PAGE_SIZE));
      const pa = this.translate(at, Stage2Access.WRITE);
      if (pa >= 0) this.#memory.wrote(pa, part);
      done += part;
    }
  }
}
