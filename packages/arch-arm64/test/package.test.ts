/** What holds of the package's files rather than of its code. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const files = (directory: string) =>
  readdirSync(join(ROOT, directory), { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((name) => !name.includes(".cache") && statSync(join(ROOT, name)).isFile());
const fixtures = ["test", "bench"].flatMap(files);

describe("binary fixtures", () => {
  const sums = new Map(
    fixtures
      .filter((name) => name.endsWith("SHA256SUMS"))
      .flatMap((list) =>
        readFileSync(join(ROOT, list), "utf8")
          .trim()
          .split("\n")
          .map((line) => [join(dirname(list), line.slice(66)), line.slice(0, 64)] as const),
      ),
  );
  it("are all in a SHA256SUMS beside them", () => {
    const binaries = fixtures.filter((name) => readFileSync(join(ROOT, name)).includes(0));
    expect(binaries.length).toBeGreaterThan(6);
    expect(binaries.filter((name) => !sums.has(name))).toEqual([]);
  });
  it.each([...sums])("%s is what its script recorded", (name, sum) => {
    expect(
      createHash("sha256")
        .update(readFileSync(join(ROOT, name)))
        .digest("hex"),
    ).toBe(sum);
  });
  it("of recorded instructions take less than 5 MiB", () => {
    const bytes = fixtures
      .filter((name) => /vectors.*\.bin$/.test(name))
      .map((name) => statSync(join(ROOT, name)).size);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(5 << 20);
  });
  it("are not published", () => {
    const { files: published } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
    expect(published.filter((name) => !name.startsWith("!"))).toEqual(["dist", "src", "README.md", "CHANGELOG.md"]);
  });
});

describe("src", () => {
  const sources = files("src").filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  const { imports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    imports: { readonly [name: string]: { readonly [condition: string]: { readonly "gunyah-source": string } } };
  };
  /** Files that a browser has another of. */
  const ofNode = Object.values(imports).map((targets) => join(targets["default"]?.["gunyah-source"] as string));
  const everywhere = sources.filter((name) => !ofNode.includes(name));
  it("imports itself and the kernel, and nothing of Node but for what a browser replaces", () => {
    expect(imports["#prebuilt"]?.["browser"]?.["gunyah-source"]).toBe("./src/prebuilt-browser.ts");
    expect(imports["#host"]?.["browser"]?.["gunyah-source"]).toBe("./src/host-browser.ts");
    const allowed = ["@gunyah-ts/kernel", "#prebuilt", "#host"];
    const imported = everywhere.flatMap((name) =>
      [
        ...readFileSync(join(ROOT, name), "utf8").matchAll(
          /^(?:import|export)\b[^;]*?\bfrom "([^"]+)"|\bimport\(\s*"([^"]+)"/gm,
        ),
      ].map(([, a, b]) => [name, a ?? b] as const),
    );
    expect(imported.length).toBeGreaterThan(200);
    expect(imported.filter(([, module]) => !module?.startsWith(".") && !allowed.includes(module ?? ""))).toEqual([]);
  });
  it("uses no global that only Node has", () => {
    const found = everywhere.filter((name) =>
      /\b(process\.\w|Buffer\.|require\(|__dirname|__filename|setImmediate\(|import\.meta\.dirname)/.test(
        readFileSync(join(ROOT, name), "utf8"),
      ),
    );
    expect(found.map((name) => relative("src", name))).toEqual([]);
  });
});
