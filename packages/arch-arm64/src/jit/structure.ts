/**
 * Nested loops of a control-flow graph, by strongly connected components: WebAssembly has no goto, and its optimizing
 * compiler does best with loops that look like loops.
 *
 * A component with one head is a loop; one with several (two ways into its middle) gets a variable that says where to
 * go on. Within a component, without the edges to its heads, the same again.
 */
import type { Block } from "./blocks.ts";

export type Node =
  | { readonly kind: "block"; readonly block: Block }
  | { readonly kind: "loop"; readonly heads: readonly Block[]; readonly body: readonly Node[] };

/** Blocks through which control comes in. */
export const headsOf = (node: Node): readonly Block[] => (node.kind === "block" ? [node.block] : node.heads);

/** Tarjan's algorithm over `nodes`: components in topological order. `isEdge` leaves edges out. */
function components(
  nodes: ReadonlySet<Block>,
  roots: readonly Block[],
  isEdge: (to: Block) => boolean,
): (readonly Block[])[] {
  const index = new Map<Block, number>();
  const open = new Set<Block>();
  const stack: Block[] = [];
  const found: Block[][] = [];
  const visit = (block: Block): number => {
    const own = index.size;
    let lowest = own;
    index.set(block, own);
    stack.push(block);
    open.add(block);
    for (const next of block.successors) {
      if (!nodes.has(next) || !isEdge(next)) continue;
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (open.has(next)) lowest = Math.min(lowest, index.get(next) as number);
    }
    if (lowest !== own) return lowest;
    const component: Block[] = [];
    for (;;) {
      const member = stack.pop() as Block;
      open.delete(member);
      component.push(member);
      if (member === block) break;
    }
    found.push(component);
    return lowest;
  };
  for (const root of [...roots, ...nodes]) if (!index.has(root)) visit(root);
  return found.reverse();
}

/**
 * @param blocks what to order
 * @param roots where control comes in from outside
 * @param heads blocks whose incoming edges are taken care of: those of the loops around
 */
export function structure(
  blocks: readonly Block[],
  roots: readonly Block[],
  heads: ReadonlySet<Block> = new Set(),
): Node[] {
  const nodes = new Set(blocks);
  const isEdge = (to: Block) => !heads.has(to);
  return components(nodes, roots, isEdge).map((component): Node => {
    const [first] = component as readonly [Block];
    const isLoop = component.length > 1 || (isEdge(first) && first.successors.includes(first));
    if (!isLoop) return { kind: "block", block: first };
    const members = new Set(component);
    const outside = blocks.filter((block) => !members.has(block));
    const entered = component.filter(
      (block) => roots.includes(block) || (isEdge(block) && outside.some((other) => other.successors.includes(block))),
    );
    // nothing leads to it but itself: any member will do
    const own = entered.length > 0 ? entered : [component.at(-1) as Block];
    return { kind: "loop", heads: own, body: structure(component, own, new Set([...heads, ...own])) };
  });
}

/** Heads of every loop. */
export function loopHeads(nodes: readonly Node[], into = new Set<Block>()): Set<Block> {
  for (const node of nodes)
    if (node.kind === "loop") {
      for (const head of node.heads) into.add(head);
      loopHeads(node.body, into);
    }
  return into;
}
