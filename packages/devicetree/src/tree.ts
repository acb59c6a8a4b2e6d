import { DeviceTreeError } from "./errors.ts";
import { DeviceNode } from "./node.ts";

/** A whole device tree: nodes, memory reservations, and which CPU boots. */
export class DeviceTree {
  readonly root: DeviceNode;
  /** Ranges that no one may use. Devicetree Specification §5.3. Bytes. */
  reservations: { address: bigint; size: bigint }[] = [];
  /** `reg` of the boot CPU. */
  bootCpu = 0;

  constructor(root: DeviceNode = new DeviceNode()) {
    this.root = root;
  }

  /**
   * Node by absolute path; a first component that is not `/` is an alias. Unit addresses may be left out where that is
   * unambiguous. undefined when there is none.
   */
  find(path: string): DeviceNode | undefined {
    const [first, ...rest] = path.split("/");
    let node: DeviceNode | undefined = this.root;
    if (first !== "") {
      const target = this.root.child("aliases")?.string(first ?? "");
      if (target === undefined || !target.startsWith("/")) return undefined;
      node = this.find(target);
    }
    for (const name of rest) if (name !== "") node = node?.child(name);
    return node;
  }

  /** Like `find`, DT_NOT_FOUND when there is none. */
  node(path: string): DeviceNode {
    const node = this.find(path);
    if (node === undefined) throw new DeviceTreeError("DT_NOT_FOUND", `no node ${path}`);
    return node;
  }

  /** The node of that path, made with its parents when absent. */
  ensure(path: string): DeviceNode {
    return path
      .split("/")
      .filter((name) => name !== "")
      .reduce((node, name) => node.child(name) ?? node.addChild(name), this.root);
  }

  byPhandle(phandle: number): DeviceNode | undefined {
    for (const node of this.root.walk()) if (node.phandle === phandle) return node;
    return undefined;
  }

  /** All nodes that claim a compatible string, in order. */
  compatible(name: string): DeviceNode[] {
    return [...this.root.walk()].filter((node) => node.isCompatible(name));
  }

  /** Largest phandle in use, 0 when there is none. */
  get maxPhandle(): number {
    let max = 0;
    for (const node of this.root.walk()) max = Math.max(max, node.phandle ?? 0);
    return max;
  }

  /** The node's phandle; a new one when it has none. */
  phandleOf(node: DeviceNode): number {
    const existing = node.phandle;
    if (existing !== undefined) return existing;
    const phandle = this.maxPhandle + 1;
    node.set("phandle", phandle);
    return phandle;
  }
}
