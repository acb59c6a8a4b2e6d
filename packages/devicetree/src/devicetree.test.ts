import { describe, expect, it } from "vitest";
import { applyOverlay, cells, cells64, DeviceTree, dtbSize, parseDtb, printDts, strings, writeDtb } from "./index.ts";

const code = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "no error";
};

describe("DeviceNode", () => {
  it("encodes values as the specification says", () => {
    const { root } = new DeviceTree();
    root
      .set("one", 1)
      .set("text", "a")
      .set("list", ["a", "b"])
      .set("flag", true)
      .set("wide", cells64(2n ** 40n));
    expect(root.get("one")).toEqual(new Uint8Array([0, 0, 0, 1]));
    expect(root.get("list")).toEqual(new Uint8Array([0x61, 0, 0x62, 0]));
    expect(root.get("flag")).toHaveLength(0);
    expect(root.u64("wide")).toBe(2n ** 40n);
    expect(root.strings("list")).toEqual(["a", "b"]);
    expect(root.cells("absent")).toBeUndefined();
  });

  it("refuses a value of the wrong form", () => {
    const { root } = new DeviceTree();
    root.set("three", new Uint8Array(3)).set("open", new Uint8Array([0x61]));
    expect(code(() => root.u32("three"))).toBe("DT_BAD_VALUE");
    expect(code(() => root.cells("three"))).toBe("DT_BAD_VALUE");
    expect(code(() => root.string("open"))).toBe("DT_BAD_VALUE");
    expect(code(() => cells(2 ** 32))).toBe("DT_BAD_VALUE");
    expect(code(() => strings("a\0b"))).toBe("DT_BAD_VALUE");
  });

  it("refuses bad and doubled names", () => {
    const { root } = new DeviceTree();
    root.addChild("a");
    expect(code(() => root.addChild("a"))).toBe("DT_DUPLICATE");
    expect(code(() => root.addChild("a/b"))).toBe("DT_BAD_NAME");
    expect(code(() => root.set("a b", 1))).toBe("DT_BAD_NAME");
  });

  it("reads reg with the cells of its parent, 2 and 1 when absent", () => {
    const tree = new DeviceTree();
    tree.ensure("/a@1").set("reg", [0, 1, 2]);
    expect(tree.node("/a@1").reg).toEqual([{ address: 1n, size: 2n }]);
    tree.root.set("#address-cells", 1);
    expect(code(() => tree.node("/a@1").reg)).toBe("DT_BAD_VALUE");
  });
});

describe("DeviceTree", () => {
  it("finds nodes by path, alias, name without unit address, phandle and compatible", () => {
    const tree = new DeviceTree();
    const uart = tree.ensure("/soc/uart@9000").set("compatible", ["vendor,a", "arm,pl011"]);
    tree.ensure("/aliases").set("serial0", "/soc/uart@9000");
    expect(tree.find("/soc/uart")).toBe(uart);
    expect(tree.find("serial0")).toBe(uart);
    expect(tree.byPhandle(tree.phandleOf(uart))).toBe(uart);
    expect(tree.compatible("arm,pl011")).toEqual([uart]);
    expect(tree.find("/soc/nothing")).toBeUndefined();
    expect(code(() => tree.node("/soc/nothing"))).toBe("DT_NOT_FOUND");
    tree.ensure("/soc").addChild("uart@a000");
    expect(tree.find("/soc/uart")).toBeUndefined();
  });
});

describe("parseDtb", () => {
  const tree = new DeviceTree();
  tree.ensure("/a/b").set("x", 1);
  const blob = writeDtb(tree);
  const patched = (offset: number, word: number): Uint8Array => {
    const copy = blob.slice();
    new DataView(copy.buffer).setUint32(offset, word);
    return copy;
  };

  it("reports the size that a header announces", () => {
    expect(dtbSize(blob)).toBe(blob.length);
    expect(dtbSize(patched(0, 0))).toBeUndefined();
    expect(dtbSize(blob.subarray(0, 8))).toBeUndefined();
  });

  it.each([
    ["a short header", blob.subarray(0, 39), "DT_TRUNCATED"],
    ["a blob shorter than its total size", blob.subarray(0, blob.length - 1), "DT_TRUNCATED"],
    ["another magic number", patched(0, 0xedfe0dd0), "DT_BAD_MAGIC"],
    ["a version from the future", patched(24, 18), "DT_BAD_VERSION"],
    ["an ancient version", patched(20, 3), "DT_BAD_VERSION"],
    ["a total size beyond 16 MiB", patched(4, 0x1000001), "DT_LIMIT"],
    ["a structure block outside the blob", patched(8, 0xfffffff0), "DT_BAD_LAYOUT"],
    ["a structure block that is not aligned", patched(8, 0x3a), "DT_BAD_LAYOUT"],
    ["a strings block outside the blob", patched(32, 0x10000), "DT_BAD_LAYOUT"],
    ["a structure that does not begin with a node", patched(0x38, 3), "DT_BAD_STRUCTURE"],
    ["a property name outside the strings block", patched(0x38 + 8 + 8 + 8 + 8, 0xffff), "DT_BAD_NAME"],
  ])("refuses %s", (_, bytes, expected) => {
    expect(code(() => parseDtb(bytes))).toBe(expected);
  });

  it("stops at 64 levels", () => {
    const deep = new DeviceTree();
    deep.ensure("/n".repeat(64));
    expect(code(() => parseDtb(writeDtb(deep)))).toBe("DT_LIMIT");
  });
});

describe("writeDtb", () => {
  it("pads to the size asked for and refuses one too small", () => {
    const tree = new DeviceTree();
    expect(writeDtb(tree, { size: 4096 })).toHaveLength(4096);
    expect(code(() => writeDtb(tree, { size: 50 }))).toBe("DT_NO_SPACE");
  });
});

describe("applyOverlay", () => {
  const overlayOn = (targetPath: string) => {
    const overlay = new DeviceTree();
    overlay.ensure("/fragment@0").set("target-path", targetPath);
    overlay.ensure("/fragment@0/__overlay__/hypervisor").set("compatible", "gunyah-hypervisor");
    return overlay;
  };

  it("merges a fragment by path", () => {
    const base = new DeviceTree();
    applyOverlay(base, overlayOn("/"));
    expect(base.node("/hypervisor").string("compatible")).toBe("gunyah-hypervisor");
  });

  it("refuses what it cannot place", () => {
    expect(code(() => applyOverlay(new DeviceTree(), new DeviceTree()))).toBe("DT_BAD_OVERLAY");
    expect(code(() => applyOverlay(new DeviceTree(), overlayOn("/none")))).toBe("DT_NOT_FOUND");
    const unlabelled = overlayOn("/");
    unlabelled.ensure("/__fixups__").set("uart", "/fragment@0:target:0");
    expect(code(() => applyOverlay(new DeviceTree(), unlabelled))).toBe("DT_NOT_FOUND");
  });
});

describe("fix-ups of an overlay", () => {
  /** A base with the label `uart`, and an overlay whose 8-byte property `clocks` a fix-up wants to change. */
  const apply = (place: string) => {
    const base = new DeviceTree();
    base.ensure("/serial");
    base.ensure("/__symbols__").set("uart", "/serial");
    const overlay = new DeviceTree();
    overlay.ensure("/fragment@0").set("target-path", "/");
    overlay.ensure("/fragment@0/__overlay__/user").set("clocks", [0xffff_ffff, 7]);
    overlay.ensure("/__fixups__").set("uart", place);
    applyOverlay(base, overlay);
    return { cells: base.node("/user").cells("clocks"), phandle: base.phandleOf(base.node("/serial")) };
  };

  it.each([0, 4])("puts the label's phandle at byte %i, and nowhere else", (offset) => {
    const { cells, phandle } = apply(`/fragment@0/__overlay__/user:clocks:${offset}`);
    expect(cells).toEqual(offset === 0 ? [phandle, 7] : [0xffff_ffff, phandle]);
  });

  it.each([5, 6, 7, 8, 9, 4096, 4294967292, 4294967296])("refuses byte %i of 8", (offset) => {
    expect(code(() => apply(`/fragment@0/__overlay__/user:clocks:${offset}`))).toBe("DT_BAD_OVERLAY");
  });

  it.each([
    "/fragment@0/__overlay__/user:clocks",
    "/fragment@0/__overlay__/user:clocks:",
    "/fragment@0/__overlay__/user:clocks:-4",
    "/fragment@0/__overlay__/user:clocks:0x4",
    "/fragment@0/__overlay__/user:clocks:4:0",
    "/fragment@0/__overlay__/none:clocks:0",
    "/fragment@0/__overlay__/user:none:0",
    "",
  ])("refuses the place %j", (place) => {
    expect(code(() => apply(place))).toBe("DT_BAD_OVERLAY");
  });

  it.each([5, 8, 4096])("refuses a local one at byte %i of 8", (offset) => {
    const overlay = new DeviceTree();
    overlay.ensure("/fragment@0").set("target-path", "/");
    overlay.ensure("/fragment@0/__overlay__/user").set("clocks", [1, 7]);
    overlay.ensure("/__local_fixups__/fragment@0/__overlay__/user").set("clocks", [offset]);
    expect(code(() => applyOverlay(new DeviceTree(), overlay))).toBe("DT_BAD_OVERLAY");
  });
});

describe("printDts", () => {
  it("guesses strings, cells and bytes", () => {
    const tree = new DeviceTree();
    tree.reservations = [{ address: 0x1000n, size: 0x10n }];
    tree
      .ensure("/a")
      .set("s", ["x", 'q"'])
      .set("c", [1, 0xff])
      .set("b", new Uint8Array([1]))
      .set("e", true);
    expect(printDts(tree)).toBe(
      [
        "/dts-v1/;",
        "",
        "/memreserve/ 0x1000 0x10;",
        "/ {",
        "",
        "\ta {",
        '\t\ts = "x", "q\\"";',
        "\t\tc = <0x01 0xff>;",
        "\t\tb = [01];",
        "\t\te;",
        "\t};",
        "};",
        "",
      ].join("\n"),
    );
  });
});
