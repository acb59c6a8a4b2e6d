import type { DeviceNode } from "./node.ts";
import type { DeviceTree } from "./tree.ts";
import { readCells, readStrings } from "./value.ts";

/** Print a tree as device tree source that dtc compiles back to the same tree. */
export function printDts(tree: DeviceTree): string {
  const lines = ["/dts-v1/;", ""];
  for (const { address, size } of tree.reservations)
    lines.push(`/memreserve/ 0x${address.toString(16)} 0x${size.toString(16)};`);
  printNode(tree.root, "/", "", lines);
  return `${lines.join("\n")}\n`;
}

function printNode(node: DeviceNode, name: string, indent: string, lines: string[]): void {
  lines.push(`${indent}${name} {`);
  const inner = `${indent}\t`;
  for (const [key, value] of node.properties)
    lines.push(value.length === 0 ? `${inner}${key};` : `${inner}${key} = ${printValue(value)};`);
  for (const child of node.children) {
    lines.push("");
    printNode(child, child.name, inner, lines);
  }
  lines.push(`${indent}};`);
}

/** A value has no type; the guess is dtc's: strings when all of it is printable text, then cells, then bytes. */
function printValue(value: Uint8Array): string {
  if (isText(value)) {
    const list = readStrings(value) ?? [];
    return list.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join(", ");
  }
  const words = readCells(value);
  if (words !== undefined) return `<${words.map((word) => `0x${word.toString(16).padStart(2, "0")}`).join(" ")}>`;
  return `[${[...value].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}]`;
}

/** Printable ASCII, NUL at the end, and no empty string among them. */
function isText(value: Uint8Array): boolean {
  let previous = 0;
  for (const byte of value) {
    if (byte === 0 ? previous === 0 : byte < 0x20 || byte > 0x7e) return false;
    previous = byte;
  }
  return previous === 0;
}
