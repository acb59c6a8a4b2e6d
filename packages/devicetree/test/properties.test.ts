import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DeviceNode, DeviceTree, DeviceTreeError, parseDtb, printDts, writeDtb } from "../src/index.ts";
import { plain } from "./plain.ts";

const name = (extra: string) =>
  fc.string({ unit: fc.constantFrom(..."abcdefXYZ0189,._+-", ...extra), minLength: 1, maxLength: 31 });
interface Shape {
  properties: [string, Uint8Array][];
  children: [string, Shape][];
}
/** Trees of at most `depth` levels below the root. */
const shape = (depth: number): fc.Arbitrary<Shape> =>
  fc.record({
    properties: fc.uniqueArray(fc.tuple(name("?#*"), fc.uint8Array({ maxLength: 40 })), {
      selector: ([key]) => key,
      maxLength: 5,
    }),
    children:
      depth === 0
        ? fc.constant([])
        : fc.uniqueArray(fc.tuple(name("@"), shape(depth - 1)), { selector: ([key]) => key, maxLength: 3 }),
  });
const trees = fc
  .tuple(
    shape(3),
    fc.array(fc.record({ address: fc.bigInt(1n, 2n ** 64n - 1n), size: fc.bigInt(1n, 2n ** 64n - 1n) }), {
      maxLength: 3,
    }),
    fc.nat(),
  )
  .map(([root, reservations, bootCpu]) => {
    const tree = new DeviceTree();
    grow(tree.root, root);
    tree.reservations = reservations;
    tree.bootCpu = bootCpu;
    return tree;
  });

function grow(node: DeviceNode, { properties, children }: Shape): void {
  for (const [key, value] of properties) node.set(key, value);
  for (const [key, child] of children) grow(node.addChild(key), child);
}

describe("any tree", () => {
  it("is the same after writing and reading (Devicetree Specification §5)", () => {
    fc.assert(
      fc.property(trees, fc.nat(512), (tree, padding) => {
        const blob = writeDtb(tree);
        expect(plain(parseDtb(blob))).toEqual(plain(tree));
        expect(plain(parseDtb(writeDtb(tree, { size: blob.length + padding })))).toEqual(plain(tree));
        expect(printDts(tree)).toContain("/dts-v1/;");
      }),
    );
  });

  it("ends in a tree or a coded error when its blob is corrupted or cut", () => {
    fc.assert(
      fc.property(
        trees,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (tree, edits, keep) => {
          const blob = writeDtb(tree);
          for (const [at, byte] of edits) blob[at % blob.length] = byte;
          for (const bytes of [blob, blob.subarray(0, Math.floor(blob.length * keep))]) {
            try {
              expect(parseDtb(bytes).root.name).toBe("");
            } catch (error) {
              expect((error as DeviceTreeError).code, String(error)).toMatch(/^DT_/);
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("never makes sense of random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => parseDtb(bytes)).toThrow(DeviceTreeError);
      }),
      { numRuns: 2000 },
    );
  });
});
