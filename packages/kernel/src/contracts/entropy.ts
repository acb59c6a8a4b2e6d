import { token } from "../token.ts";

/** The machine's only source of random bytes: seeded, so that a run can be repeated, or the host's. */
export interface Entropy {
  readonly kind: "seeded" | "host";
  fill(bytes: Uint8Array): void;
  /** 64 random bits. */
  next64(): bigint;
}
export const Entropy = token<Entropy>("contract/Entropy");
