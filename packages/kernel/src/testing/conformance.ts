/** Suites that a plugin's author runs; the test runner is passed in, so any runner with describe and it will do. */
import type { DemandFolio, Errno, MemParcel, VmFunction, VmFunctionInstance } from "../contracts/host.ts";
import type { FakeHostKernel, FakeHostVm, FakeHypercalls } from "./fake-host.ts";
import { fakeHostKernel, fakeHostVm, fakeHypercalls } from "./fake-host.ts";

export interface Runner {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (name: string, body: () => void | Promise<void>) => void;
}

export interface VmFunctionWorld {
  readonly vm: FakeHostVm;
  readonly kernel: FakeHostKernel;
  readonly hypercalls: FakeHypercalls;
}

export interface VmFunctionConformance extends Runner {
  readonly name: string;
  /** GUNYAH_FN_* */
  readonly type: number;
  /** A new driver in this world. */
  readonly create: (world: VmFunctionWorld) => VmFunction;
  /** Bytes of a correct argument; called again it gives an argument of another instance. Open what it names in the world. */
  readonly arg: (world: VmFunctionWorld, instance: number) => Uint8Array;
  /** Arguments that must be refused, with the errno (negative). */
  readonly refused?: readonly {
    readonly why: string;
    readonly arg: (world: VmFunctionWorld) => Uint8Array;
    readonly errno: Errno;
  }[];
  /** What this function has or does. A skip is visible here and has its reason in the README. */
  readonly supports?: {
    /** Instances with different arguments can be bound together. Default true. */ readonly several?: boolean;
  };
}

/** What a bound function may leave in the VM and the kernel: nothing, once it is unbound. */
function footprint({ vm, kernel }: VmFunctionWorld) {
  const { irqs, livePages } = kernel;
  return {
    tickets: vm.tickets.length,
    ioHandlers: vm.ioHandlers.length,
    references: vm.references,
    irqs: irqs.size,
    livePages,
  };
}

function world(): VmFunctionWorld {
  return { vm: fakeHostVm(), kernel: fakeHostKernel(), hypercalls: fakeHypercalls() };
}

function bindOk(driver: VmFunction, instance: VmFunctionInstance): void {
  const result = driver.bind(instance);
  check(result >= 0, `bind of a correct argument answered ${result}`);
}

/** Close what was opened. */
function close(w: VmFunctionWorld): void {
  for (const fd of [...w.kernel.files.keys()]) w.kernel.close(fd);
}

/**
 * The rules of struct gunyah_vm_function: bind leaves nothing behind when it fails, unbind takes everything back,
 * compare knows its own instance.
 */
export function vmFunctionConformance(suite: VmFunctionConformance): void {
  const { describe, it, type, supports = {} } = suite;
  const instanceOf = ({ vm }: VmFunctionWorld, arg: Uint8Array) => ({ type, vm, arg });

  describe(`VM function conformance: ${suite.name}`, () => {
    it("binds a correct argument and leaves nothing after unbind", () => {
      const w = world();
      const driver = suite.create(w);
      const instance = instanceOf(w, suite.arg(w, 0));
      const before = footprint(w);
      bindOk(driver, instance);
      close(w);
      driver.unbind(instance);
      same(footprint(w), before, "left after unbind");
    });

    it("can be bound again after unbind", () => {
      const w = world();
      const driver = suite.create(w);
      for (let round = 0; round < 3; round++) {
        const instance = instanceOf(w, suite.arg(w, 0));
        bindOk(driver, instance);
        close(w);
        driver.unbind(instance);
      }
      same(footprint(w), footprint(world()), "left after three rounds");
    });

    it("compares equal to its own argument, and to a copy of it", () => {
      const w = world();
      const driver = suite.create(w);
      const arg = suite.arg(w, 0);
      const instance = instanceOf(w, arg);
      bindOk(driver, instance);
      check(driver.compare(instance, arg.slice()), "compare does not know a copy of its own argument");
    });

    if (supports.several !== false) {
      it("keeps two instances apart", () => {
        const w = world();
        const driver = suite.create(w);
        const [first, second] = [0, 1].map((n) => instanceOf(w, suite.arg(w, n)));
        if (first === undefined || second === undefined) return;
        const before = footprint(w);
        bindOk(driver, first);
        const alone = footprint(w);
        bindOk(driver, second);
        check(!driver.compare(first, second.arg), "compare takes another instance's argument for its own");
        check(driver.compare(second, second.arg), "compare does not know the second instance");
        driver.unbind(second);
        // Its descriptor is still open, and holds what a file may hold: the VM and its mapped pages.
        const { references: _, livePages: _pages, ...resources } = footprint(w);
        const { references: __, livePages: __pages, ...expected } = alone;
        same(resources, expected, "unbind of the second took more or less than its own");
        close(w);
        driver.unbind(first);
        same(footprint(w), before, "left after both were unbound");
      });
    }

    argumentRules(suite);

    it("gives tickets' resources back when the VM is reset before unbind", () => {
      const w = world();
      const driver = suite.create(w);
      const instance = instanceOf(w, suite.arg(w, 0));
      const before = footprint(w);
      bindOk(driver, instance);
      for (const { type: resourceType, label } of [...w.vm.tickets]) {
        w.hypercalls.bells.set(7n, { flags: 0n, enableMask: 0n, ackMask: 0n });
        w.vm.populate({ type: resourceType, label, capId: 7n, intid: 300 });
      }
      w.vm.unpopulate();
      close(w);
      driver.unbind(instance);
      same(footprint(w), before, "left after reset and unbind");
    });
  });
}

/** What is wrong with an argument is refused, and leaves nothing behind. */
function argumentRules(suite: VmFunctionConformance): void {
  const { it, type } = suite;
  const instanceOf = ({ vm }: VmFunctionWorld, arg: Uint8Array) => ({ type, vm, arg });

  it("refuses every truncated or empty argument, or does not need those bytes", () => {
    const full = suite.arg(world(), 0).length;
    for (let length = 0; length < full; length++) {
      const w = world();
      const driver = suite.create(w);
      const instance = instanceOf(w, suite.arg(w, 0).subarray(0, length));
      const before = footprint(w);
      const result = driver.bind(instance);
      if (result >= 0) {
        close(w);
        driver.unbind(instance);
      }
      same(footprint(w), before, `left by an argument of ${length} bytes`);
      check(length > 0 || result < 0, "bind accepts an empty argument");
    }
  });

  for (const { why, arg, errno } of suite.refused ?? []) {
    it(`refuses ${why} and leaves nothing`, () => {
      const w = world();
      const driver = suite.create(w);
      const instance = instanceOf(w, arg(w));
      const before = footprint(w);
      const result = driver.bind(instance);
      check(result === errno, `bind answered ${result} and not ${errno}`);
      same(footprint(w), before, "left after the refusal");
    });
  }
}

/** The handlers of a platform plugin on `hostHooks`, as a composed machine calls them. */
export interface PlatformOps {
  readonly preMemShare: SetupCall<MemParcel>;
  readonly postMemReclaim: SetupCall<MemParcel>;
  readonly preDemandPage: SetupCall<DemandFolio>;
  readonly releaseDemandPage: SetupCall<DemandFolio>;
}
export interface SetupCall<Subject> {
  readonly call: (subject: Subject) => Errno;
  readonly unwind: (subject: Subject) => void;
}

export interface PlatformConformance extends Runner {
  readonly name: string;
  /** A new machine's hooks: `machine.hooks(hostHooks)`; `state` is everything that the platform keeps, comparable as JSON. */
  readonly create: () => Promise<{ readonly hooks: PlatformOps; readonly state: () => unknown }>;
  /** Make the platform refuse from its `n`-th operation on (1 is the next), when it can be made to. */
  readonly failFrom?: (world: { readonly hooks: PlatformOps }, n: number) => void;
  /** A parcel and a folio that this platform accepts. */
  readonly parcel: MemParcel;
  readonly folio: DemandFolio;
}

/** The rules of struct gunyah_rm_platform_ops: sharing and reclaiming are inverse, a refusal changes nothing. */
export function platformConformance(suite: PlatformConformance): void {
  const { describe, it, parcel, folio } = suite;
  const sharing = (hooks: PlatformOps) => [
    { name: "a parcel", give: () => hooks.preMemShare, take: () => hooks.postMemReclaim, subject: parcel },
    { name: "a folio", give: () => hooks.preDemandPage, take: () => hooks.releaseDemandPage, subject: folio },
  ];

  describe(`platform conformance: ${suite.name}`, () => {
    it("returns to where it was when what was given is taken back", async () => {
      const { hooks, state } = await suite.create();
      const before = state();
      for (const { name, give, take, subject } of sharing(hooks)) {
        check((give().call as (s: unknown) => Errno)(subject) === 0, `${name} was refused`);
        check((take().call as (s: unknown) => Errno)(subject) === 0, `${name} was not taken back`);
        same(state(), before, `changed by giving and taking ${name}`);
      }
    });

    it("returns to where it was when a later step fails and the hook is unwound", async () => {
      const { hooks, state } = await suite.create();
      const before = state();
      for (const { name, give, subject } of sharing(hooks)) {
        (give().call as (s: unknown) => Errno)(subject);
        (give().unwind as (s: unknown) => void)(subject);
        same(state(), before, `changed by giving and unwinding ${name}`);
      }
    });

    it("can give the same memory again and again", async () => {
      const { hooks, state } = await suite.create();
      const before = state();
      for (let round = 0; round < 3; round++) {
        check(hooks.preMemShare.call(parcel) === 0, "a later round was refused");
        check(hooks.postMemReclaim.call(parcel) === 0, "a later round was not taken back");
      }
      same(state(), before, "changed by three rounds");
    });

    const { failFrom } = suite;
    if (failFrom !== undefined) {
      it("changes nothing when it refuses, wherever it fails", async () => {
        for (let n = 1; n <= parcel.entries.length; n++) {
          const world = await suite.create();
          const before = world.state();
          failFrom(world, n);
          const result = world.hooks.preMemShare.call(parcel);
          check(result < 0, `operation ${n} failed but preMemShare answered ${result}`);
          same(world.state(), before, `left by a failure of operation ${n}`);
        }
      });
    }
  });
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

function same(actual: unknown, expected: unknown, what: string): void {
  const text = (value: unknown) =>
    JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? `${item}n` : item));
  if (text(actual) !== text(expected)) throw new Error(`${what}: ${text(actual)}, before it was ${text(expected)}`);
}
