import { DeviceTreeError } from "./errors.ts";
import { NODE_NAME, PROPERTY_NAME } from "./format.ts";
import { cells, readCells, readCells64, readStrings, strings } from "./value.ts";

/**
 * A node: named properties and named children, in order.
 * Source: Devicetree Specification v0.4, §2.2 Devicetree Structure and Conventions.
 */
export class DeviceNode {
  /** Name with unit address, for example `memory@80000000`; empty for the root. */
  readonly name: string;
  readonly parent: DeviceNode | undefined;
  readonly #properties = new Map<string, Uint8Array>();
  readonly #children = new Map<string, DeviceNode>();

  constructor(name = "", parent?: DeviceNode) {
    if (parent !== undefined && !NODE_NAME.test(name))
      throw new DeviceTreeError("DT_BAD_NAME", `"${name}" below ${parent.path} is not a node name`);
    this.name = name;
    this.parent = parent;
  }

  get path(): string {
    if (this.parent === undefined) return "/";
    return this.parent.parent === undefined ? `/${this.name}` : `${this.parent.path}/${this.name}`;
  }

  get properties(): ReadonlyMap<string, Uint8Array> {
    return this.#properties;
  }

  get children(): Iterable<DeviceNode> & { readonly size: number } {
    const children = this.#children;
    return { size: children.size, [Symbol.iterator]: () => children.values() };
  }

  /** Child by exact name, or by name without its unit address when only one child has it. */
  child(name: string): DeviceNode | undefined {
    const exact = this.#children.get(name);
    if (exact !== undefined || name.includes("@")) return exact;
    const matches = [...this.#children.values()].filter((child) => child.baseName === name);
    return matches.length === 1 ? matches[0] : undefined;
  }

  /** Name without the unit address. */
  get baseName(): string {
    const at = this.name.indexOf("@");
    return at < 0 ? this.name : this.name.slice(0, at);
  }

  /** Add a child. DT_DUPLICATE when there is one of that name. */
  addChild(name: string, properties: Readonly<Record<string, PropertyValue>> = {}): DeviceNode {
    if (this.#children.has(name))
      throw new DeviceTreeError("DT_DUPLICATE", `${this.path} already has a child "${name}"`);
    const child = new DeviceNode(name, this);
    this.#children.set(name, child);
    for (const [key, value] of Object.entries(properties)) child.set(key, value);
    return child;
  }

  /** The child of that exact name, made when absent. */
  ensureChild(name: string): DeviceNode {
    return this.#children.get(name) ?? this.addChild(name);
  }

  removeChild(name: string): boolean {
    return this.#children.delete(name);
  }

  /** Set a property. Numbers become one cell, strings a string, arrays a list of cells or strings, true an empty value. */
  set(name: string, value: PropertyValue): this {
    if (!PROPERTY_NAME.test(name))
      throw new DeviceTreeError("DT_BAD_NAME", `"${name}" of ${this.path} is not a property name`);
    this.#properties.set(name, encode(value));
    return this;
  }

  delete(name: string): boolean {
    return this.#properties.delete(name);
  }

  has(name: string): boolean {
    return this.#properties.has(name);
  }

  get(name: string): Uint8Array | undefined {
    return this.#properties.get(name);
  }

  /** All cells of a property, undefined when absent. DT_BAD_VALUE when the length is not a multiple of four. */
  cells(name: string): number[] | undefined {
    return this.#read(name, readCells, "a list of 32-bit cells");
  }

  /** All 64-bit values of a property. */
  cells64(name: string): bigint[] | undefined {
    return this.#read(name, readCells64, "a list of 64-bit values");
  }

  /** All strings of a property. */
  strings(name: string): string[] | undefined {
    return this.#read(name, readStrings, "a list of strings");
  }

  /** A property of exactly one cell. */
  u32(name: string): number | undefined {
    return this.#read(name, (value) => (value.length === 4 ? readCells(value)?.[0] : undefined), "one cell");
  }

  /** A property of exactly one 64-bit value. */
  u64(name: string): bigint | undefined {
    return this.#read(name, (value) => (value.length === 8 ? readCells64(value)?.[0] : undefined), "one 64-bit value");
  }

  /** A property of exactly one string. */
  string(name: string): string | undefined {
    return this.#read(
      name,
      (value) => {
        const list = readStrings(value);
        return list?.length === 1 ? list[0] : undefined;
      },
      "one string",
    );
  }

  isCompatible(name: string): boolean {
    const value = this.get("compatible");
    return value !== undefined && (readStrings(value)?.includes(name) ?? false);
  }

  /** #address-cells for this node's children; 2 when absent, as the specification says. */
  get addressCells(): number {
    return this.u32("#address-cells") ?? 2;
  }

  /** #size-cells for this node's children; 1 when absent. */
  get sizeCells(): number {
    return this.u32("#size-cells") ?? 1;
  }

  /** `reg` as pairs, with the cell counts of the parent. DT_BAD_VALUE when the length does not fit them. */
  get reg(): { readonly address: bigint; readonly size: bigint }[] {
    const words = this.cells("reg") ?? [];
    const addressCells = this.parent?.addressCells ?? 2;
    const sizeCells = this.parent?.sizeCells ?? 1;
    const stride = addressCells + sizeCells;
    if (stride === 0 || words.length % stride !== 0)
      throw new DeviceTreeError(
        "DT_BAD_VALUE",
        `reg of ${this.path} has ${words.length} cells, not a multiple of ${addressCells} + ${sizeCells}`,
      );
    const join = (from: number, count: number): bigint =>
      words.slice(from, from + count).reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
    return Array.from({ length: words.length / stride }, (_, index) => ({
      address: join(index * stride, addressCells),
      size: join(index * stride + addressCells, sizeCells),
    }));
  }

  get phandle(): number | undefined {
    return this.u32("phandle") ?? this.u32("linux,phandle");
  }

  /** This node and all below it, parents first, in order. */
  *walk(): Generator<DeviceNode> {
    yield this;
    for (const child of this.#children.values()) yield* child.walk();
  }

  #read<T>(name: string, decode: (value: Uint8Array) => T | undefined, what: string): T | undefined {
    const value = this.#properties.get(name);
    if (value === undefined) return undefined;
    const decoded = decode(value);
    if (decoded === undefined)
      throw new DeviceTreeError("DT_BAD_VALUE", `${name} of ${this.path} (${value.length} bytes) is not ${what}`);
    return decoded;
  }
}

export type PropertyValue = Uint8Array | number | string | true | readonly number[] | readonly string[];

function encode(value: PropertyValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value === true) return new Uint8Array(0);
  if (typeof value === "number") return cells(value);
  if (typeof value === "string") return strings(value);
  return typeof value[0] === "string" ? strings(...(value as string[])) : cells(...(value as number[]));
}
