/**
 * Records the committed vectors: every description, many random words and states, executed by qemu-aarch64.
 *
 *   npx tsx --conditions=gunyah-source scripts/record-vectors.ts [name filter]
 *
 * With a filter it only reports; without, it writes test/vectors/*.bin.
 */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { type Description, staticCombinations } from "../src/isa/description.ts";
import { DESCRIPTIONS, INTEGER_DESCRIPTIONS } from "../src/isa/index.ts";
import { SM3_SM4 } from "../src/isa/sm3-sm4.ts";
import {
  type Draft,
  draftCase,
  draftExclusive,
  draftSequence,
  isAllocated,
  isSequential,
  isTestable,
  randomUnallocated,
} from "../test/vectors/cases.ts";
import { encodeGroups, type VectorCase, type VectorGroup } from "../test/vectors/format.ts";
import { Prng, Profile, seedOf } from "../test/vectors/state.ts";
import { QEMU_BASE_CPU, QEMU_CPU } from "./qemu.ts";
import { record } from "./record.ts";

const filter = process.argv[2];

/** Cases for a description: more where statics multiply, most for floating point. */
function casesFor(d: Description): number {
  const variants = [...staticCombinations(d)].length;
  const floating = d.fp && /^F|CVT/.test(d.name);
  // half precision is single's code with other numbers
  if (/half/.test(d.name)) return 80;
  return Math.min(floating ? 400 : 160, Math.max(floating ? 220 : 80, variants * (floating ? 80 : 8)));
}

function recordGroup(d: Description): VectorGroup {
  const r = new Prng(seedOf(d.name) ^ 0x5eed);
  const wanted = casesFor(d);
  const drafts = [];
  let unallocated = 0;
  for (let index = 0; drafts.length < wanted && index < wanted * 40; index++) {
    const draft = draftCase(DESCRIPTIONS, d, index, r);
    if (!isAllocated(d, draft.words[0] as number)) {
      // what is unallocated here may belong to a feature that QEMU has: not recorded
      unallocated++;
      continue;
    }
    drafts.push({ description: d, name: d.name, draft });
  }
  const cases = record(drafts, r).filter((c): c is VectorCase => c !== undefined);
  const ill = cases.filter((c) => c.undefined).length;
  if (cases.length < 50 || ill > 0)
    console.log(`${d.name}: ${cases.length} cases, ${ill} undefined under QEMU, ${unallocated} words unallocated`);
  return { name: d.name, cases: cases.filter((c) => !c.undefined) };
}

const files: [string, readonly Description[]][] = [
  ["integer", INTEGER_DESCRIPTIONS],
  [
    "simd",
    DESCRIPTIONS.filter((d) => !INTEGER_DESCRIPTIONS.includes(d) && !SM3_SM4.includes(d) && !/^F|CVT/.test(d.name)),
  ],
  ["sm3-sm4", SM3_SM4],
  ["sequences", []],
  ["fp", DESCRIPTIONS.filter((d) => !INTEGER_DESCRIPTIONS.includes(d) && /^F|CVT/.test(d.name))],
];
/** A group whose cases are no encoding's. */
function special(name: string, count: number, cpu: string, draft: (index: number, r: Prng) => Draft): VectorGroup {
  const r = new Prng(seedOf(name));
  const drafts = Array.from({ length: count }, (_, index) => ({
    description: undefined,
    name,
    draft: draft(index, r),
  }));
  const cases = record(drafts, r, cpu).filter((c): c is VectorCase => c !== undefined);
  if (cases.length < count) console.log(`${name}: ${count - cases.length} cases lost`);
  return { name, cases };
}
const integerSequence = INTEGER_DESCRIPTIONS.filter(isSequential);
const anySequence = DESCRIPTIONS.filter(isSequential);
const specials = (): VectorGroup[] => [
  special("sequences of integer instructions", 400, QEMU_CPU, (index, r) =>
    draftSequence(DESCRIPTIONS, integerSequence, index, r),
  ),
  special("sequences of any instructions", 400, QEMU_CPU, (index, r) =>
    draftSequence(DESCRIPTIONS, anySequence, index, r),
  ),
  special("exclusives", 300, QEMU_CPU, (index, r) => draftExclusive(index, r)),
  special("unallocated", 1500, QEMU_BASE_CPU, (index, r) => ({
    index,
    profile: Profile.INTEGER,
    words: [randomUnallocated(DESCRIPTIONS, r)],
    overrides: [],
  })),
];

const directory = join(import.meta.dirname, "../test/vectors");
const sums: string[] = [];
for (const [file, descriptions] of files) {
  const groups =
    file === "sequences"
      ? filter === undefined || filter === "sequences"
        ? specials()
        : []
      : descriptions.filter((d) => isTestable(d) && (filter === undefined || d.name.includes(filter))).map(recordGroup);
  const encoded = encodeGroups(groups);
  const packed = deflateRawSync(encoded, { level: 9 });
  console.log(
    `${file}: ${groups.length} encodings, ${groups.reduce((n, g) => n + g.cases.length, 0)} cases, ${encoded.length} bytes, ${packed.length} deflated`,
  );
  if (filter === undefined) {
    writeFileSync(join(directory, `${file}.bin`), packed);
    sums.push(`${createHash("sha256").update(packed).digest("hex")}  ${file}.bin\n`);
  }
}
if (filter === undefined) writeFileSync(join(directory, "SHA256SUMS"), sums.join(""));
