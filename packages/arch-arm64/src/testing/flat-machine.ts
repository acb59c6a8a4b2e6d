/**
 * The interpreter over a system side that does nothing: EL1, MMU off, every exception stops. For tests of
 * instructions and for benchmarks of the interpreter alone.
 */
import { initCodeCache } from "../interp/code-cache.ts";
import type { SystemFunctions } from "../interp/context.ts";
import { defineInterpreter, defineInterpreterServices } from "../interp/interpreter.ts";
import { DESCRIPTIONS } from "../isa/index.ts";
import { L, STATE_BYTES, TLB } from "../state/layout.ts";
import { REGION, stateBase } from "../state/region.ts";
import { SYSTEM_FUNCTIONS } from "../state/seam.ts";
import {
  add,
  and,
  call,
  eqz,
  type FunctionRef,
  I32,
  I64,
  i32,
  i64,
  load,
  ModuleBuilder,
  ne,
  shrU,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";

/** Physical (and virtual) address of DRAM. */
export const DRAM_BASE = 0x4000_0000;
const RESERVED_BYTES = 32 << 20;

/** Position of a seam function in its table: how a stop is named in the LEAVE word. */
const numberOf = (name: keyof typeof SYSTEM_FUNCTIONS) => Object.keys(SYSTEM_FUNCTIONS).indexOf(name);

/** What stopped a run: the seam function that took it, by name. */
export interface Stop {
  readonly what: keyof typeof SYSTEM_FUNCTIONS | "";
  readonly pc: bigint;
}

function defineFlatSystem(
  module: ModuleBuilder,
  stop: FunctionRef,
  services: { codePage: FunctionRef; isCode: FunctionRef; codeStore: FunctionRef },
): SystemFunctions {
  const names = Object.keys(SYSTEM_FUNCTIONS) as (keyof typeof SYSTEM_FUNCTIONS)[];
  const functions: Partial<Record<keyof typeof SYSTEM_FUNCTIONS, FunctionRef>> = {};
  /** linear-memory offset of va, 0 outside DRAM */
  const hostOf = module.func("hostOf", [I64], [I32], (f, va) => {
    const offset = f.temp(sub(va, DRAM_BASE));
    f.if(ne(shrU(offset, 26), 0), () => f.return(0));
    f.return(add(toI32(offset), RESERVED_BYTES));
  });
  functions.memSlow = module.func(
    "memSlow",
    [I32, I64, I32],
    [I32],
    (f, s, va, accdesc) => {
      const host = f.local(I32);
      const page = f.temp(and(va, i64(-4096)));
      f.set(host, call<I32>(hostOf, va));
      f.if(eqz(host), () => {
        f.call(stop, [s, i32(numberOf("memSlow"))]);
        f.return(0);
      });
      const entry = f.temp(add(load("i32", s, L.TLB_SET), and(toI32(shrU(va, 8)), 0x3ff0)));
      f.if(
        and(accdesc, 0x100),
        () =>
          f.if(
            call<I32>(services.isCode, and(host, -4096)),
            () => f.call(services.codeStore, [host, and(accdesc, 0xff)]),
            () => {
              f.store("i64", entry, page, TLB.WRITE);
              f.store("i32", entry, sub(host, toI32(va)), TLB.WRITE + 8);
            },
          ),
        () => {
          f.store("i64", entry, page, TLB.READ);
          f.store("i32", entry, sub(host, toI32(va)), TLB.READ + 8);
        },
      );
      f.return(host);
    },
    { export: true },
  );
  functions.fetchSlow = module.func("fetchSlow", [I32, I64], [I32], (f, s, va) => {
    const host = f.local(I32);
    f.set(host, call<I32>(hostOf, va));
    f.if(eqz(host), () => {
      f.call(stop, [s, i32(numberOf("fetchSlow"))]);
      f.return(0);
    });
    const entry = f.temp(add(load("i32", s, L.TLB_SET), and(toI32(shrU(va, 8)), 0x3ff0)));
    const aux = f.temp(call<I32>(services.codePage, and(host, -4096)));
    f.store("i64", entry, and(va, i64(-4096)), TLB.FETCH);
    f.store("i32", entry, aux, TLB.FETCH + 12);
    // no write entry may stay
    f.store("i64", entry, i64(-1), TLB.WRITE);
    f.return(host);
  });
  functions.sysRead = module.func("sysRead", [I32, I32], [I32], (f, s, word) => {
    f.store("i64", s, toI64U(word), L.SYS_VALUE);
    f.return(1);
  });
  functions.waitHint = module.func("waitHint", [I32, I32], [I32], (f) => f.return(1));
  functions.bounceCommit = module.func("bounceCommit", [I32], [], () => {});
  for (const name of names) {
    if (functions[name] !== undefined) continue;
    const [params, result] = SYSTEM_FUNCTIONS[name].split(":") as [string, string];
    const types = [...params].map((c) => (c === "i" ? I32 : I64));
    functions[name] = module.func(name, types, result === "i" ? [I32] : [], (f, s) => {
      f.call(stop, [s as never, i32(numberOf(name))]);
      if (result === "i") f.return(0);
    });
  }
  return functions as SystemFunctions;
}

let compiled: WebAssembly.Module | undefined;

/** Generated once a process. */
function compile(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { min: 1, max: 65536, shared: true });
  const services = defineInterpreterServices(module);
  const stop = module.func("stop", [I32, I32], [], (f, s, what) => f.store("i32", s, add(what, 16), L.LEAVE));
  defineInterpreter(module, services, defineFlatSystem(module, stop, services), DESCRIPTIONS);
  compiled = new WebAssembly.Module(module.encode());
  return compiled;
}

export class FlatMachine {
  readonly memory: WebAssembly.Memory;
  readonly data: DataView;
  readonly s = stateBase(0);
  readonly x: BigUint64Array;
  readonly execute: (s: number) => void;
  readonly exports: Record<string, (...args: never[]) => number>;
  #retired = 0;

  constructor(dramBytes = 64 << 20) {
    const pages = (RESERVED_BYTES + dramBytes) >> 16;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.data = new DataView(this.memory.buffer);
    const instance = new WebAssembly.Instance(compile(), { env: { memory: this.memory } });
    this.exports = instance.exports as Record<string, (...args: never[]) => number>;
    this.execute = this.exports["execute"] as unknown as (s: number) => void;
    this.data.setUint32(REGION.DRAM_OFFSET, RESERVED_BYTES, true);
    this.data.setUint32(REGION.PE_COUNT, 1, true);
    initCodeCache(this.data, this.s + STATE_BYTES, RESERVED_BYTES, dramBytes);
    this.x = new BigUint64Array(this.memory.buffer, this.s, 34);
    this.data.setUint32(this.s + L.TLB_SET, this.s + L.TLB_EL1, true);
    this.data.setUint32(this.s + L.TLB_SET_EL0, this.s + L.TLB_EL0, true);
    this.data.setUint32(this.s + L.FP_ENABLED, 1, true);
    this.data.setUint32(this.s + L.EL, 1, true);
    new Uint8Array(this.memory.buffer, this.s + L.TLB_EL0, 2 * TLB.SET_BYTES).fill(0xff);
  }

  get pc(): bigint {
    return this.data.getBigUint64(this.s + L.PC, true);
  }
  set pc(value: bigint) {
    this.data.setBigUint64(this.s + L.PC, value, true);
  }
  get nzcv(): number {
    return (this.exports["packNzcv"] as unknown as (s: number) => number)(this.s) >>> 28;
  }
  set nzcv(value: number) {
    (this.exports["unpackNzcv"] as unknown as (s: number, v: number) => void)(this.s, value << 28);
  }
  get retired(): number {
    return this.#retired;
  }
  /** Put bytes into DRAM. */
  write(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.memory.buffer).set(bytes, RESERVED_BYTES + address - DRAM_BASE);
    this.dropCode(address, bytes.length);
  }
  /** Put instructions into DRAM. */
  writeWords(address: number, words: readonly number[]): void {
    this.write(address, new Uint8Array(Uint32Array.from(words).buffer));
  }
  read(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, RESERVED_BYTES + address - DRAM_BASE, length).slice();
  }
  /** Have the TLB translate reads and writes of the page that holds `address`. */
  touch(address: number): void {
    const memSlow = this.exports["memSlow"] as unknown as (s: number, va: bigint, access: number) => number;
    memSlow(this.s, BigInt(address), 1);
    memSlow(this.s, BigInt(address), 0x101);
  }
  dropCode(address: number, length: number): void {
    const drop = this.exports["dropCode"] as unknown as (page: number) => void;
    for (let page = address & -4096; page < address + length; page += 4096) drop(RESERVED_BYTES + page - DRAM_BASE);
  }
  /** Execute at most `budget` instructions. */
  run(budget: number): Stop {
    this.data.setInt32(this.s + L.BUDGET, budget, true);
    this.execute(this.s);
    this.#retired += budget - this.data.getInt32(this.s + L.BUDGET, true);
    const leave = this.data.getUint32(this.s + L.LEAVE, true);
    return { what: leave < 16 ? "" : ((Object.keys(SYSTEM_FUNCTIONS)[leave - 16] ?? "") as Stop["what"]), pc: this.pc };
  }
}
