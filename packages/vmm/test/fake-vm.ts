import type { GunyahDevice, GunyahVm, MapMemory } from "@gunyah-ts/vm-manager";
import { LentRam } from "../src/machine/lent-ram.ts";

export interface FakeBinding {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
  readonly access: string;
}

/**
 * One guest memory fd and the bindings of one VM, by the driver's rules: a binding must not overlap another in guest
 * addresses nor in the file, and UNMAP must name one that exists. Memory that is lent and was touched by the guest
 * (`touch`) cannot be mapped by the host.
 */
export class FakeGuest {
  readonly file: Uint8Array;
  bindings: FakeBinding[] = [];
  readonly calls: string[] = [];
  mappings = 0;

  constructor(size: number) {
    this.file = new Uint8Array(size);
  }

  readonly device = { createGuestMemory: async () => this.#memory() } as unknown as GunyahDevice;

  readonly vm = {
    mapMemory: async (map: MapMemory) => this.#map(map),
    mapMemoryNow: (map: MapMemory) => this.#map(map),
    unmapMemoryNow: (map: MapMemory) => this.#unmap(map),
  } as unknown as GunyahVm;

  /** Access of a guest address, as the driver would give it. */
  accessAt(address: number): string | undefined {
    return this.bindings.find(({ start, end }) => address >= start && address < end)?.access;
  }

  #memory() {
    const map = (offset = 0, length = this.file.length - offset) => {
      this.#aligned(offset, length);
      this.mappings++;
      const part = this.file.subarray(offset, offset + length);
      return {
        length,
        bytes: (at: number, size: number) => (at + size > length ? undefined : part.subarray(at, at + size)),
        read: (at: number, into: Uint8Array) => into.set(part.subarray(at, at + into.length)),
        write: (at: number, bytes: Uint8Array) => part.set(bytes, at),
        unmap: () => {
          this.mappings--;
        },
      };
    };
    return {
      size: this.file.length,
      fd: 7,
      map,
      load: (offset: number, bytes: Uint8Array) => this.file.set(bytes, offset),
    };
  }

  #map({ guestAddress: start, offset = 0, size, access = "lend" }: MapMemory): void {
    this.#aligned(start, offset, size);
    const end = start + size;
    this.calls.push(`map ${start.toString(16)}-${end.toString(16)} ${access}`);
    for (const other of this.bindings)
      if (
        (start < other.end && other.start < end) ||
        (offset < other.offset + other.end - other.start && other.offset < offset + size)
      )
        throw new Error(`EEXIST ${start.toString(16)}`);
    this.bindings.push({ start, end, offset, access });
    this.bindings.sort((a, b) => a.start - b.start);
  }

  #unmap({ guestAddress: start, offset = 0, size, access = "lend" }: MapMemory): void {
    this.calls.push(`unmap ${start.toString(16)}-${(start + size).toString(16)}`);
    const index = this.bindings.findIndex(
      (b) => b.start === start && b.end === start + size && b.offset === offset && b.access === access,
    );
    if (index < 0) throw new Error(`ENOENT ${start.toString(16)}`);
    this.bindings.splice(index, 1);
  }

  #aligned(...values: number[]): void {
    if (values.some((value) => value % 4096 !== 0)) throw new Error(`EINVAL ${values.join(" ")}`);
  }
}

const MiB = 2 ** 20;
export const RAM_BASE = 0x8000_0000;

/** 16 MiB of lent memory with a pool in its last 6 MiB but 2, attached. */
export async function lentRam(size = 16 * MiB, started = true): Promise<{ guest: FakeGuest; ram: LentRam }> {
  const guest = new FakeGuest(size);
  const dmaPool = { address: RAM_BASE + size - 6 * MiB, size: 4 * MiB };
  const ram = await LentRam.create(guest.device, guest.vm, { address: RAM_BASE, size, dmaPool });
  ram.load(RAM_BASE + 0x10_0000, Uint8Array.of(1, 2, 3, 4));
  await ram.attach();
  if (started) await ram.started();
  guest.calls.length = 0;
  return { guest, ram };
}
