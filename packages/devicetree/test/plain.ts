import type { DeviceNode, DeviceTree } from "../src/index.ts";

/** A tree as plain data, order of siblings forgotten: what two trees must share to be equivalent. */
export function plain(tree: DeviceTree): unknown {
  return { bootCpu: tree.bootCpu, reservations: tree.reservations, root: plainNode(tree.root) };
}

function plainNode(node: DeviceNode): unknown {
  const byName = <T>(entries: [string, T][]) => Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    properties: byName([...node.properties].map(([name, value]) => [name, Buffer.from(value).toString("hex")])),
    children: byName([...node.children].map((child) => [child.name, plainNode(child)])),
  };
}
