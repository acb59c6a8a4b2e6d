import { cells, type DeviceNode } from "@gunyah-ts/devicetree";

/**
 * Properties as the RM's parser reads them: a value of another length than expected counts as absent.
 * Source: gunyah-resource-manager src/dt_parser, vm_config_parser.c
 */
export function stringOf(node: DeviceNode, name: string): string | undefined {
  return stringsOf(node, name)?.[0];
}

export function stringsOf(node: DeviceNode, name: string): string[] | undefined {
  const value = node.get(name);
  if (value === undefined || value.length === 0 || value[value.length - 1] !== 0) return undefined;
  return new TextDecoder().decode(value.subarray(0, -1)).split("\0");
}

export function cellsOf(node: DeviceNode, name: string): number[] | undefined {
  const value = node.get(name);
  if (value === undefined || value.length % 4 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(4 * i));
}

export function u32Of(node: DeviceNode, name: string): number | undefined {
  const value = cellsOf(node, name);
  return value?.length === 1 ? value[0] : undefined;
}

/** A number of exactly `count` cells; undefined above 2^53. */
export function numberOf(node: DeviceNode, name: string, count: number): number | undefined {
  const value = cellsOf(node, name);
  if (value === undefined || value.length !== count) return undefined;
  const number = value.reduce((sum, cell) => sum * 2 ** 32 + cell, 0);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Cells of a node's properties come from its parent; 2 and 1 when that does not say. */
export function cellCounts(node: DeviceNode): { readonly address: number; readonly size: number } {
  const parent = node.parent;
  const count = (name: string, fallback: number): number => {
    const value = parent === undefined ? undefined : u32Of(parent, name);
    return value === undefined || value > 4 ? fallback : value;
  };
  return { address: count("#address-cells", 2), size: count("#size-cells", 1) };
}

/** `reg` as pairs, or undefined when its length does not fit. */
export function regOf(node: DeviceNode): { readonly base: number; readonly size: number }[] | undefined {
  const value = cellsOf(node, "reg");
  const { address, size } = cellCounts(node);
  const stride = address + size;
  if (value === undefined || stride === 0 || value.length % stride !== 0) return undefined;
  const join = (from: number, count: number): number =>
    value.slice(from, from + count).reduce((sum, cell) => sum * 2 ** 32 + cell, 0);
  const out = Array.from({ length: value.length / stride }, (_, i) => ({
    base: join(i * stride, address),
    size: join(i * stride + address, size),
  }));
  return out.every(({ base, size: bytes }) => Number.isSafeInteger(base + bytes)) ? out : undefined;
}

/** One interrupt of an `interrupts` property, as the RM reads it; undefined when it is not understood. */
export function interruptOf(
  value: readonly number[],
): { readonly virq: number; readonly trigger: "edge" | "level" } | undefined {
  const [type, number, flags] = value as [number, number, number];
  const bases: Readonly<Record<number, readonly [base: number, limit: number]>> = {
    0: [32, 1020],
    1: [16, 32],
    2: [4096, 5120],
    3: [1056, 1120],
  };
  const base = bases[type];
  const sense = flags & 0xf;
  if (base === undefined || base[0] + number >= base[1] || (sense !== 1 && sense !== 4)) return undefined;
  return { virq: base[0] + number, trigger: sense === 1 ? "edge" : "level" };
}

/** `count` interrupts, or undefined (then the RM allocates) when the property is absent or not understood. */
export function interruptsOf(node: DeviceNode, count: number) {
  const value = cellsOf(node, "interrupts");
  if (value === undefined || value.length !== 3 * count) return undefined;
  const out = [];
  for (let i = 0; i < count; i++) {
    const interrupt = interruptOf(value.slice(3 * i, 3 * i + 3));
    if (interrupt === undefined) return undefined;
    out.push(interrupt);
  }
  return out;
}

/** Specifier of a shared interrupt. */
export function specifier(virq: number, trigger: "edge" | "level" = "edge"): Uint8Array {
  const flags = trigger === "edge" ? 1 : 4;
  return virq >= 4096 ? cells(2, virq - 4096, flags) : cells(0, virq - 32, flags);
}
