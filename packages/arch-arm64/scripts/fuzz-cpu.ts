/**
 * Compares the interpreter with qemu-aarch64 on new random cases, as long as one likes.
 *
 *   npm run fuzz:cpu -- [seconds] [seed] [name filter]
 *
 * Prints each case that differs with its seed, and ends with status 1 when there was one.
 */
import { DESCRIPTIONS } from "../src/isa/index.ts";
import {
  type Draft,
  describe,
  draftCase,
  draftSequence,
  isAllocated,
  isSequential,
  isTestable,
  randomUnallocated,
} from "../test/vectors/cases.ts";
import { Compare } from "../test/vectors/compare.ts";
import { Prng, Profile } from "../test/vectors/state.ts";
import { hasQemu, QEMU_BASE_CPU } from "./qemu.ts";
import { type Draftable, record } from "./record.ts";

if (!hasQemu()) {
  console.error("fuzz:cpu needs qemu-aarch64 (Debian: qemu-user) and aarch64-linux-gnu-gcc");
  process.exit(2);
}
const seconds = Number(process.argv[2] ?? 60);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const filter = process.argv[4] ?? "";
const candidates = DESCRIPTIONS.filter((d) => isTestable(d) && d.name.includes(filter));
const sequential = candidates.filter(isSequential);
const r = new Prng(seed);
const compare = new Compare();
const end = Date.now() + seconds * 1000;
let cases = 0;
let failures = 0;

/** One batch: mostly single instructions, some sequences, some words that must be UNDEFINED. */
for (let batch = 0; Date.now() < end; batch++) {
  const name = `fuzz ${seed} ${batch}`;
  const draft = (index: number): Draftable => {
    if (sequential.length > 0 && index % 5 === 0)
      return { description: undefined, name, draft: draftSequence(DESCRIPTIONS, sequential, index, r) };
    for (;;) {
      const description = r.pick(candidates);
      const made: Draft = draftCase(DESCRIPTIONS, description, index, r);
      if (isAllocated(description, made.words[0] as number)) return { description, name, draft: made };
    }
  };
  const recorded = record(
    Array.from({ length: 2000 }, (_, index) => draft(index)),
    r,
  );
  if (filter === "") {
    const words = Array.from({ length: 500 }, (_, index) => ({
      index: 3000 + index,
      profile: Profile.INTEGER,
      words: [randomUnallocated(DESCRIPTIONS, r)],
      overrides: [],
    }));
    recorded.push(
      ...record(
        words.map((unallocated) => ({ description: undefined, name, draft: unallocated })),
        r,
        QEMU_BASE_CPU,
      ),
    );
  }
  for (const c of recorded) {
    if (c === undefined) continue;
    cases++;
    const message = compare.run(name, c);
    if (message === undefined) continue;
    failures++;
    console.log(`${describe(DESCRIPTIONS, c.words[0] as number)?.name ?? "unallocated"}: ${message}`);
  }
}
console.log(`seed ${seed}: ${cases} cases, ${failures} differ`);
process.exit(failures === 0 ? 0 : 1);
