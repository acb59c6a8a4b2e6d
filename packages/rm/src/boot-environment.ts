import { type BootEnvironment, type Ipa, ModelError, type NativeVcpu } from "@gunyah-ts/kernel";

const CHUNK = 4096;
const LIMIT = 1 << 20;

/**
 * Read what the hypervisor tells the root VM: JSON that ends with a NUL, at X0.
 * Throws ModelError RM_BOOT_ENVIRONMENT.
 */
export function readBootEnvironment(vcpu: NativeVcpu, at: Ipa): BootEnvironment {
  const text = new TextDecoder().decode(readString(vcpu, at));
  let env: unknown;
  try {
    env = JSON.parse(text);
  } catch (cause) {
    throw new ModelError("RM_BOOT_ENVIRONMENT", `The boot environment at IPA 0x${at.toString(16)} is not JSON.`, {
      cause,
    });
  }
  const record = env as Record<string, unknown>;
  for (const key of ["partition", "cspace", "addrspace", "vic", "vcpu", "memextent", "ddrMemextent"])
    if (typeof record[key] !== "string" || !/^\d+$/.test(record[key]))
      throw new ModelError("RM_BOOT_ENVIRONMENT", `The boot environment has no capability "${key}".`, { path: key });
  for (const key of ["gic", "board", "hwirqs"])
    if (typeof record[key] !== "object" || record[key] === null)
      throw new ModelError("RM_BOOT_ENVIRONMENT", `The boot environment has no "${key}".`, { path: key });
  return env as BootEnvironment;
}

/** Bytes up to the NUL. Reads page by page, because the next page may not exist. */
function readString(vcpu: NativeVcpu, at: Ipa): Uint8Array {
  const parts: number[] = [];
  for (let from: number = at; parts.length < LIMIT; ) {
    const size = CHUNK - (from % CHUNK);
    const page = new Uint8Array(size);
    if (!vcpu.read(from, page)) break;
    const end = page.indexOf(0);
    for (const byte of end < 0 ? page : page.subarray(0, end)) parts.push(byte);
    if (end >= 0) return Uint8Array.from(parts);
    from += size;
  }
  throw new ModelError("RM_BOOT_ENVIRONMENT", `No boot environment that ends with a NUL at IPA 0x${at.toString(16)}.`);
}
