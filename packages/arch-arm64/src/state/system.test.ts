import { describe, expect, it } from "vitest";
import { and, I32, i32, load, ModuleBuilder } from "../wasm/index.ts";
import { L } from "./layout.ts";
import { declareSystemImports, defineSystem } from "./system.ts";

describe("the system side's WebAssembly", () => {
  it("validates with any interpreter that fits the seam", () => {
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", { min: 1, max: 1, shared: true });
    const imports = declareSystemImports(module);
    defineSystem(module, imports, {
      packNzcv: module.func("packNzcv", [I32], [I32], (f, s) => f.return(and(load("i32", s, L.NZCV), 0xf000_0000 | 0))),
      unpackNzcv: module.func("unpackNzcv", [I32, I32], [], (f, s, v) => f.store("i32", s, v, L.NZCV)),
      codePage: module.func("codePage", [I32], [I32], (f) => f.return(i32(0))),
      isCode: module.func("isCode", [I32], [I32], (f) => f.return(i32(0))),
      codeStore: module.func("codeStore", [I32, I32], [], () => undefined),
    });
    expect(() => new WebAssembly.Module(module.encode())).not.toThrow();
  });
});
