import { DeviceTreeError } from "./errors.ts";
import type { DeviceNode } from "./node.ts";
import type { DeviceTree } from "./tree.ts";
import { readCells, readStrings } from "./value.ts";

/**
 * Apply an overlay to `base`, in place; `overlay` is consumed.
 *
 * Phandles of the overlay are renumbered above those of the base, `__local_fixups__` and `__fixups__` are resolved,
 * then every fragment's `__overlay__` is merged into its target and the overlay's symbols into the base's.
 * When it throws, `base` may hold a part of the overlay: apply to a copy where that matters.
 *
 * Errors: DT_BAD_OVERLAY, DT_NOT_FOUND (a label, target or path names nothing).
 * Source: dtc Documentation/dt-object-internal.txt; Linux Documentation/devicetree/overlay-notes.rst.
 */
export function applyOverlay(base: DeviceTree, overlay: DeviceTree): void {
  const fragments = [...overlay.root.children].filter((node) => node.child("__overlay__") !== undefined);
  if (fragments.length === 0) throw new DeviceTreeError("DT_BAD_OVERLAY", "no node of the overlay has an __overlay__");

  renumberPhandles(overlay, base.maxPhandle);
  resolveFixups(overlay, base);
  // Targets first: a label of the base must mean what it meant before any fragment was merged.
  const targets = fragments.map((fragment) => targetOf(fragment, base));
  fragments.forEach((fragment, index) => {
    merge(fragment.child("__overlay__") as DeviceNode, targets[index] as DeviceNode);
  });
  mergeSymbols(overlay, base, fragments, targets);
}

function renumberPhandles(overlay: DeviceTree, delta: number): void {
  for (const node of overlay.root.walk())
    for (const name of ["phandle", "linux,phandle"]) {
      const phandle = node.u32(name);
      if (phandle !== undefined) node.set(name, checkedPhandle(phandle + delta));
    }
  const fixups = overlay.root.child("__local_fixups__");
  if (fixups !== undefined) addLocal(fixups, overlay.root, delta);
}

/** `__local_fixups__` mirrors the overlay's tree; each property lists the byte offsets of phandles in its namesake. */
function addLocal(fixups: DeviceNode, node: DeviceNode, delta: number): void {
  for (const [name, value] of fixups.properties)
    for (const offset of readCells(value) ?? bad(`${fixups.path}/${name} is not a list of offsets`))
      patchCell(node, name, offset, (phandle) => checkedPhandle(phandle + delta));
  for (const child of fixups.children) {
    const target = node.child(child.name) ?? bad(`${child.path} mirrors no node`);
    addLocal(child, target, delta);
  }
}

/** `__fixups__` maps a label of the base to places "path:property:offset" of the overlay that want its phandle. */
function resolveFixups(overlay: DeviceTree, base: DeviceTree): void {
  const fixups = overlay.root.child("__fixups__");
  if (fixups === undefined) return;
  const symbols = base.root.child("__symbols__");
  for (const [label, places] of fixups.properties) {
    const path = symbols?.string(label);
    if (path === undefined) throw new DeviceTreeError("DT_NOT_FOUND", `the base tree has no symbol "${label}"`);
    const phandle = base.phandleOf(base.node(path));
    for (const place of readStrings(places) ?? bad(`fixups of "${label}" are not strings`)) {
      const [nodePath, property, offset, ...more] = place.split(":");
      if (nodePath === undefined || property === undefined || !/^[0-9]+$/.test(offset ?? "") || more.length > 0)
        bad(`fixup "${place}" is not path:property:offset`);
      const node = overlay.find(nodePath as string) ?? bad(`fixup "${place}" names no node`);
      patchCell(node, property as string, Number(offset), () => phandle);
    }
  }
}

function patchCell(node: DeviceNode, name: string, offset: number, change: (cell: number) => number): void {
  const value = node.get(name) ?? bad(`a fixup names ${node.path}:${name}, which is absent`);
  if (offset + 4 > value.length)
    bad(`a fixup names byte ${offset} of ${node.path}:${name}, ${value.length} bytes long`);
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  view.setUint32(offset, change(view.getUint32(offset)));
}

function targetOf(fragment: DeviceNode, base: DeviceTree): DeviceNode {
  const phandle = fragment.u32("target");
  if (phandle !== undefined) {
    const node = base.byPhandle(phandle);
    if (node === undefined)
      throw new DeviceTreeError("DT_NOT_FOUND", `target of ${fragment.path}: no node has phandle ${phandle}`);
    return node;
  }
  const path = fragment.string("target-path") ?? bad(`${fragment.path} has neither target nor target-path`);
  return base.node(path);
}

function merge(from: DeviceNode, into: DeviceNode): void {
  for (const [name, value] of from.properties) into.set(name, value);
  for (const child of from.children) merge(child, into.ensureChild(child.name));
}

/** Symbols of the overlay point below its fragments; in the base they point below the targets. */
function mergeSymbols(
  overlay: DeviceTree,
  base: DeviceTree,
  fragments: readonly DeviceNode[],
  targets: readonly DeviceNode[],
): void {
  const symbols = overlay.root.child("__symbols__");
  if (symbols === undefined) return;
  const known = base.root.ensureChild("__symbols__");
  for (const [label, value] of symbols.properties) {
    const path = readStrings(value)?.[0] ?? bad(`symbol "${label}" is not a path`);
    const index = fragments.findIndex(
      ({ path: fragment }) => path === `${fragment}/__overlay__` || path.startsWith(`${fragment}/__overlay__/`),
    );
    const fragment = fragments[index];
    if (fragment === undefined) continue; // a label on the fragment itself means nothing in the base
    const below = path.slice(`${fragment.path}/__overlay__`.length);
    const target = (targets[index] as DeviceNode).path;
    known.set(label, below === "" ? target : `${target === "/" ? "" : target}${below}`);
  }
}

function checkedPhandle(phandle: number): number {
  // 0 and 0xffffffff are not phandles. Devicetree Specification §2.3.3 and dtc's livetree.c.
  if (phandle <= 0 || phandle >= 0xffffffff) bad(`phandle ${phandle} is out of range`);
  return phandle;
}

function bad(detail: string): never {
  throw new DeviceTreeError("DT_BAD_OVERLAY", detail);
}
