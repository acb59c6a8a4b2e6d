/**
 * One WebAssembly module: imports, functions, globals, tables, data, exports.
 *
 * ```ts
 * const module = new ModuleBuilder();
 * module.importMemory("env", "memory", { min: 4096, max: 4096, shared: true });
 * const log = module.importFunction("env", "log", [I32], []);
 * const walk = module.func("walkStage1", [I64, I32], [I32], (f, va, access) => {
 *   const entry = f.local(I64);
 *   f.set(entry, load("i64", toI32(and(va, 0xff8))));
 *   f.if(eqz(and(entry, 1)), () => f.return(0));
 *   f.call(log, [access]);
 *   f.return(toI32(entry));
 * }, { export: true });
 * const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory, log } });
 * ```
 *
 * Bodies run when the module is encoded, so functions may call one another in any order, and functions may be
 * defined while bodies run. Imports must be declared before. `adopt` takes a function that was written elsewhere.
 */
import { ByteBuffer, type F32, type F64, I32, I64, type V128, VALUE_TYPE_NAME, type ValueType } from "./encoding.ts";
import { type Callable, type Expr, emitExpr, f64, GlobalRef, i32, i64, type Local } from "./expr.ts";
import { FunctionBuilder } from "./function.ts";

/** A function of a module: what `call` takes. */
export class FunctionRef implements Callable {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly #index: () => number;
  constructor(name: string, params: readonly ValueType[], results: readonly ValueType[], index: () => number) {
    this.name = name;
    this.params = params;
    this.results = results;
    this.#index = index;
  }
  /** Index in the module. Final only while the module is being encoded, which is when bodies run. */
  get index(): number {
    return this.#index();
  }
}

/** A table of functions. */
export interface TableRef {
  readonly index: number;
}

type Locals<P extends readonly ValueType[]> = { [K in keyof P]: Local<P[K]> };
export type FunctionBody<P extends readonly ValueType[]> = (f: FunctionBuilder, ...params: Locals<P>) => void;
type AnyBody = (f: FunctionBuilder, ...params: Local[]) => void;

interface Definition {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  body: AnyBody | undefined;
  /** Made when the module is encoded, or adopted. */
  builder?: FunctionBuilder;
}

export interface MemoryLimits {
  /** Pages of 64 KiB. */
  readonly min: number;
  readonly max: number;
  readonly shared: boolean;
}

const ExternalKind = { FUNCTION: 0, TABLE: 1, MEMORY: 2, GLOBAL: 3 } as const;

export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeBytes: number[][] = [];
  readonly #imports: ByteBuffer[] = [];
  readonly #functions: Definition[] = [];
  readonly #globals: ByteBuffer[] = [];
  readonly #tables: { min: number; max: number }[] = [];
  readonly #exports: { name: string; kind: number; index: () => number }[] = [];
  readonly #elements: { table: number; offset: number; functions: readonly FunctionRef[] }[] = [];
  readonly #data: { offset: number; bytes: Uint8Array }[] = [];
  #importedFunctions = 0;
  #encoding = false;

  /** Index of a function type, for `callIndirect`. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.map((t) => VALUE_TYPE_NAME[t])}>${results.map((t) => VALUE_TYPE_NAME[t])}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    this.#typeBytes.push([0x60, params.length, ...params, results.length, ...results]);
    return this.#types.push(key) - 1;
  }

  #import(module: string, name: string, kind: number, describe: (out: ByteBuffer) => void): void {
    if (this.#encoding) throw new Error(`wasm import ${module}.${name} declared inside a body`);
    const out = new ByteBuffer(32);
    out.name(module);
    out.name(name);
    out.byte(kind);
    describe(out);
    this.#imports.push(out);
  }

  importMemory(module: string, name: string, limits: MemoryLimits): void {
    this.#import(module, name, ExternalKind.MEMORY, (out) => {
      out.byte(limits.shared ? 3 : 1);
      out.u32(limits.min);
      out.u32(limits.max);
    });
  }

  importFunction(
    module: string,
    name: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
  ): FunctionRef {
    const type = this.type(params, results);
    this.#import(module, name, ExternalKind.FUNCTION, (out) => out.u32(type));
    const index = this.#importedFunctions++;
    return new FunctionRef(name, params, results, () => index);
  }

  /** Define a function. The body gets its parameters as variables; it must `return` where there is a result. */
  func<const P extends readonly ValueType[]>(
    name: string,
    params: P,
    results: readonly ValueType[],
    body: FunctionBody<P>,
    options: { readonly export?: boolean } = {},
  ): FunctionRef {
    const ref = this.declare(name, params, results);
    this.define(ref, body as unknown as AnyBody);
    if (options.export === true) this.export(name, ref);
    return ref;
  }

  /** A function that is never encoded: to find out what code would need before it is generated. */
  scratchFunction(params: readonly ValueType[], results: readonly ValueType[]): FunctionBuilder {
    return new FunctionBuilder("scratch", params, results);
  }

  /** A function whose body comes later with `define`. */
  declare(name: string, params: readonly ValueType[], results: readonly ValueType[]): FunctionRef {
    const slot = this.#functions.push({ name, params, results, body: undefined }) - 1;
    this.type(params, results);
    return new FunctionRef(name, params, results, () => this.#importedFunctions + slot);
  }

  define(ref: FunctionRef, body: AnyBody): void {
    const definition = this.#functions[ref.index - this.#importedFunctions];
    if (definition === undefined || definition.body !== undefined)
      throw new Error(`wasm function ${ref.name} cannot be defined`);
    definition.body = body;
  }

  /** A function whose body exists already. Of the module's functions it may call imported ones only. */
  adopt(builder: FunctionBuilder): FunctionRef {
    const ref = this.declare(builder.name, builder.params, builder.results);
    (this.#functions.at(-1) as Definition).builder = builder;
    return ref;
  }

  global<T extends I32 | I64 | F64>(type: T, initial: number | bigint, mutable = true): GlobalRef<T> {
    const out = new ByteBuffer(16);
    out.byte(type);
    out.byte(mutable ? 1 : 0);
    emitExpr(type === I32 ? i32(initial) : type === I64 ? i64(initial) : f64(Number(initial)), out);
    out.byte(0x0b);
    this.#globals.push(out);
    return new GlobalRef(this.#globals.length - 1, type);
  }

  table(min: number, max = min): TableRef {
    return { index: this.#tables.push({ min, max }) - 1 };
  }

  /** Fill a table from `offset` on. */
  elements(table: TableRef, offset: number, functions: readonly FunctionRef[]): void {
    this.#elements.push({ table: table.index, offset, functions });
  }

  /** Bytes that instantiation writes at `offset` of the memory. */
  data(offset: number, bytes: Uint8Array): void {
    this.#data.push({ offset, bytes });
  }

  export(name: string, what: FunctionRef | GlobalRef): void {
    const kind = what instanceof FunctionRef ? ExternalKind.FUNCTION : ExternalKind.GLOBAL;
    this.#exports.push({ name, kind, index: () => what.index });
  }
  exportTable(name: string, table: TableRef): void {
    this.#exports.push({ name, kind: ExternalKind.TABLE, index: () => table.index });
  }

  /** Run the bodies and write the binary. Once. */
  encode(): Uint8Array<ArrayBuffer> {
    this.#encoding = true;
    // A body may define more functions (shared helpers made on first use), so the length is read each time.
    for (let i = 0; i < this.#functions.length; i++) {
      const definition = this.#functions[i] as Definition;
      if (definition.builder !== undefined) continue;
      if (definition.body === undefined) throw new Error(`wasm function ${definition.name} has no body`);
      const f = new FunctionBuilder(definition.name, definition.params, definition.results);
      definition.body(f, ...definition.params.map((_, p) => f.param(p)));
      // Bodies return explicitly; what follows the last return is dead code that still needs a type.
      if (definition.results.length > 0) f.unreachable();
      definition.builder = f;
    }

    const out = new ByteBuffer(1 << 16);
    out.append([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, count: number, write: (s: ByteBuffer) => void) => {
      if (count === 0) return;
      const body = new ByteBuffer(1 << 10);
      body.u32(count);
      write(body);
      out.byte(id);
      out.u32(body.length);
      out.append(body.bytes);
    };
    section(1, this.#typeBytes.length, (s) => {
      for (const type of this.#typeBytes) s.append(type);
    });
    section(2, this.#imports.length, (s) => {
      for (const item of this.#imports) s.append(item.bytes);
    });
    section(3, this.#functions.length, (s) => {
      for (const d of this.#functions) s.u32(this.type(d.params, d.results));
    });
    section(4, this.#tables.length, (s) => {
      for (const table of this.#tables) {
        s.append([0x70, 1]);
        s.u32(table.min);
        s.u32(table.max);
      }
    });
    section(6, this.#globals.length, (s) => {
      for (const item of this.#globals) s.append(item.bytes);
    });
    section(7, this.#exports.length, (s) => {
      for (const item of this.#exports) {
        s.name(item.name);
        s.byte(item.kind);
        s.u32(item.index());
      }
    });
    section(9, this.#elements.length, (s) => {
      for (const item of this.#elements) {
        // flag 2: explicit table index, kind 0 (function references by index)
        s.u32(item.table === 0 ? 0 : 2);
        if (item.table !== 0) s.u32(item.table);
        s.byte(0x41);
        s.s32(item.offset);
        s.byte(0x0b);
        if (item.table !== 0) s.byte(0);
        s.u32(item.functions.length);
        for (const f of item.functions) s.u32(f.index);
      }
    });
    section(10, this.#functions.length, (s) => {
      for (const d of this.#functions) d.builder?.encode(s);
    });
    section(11, this.#data.length, (s) => {
      for (const item of this.#data) {
        s.append([0, 0x41]);
        s.s32(item.offset);
        s.byte(0x0b);
        s.u32(item.bytes.length);
        s.append(item.bytes);
      }
    });
    return out.bytes.slice();
  }
}

export type { Expr, F32, V128 };
