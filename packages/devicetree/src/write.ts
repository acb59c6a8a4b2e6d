import { DeviceTreeError } from "./errors.ts";
import { align4, HEADER_SIZE, Header, LAST_COMPATIBLE_VERSION, MAGIC, Token, VERSION } from "./format.ts";
import type { DeviceNode } from "./node.ts";
import type { DeviceTree } from "./tree.ts";

export interface WriteOptions {
  /** Pad the blob to this many bytes, which its total size then says. DT_NO_SPACE when the tree is larger. */
  readonly size?: number;
}

/** Flatten a tree: version 17, blocks in the order reservations, structure, strings, as dtc writes them. */
export function writeDtb(tree: DeviceTree, options: WriteOptions = {}): Uint8Array {
  const names = new StringBlock();
  const structSize = measure(tree.root, names) + 4;
  const reservationSize = (tree.reservations.length + 1) * 16;
  const structStart = HEADER_SIZE + reservationSize;
  const stringsStart = structStart + structSize;
  const needed = stringsStart + names.size;
  const total = options.size ?? needed;
  if (total < needed)
    throw new DeviceTreeError("DT_NO_SPACE", `the tree needs ${needed} bytes, ${total} are available`);

  const blob = new Uint8Array(total);
  const view = new DataView(blob.buffer);
  view.setUint32(Header.MAGIC, MAGIC);
  view.setUint32(Header.TOTAL_SIZE, total);
  view.setUint32(Header.OFF_STRUCT, structStart);
  view.setUint32(Header.OFF_STRINGS, stringsStart);
  view.setUint32(Header.OFF_RESERVATIONS, HEADER_SIZE);
  view.setUint32(Header.VERSION, VERSION);
  view.setUint32(Header.LAST_COMPATIBLE, LAST_COMPATIBLE_VERSION);
  view.setUint32(Header.BOOT_CPU, tree.bootCpu);
  view.setUint32(Header.SIZE_STRINGS, names.size);
  view.setUint32(Header.SIZE_STRUCT, structSize);

  tree.reservations.forEach(({ address, size }, index) => {
    view.setBigUint64(HEADER_SIZE + index * 16, address);
    view.setBigUint64(HEADER_SIZE + index * 16 + 8, size);
  });
  const end = writeNode(tree.root, blob, view, structStart, names);
  view.setUint32(end, Token.END);
  names.writeTo(blob, stringsStart);
  return blob;
}

/** The strings block: each property name once. */
class StringBlock {
  readonly #offsets = new Map<string, number>();
  size = 0;

  offset(name: string): number {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      offset = this.size;
      this.#offsets.set(name, offset);
      this.size += name.length + 1;
    }
    return offset;
  }

  writeTo(blob: Uint8Array, start: number): void {
    for (const [name, offset] of this.#offsets) writeText(name, blob, start + offset);
  }
}

/** Bytes of a node in the structure block; enters its property names into the strings block. */
function measure(node: DeviceNode, names: StringBlock): number {
  let size = 4 + align4(node.name.length + 1) + 4;
  for (const [name, value] of node.properties) {
    names.offset(name);
    size += 12 + align4(value.length);
  }
  for (const child of node.children) size += measure(child, names);
  return size;
}

/** @returns the offset behind the node */
function writeNode(node: DeviceNode, blob: Uint8Array, view: DataView, start: number, names: StringBlock): number {
  view.setUint32(start, Token.BEGIN_NODE);
  writeText(node.name, blob, start + 4);
  let offset = start + 4 + align4(node.name.length + 1);
  for (const [name, value] of node.properties) {
    view.setUint32(offset, Token.PROP);
    view.setUint32(offset + 4, value.length);
    view.setUint32(offset + 8, names.offset(name));
    blob.set(value, offset + 12);
    offset += 12 + align4(value.length);
  }
  for (const child of node.children) offset = writeNode(child, blob, view, offset, names);
  view.setUint32(offset, Token.END_NODE);
  return offset + 4;
}

/** Names are ASCII: the node and property name rules allow nothing else. */
function writeText(text: string, blob: Uint8Array, offset: number): void {
  for (let index = 0; index < text.length; index++) blob[offset + index] = text.charCodeAt(index);
}
