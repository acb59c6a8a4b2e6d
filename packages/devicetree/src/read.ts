import { DeviceTreeError } from "./errors.ts";
import {
  align4,
  HEADER_SIZE,
  Header,
  LAST_COMPATIBLE_VERSION,
  MAGIC,
  MAX_DEPTH,
  MAX_SIZE,
  PROPERTY_NAME,
  Token,
  VERSION,
} from "./format.ts";
import { DeviceNode } from "./node.ts";
import { DeviceTree } from "./tree.ts";

/**
 * Read a blob. Bytes behind its total size are ignored; property values are copied.
 *
 * The blob is not trusted: every offset, size, name and nesting is checked before it is used.
 * Errors: DT_TRUNCATED, DT_BAD_MAGIC, DT_BAD_VERSION, DT_BAD_LAYOUT, DT_BAD_STRUCTURE, DT_BAD_NAME, DT_DUPLICATE, DT_LIMIT.
 * Source: Devicetree Specification v0.4, §5.
 */
export function parseDtb(blob: Uint8Array): DeviceTree {
  const layout = readHeader(blob);
  const reader = new StructureReader(blob, layout);
  const tree = new DeviceTree(reader.read());
  tree.reservations = readReservations(layout);
  tree.bootCpu = layout.view.getUint32(Header.BOOT_CPU);
  return tree;
}

/** Total size that a blob's header announces, or undefined where the bytes are no device tree. */
export function dtbSize(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEADER_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getUint32(Header.MAGIC) === MAGIC ? view.getUint32(Header.TOTAL_SIZE) : undefined;
}

interface Layout {
  readonly view: DataView;
  readonly totalSize: number;
  readonly struct: { readonly start: number; readonly end: number };
  readonly strings: { readonly start: number; readonly end: number };
  readonly reservations: number;
}

function readHeader(blob: Uint8Array): Layout {
  if (blob.length < HEADER_SIZE)
    throw new DeviceTreeError("DT_TRUNCATED", `${blob.length} bytes, the header alone has ${HEADER_SIZE}`);
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const field = (offset: number): number => view.getUint32(offset);

  if (field(Header.MAGIC) !== MAGIC)
    throw new DeviceTreeError("DT_BAD_MAGIC", `the blob starts with 0x${field(0).toString(16)}, not 0xd00dfeed`);
  const version = field(Header.VERSION);
  const compatible = field(Header.LAST_COMPATIBLE);
  if (compatible > VERSION || version < LAST_COMPATIBLE_VERSION)
    throw new DeviceTreeError("DT_BAD_VERSION", `version ${version}, compatible back to ${compatible}`);
  const totalSize = field(Header.TOTAL_SIZE);
  if (totalSize > MAX_SIZE) throw new DeviceTreeError("DT_LIMIT", `${totalSize} bytes, at most ${MAX_SIZE} are read`);
  if (totalSize > blob.length)
    throw new DeviceTreeError("DT_TRUNCATED", `the header announces ${totalSize} bytes, there are ${blob.length}`);

  const block = (name: string, start: number, size: number, alignment: number) => {
    if (start < HEADER_SIZE || start % alignment !== 0 || start + size > totalSize)
      throw new DeviceTreeError("DT_BAD_LAYOUT", `${name} block at ${start} + ${size} in a blob of ${totalSize} bytes`);
    return { start, end: start + size };
  };
  const structStart = field(Header.OFF_STRUCT);
  // Version 16 has no size_dt_struct; the END token delimits the block.
  const structSize = version >= 17 ? field(Header.SIZE_STRUCT) : totalSize - structStart;
  return {
    view,
    totalSize,
    struct: block("structure", structStart, structSize, 4),
    strings: block("strings", field(Header.OFF_STRINGS), field(Header.SIZE_STRINGS), 1),
    reservations: block("reservation", field(Header.OFF_RESERVATIONS), 16, 8).start,
  };
}

function readReservations({ view, totalSize, reservations }: Layout): DeviceTree["reservations"] {
  const list: DeviceTree["reservations"] = [];
  for (let offset = reservations; ; offset += 16) {
    if (offset + 16 > totalSize)
      throw new DeviceTreeError("DT_BAD_LAYOUT", "the reservation block has no terminating entry");
    const address = view.getBigUint64(offset);
    const size = view.getBigUint64(offset + 8);
    if (address === 0n && size === 0n) return list;
    list.push({ address, size });
  }
}

class StructureReader {
  readonly #blob: Uint8Array;
  readonly #layout: Layout;
  readonly #text = new TextDecoder("utf-8", { fatal: true });
  #offset: number;

  constructor(blob: Uint8Array, layout: Layout) {
    this.#blob = blob;
    this.#layout = layout;
    this.#offset = layout.struct.start;
  }

  read(): DeviceNode {
    if (this.#token() !== Token.BEGIN_NODE) this.#fail("does not start with a node");
    if (this.#nodeName() !== "") this.#fail("the root node has a name");
    const root = new DeviceNode();
    let node: DeviceNode = root;
    let depth = 1;
    for (;;) {
      const token = this.#token();
      if (token === Token.BEGIN_NODE) {
        if (++depth > MAX_DEPTH) throw new DeviceTreeError("DT_LIMIT", `nodes nested deeper than ${MAX_DEPTH}`);
        node = node.addChild(this.#nodeName());
      } else if (token === Token.PROP) {
        this.#property(node);
      } else if (token === Token.END_NODE) {
        depth--;
        if (node.parent === undefined) break;
        node = node.parent;
      } else {
        this.#fail(`token ${token} inside ${node.path}`);
      }
    }
    if (this.#token() !== Token.END) this.#fail("no END token behind the root node");
    return root;
  }

  /** Next token that is not NOP. */
  #token(): number {
    for (;;) {
      const token = this.#word();
      if (token !== Token.NOP) return token;
    }
  }

  #word(): number {
    const offset = this.#take(4);
    return this.#layout.view.getUint32(offset);
  }

  /** Advance by `size` bytes, rounded up to a cell; the offset before. */
  #take(size: number): number {
    const offset = this.#offset;
    if (offset + size > this.#layout.struct.end) this.#fail("ends in the middle of a token");
    this.#offset = align4(offset + size);
    return offset;
  }

  #nodeName(): string {
    const end = this.#blob.indexOf(0, this.#offset);
    if (end < 0 || end >= this.#layout.struct.end) this.#fail("a node name has no end");
    const start = this.#take(end - this.#offset + 1);
    return this.#decode(start, end);
  }

  #property(node: DeviceNode): void {
    const size = this.#word();
    const nameOffset = this.#word();
    const value = this.#take(size);
    const name = this.#propertyName(nameOffset);
    if (node.has(name)) throw new DeviceTreeError("DT_DUPLICATE", `${node.path} has the property "${name}" twice`);
    node.set(name, this.#blob.slice(value, value + size));
  }

  #propertyName(offset: number): string {
    const start = this.#layout.strings.start + offset;
    const end = this.#blob.indexOf(0, start);
    if (start >= this.#layout.strings.end || end < 0 || end >= this.#layout.strings.end)
      throw new DeviceTreeError("DT_BAD_NAME", `property name at ${offset} lies outside the strings block`);
    const name = this.#decode(start, end);
    if (!PROPERTY_NAME.test(name)) throw new DeviceTreeError("DT_BAD_NAME", `"${name}" is not a property name`);
    return name;
  }

  #decode(start: number, end: number): string {
    try {
      return this.#text.decode(this.#blob.subarray(start, end));
    } catch {
      throw new DeviceTreeError("DT_BAD_NAME", `the name at byte ${start} is not text`);
    }
  }

  #fail(detail: string): never {
    throw new DeviceTreeError("DT_BAD_STRUCTURE", `structure block, near byte ${this.#offset}: ${detail}`);
  }
}
