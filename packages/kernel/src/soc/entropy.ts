/**
 * Random bytes: xoshiro256** from a seed, or the host's generator.
 * Source: Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators" (2021), §4.4; SplitMix64 for seeding.
 */
import type { Entropy } from "../contracts/entropy.ts";
import { ModelError } from "../errors.ts";

const MASK64 = 0xffff_ffff_ffff_ffffn;

/**
 * The same seed gives the same bytes on every platform. Not for secrets.
 *
 * @param seed integer or text
 * Errors: KERNEL_ENTROPY_INVALID
 */
export function createSeededEntropy(seed: bigint | number | string): Entropy {
  return new Xoshiro256(seed);
}

/** The host's cryptographic generator. A run with it cannot be repeated. */
export function createHostEntropy(): Entropy {
  return {
    kind: "host",
    fill(bytes) {
      // getRandomValues takes at most 65536 bytes and no shared memory.
      const chunk = new Uint8Array(Math.min(bytes.length, 65536));
      for (let at = 0; at < bytes.length; at += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, bytes.length - at));
        globalThis.crypto.getRandomValues(part);
        bytes.set(part, at);
      }
    },
    next64() {
      return globalThis.crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
    },
  };
}

class Xoshiro256 implements Entropy {
  readonly kind = "seeded";
  #s0: bigint;
  #s1: bigint;
  #s2: bigint;
  #s3: bigint;

  constructor(seed: bigint | number | string) {
    const next = splitMix64(seedNumber(seed));
    this.#s0 = next();
    this.#s1 = next();
    this.#s2 = next();
    this.#s3 = next();
  }

  next64(): bigint {
    const result = (rotl((this.#s1 * 5n) & MASK64, 7n) * 9n) & MASK64;
    const t = (this.#s1 << 17n) & MASK64;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= t;
    this.#s3 = rotl(this.#s3, 45n);
    return result;
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 8) {
      let word = this.next64();
      const end = Math.min(at + 8, bytes.length);
      for (let i = at; i < end; i++) {
        bytes[i] = Number(word & 0xffn);
        word >>= 8n;
      }
    }
  }
}

function rotl(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK64;
}

function splitMix64(seed: bigint): () => bigint {
  let state = seed & MASK64;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK64;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
    return z ^ (z >> 31n);
  };
}

/** Text by FNV-1a, 64 bits. */
function seedNumber(seed: bigint | number | string): bigint {
  if (typeof seed === "bigint") return seed;
  if (typeof seed === "number" && Number.isSafeInteger(seed)) return BigInt(seed);
  if (typeof seed !== "string") {
    throw new ModelError("KERNEL_ENTROPY_INVALID", `seed is ${String(seed)}; give an integer or a text`);
  }
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(seed)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & MASK64;
  return hash;
}
