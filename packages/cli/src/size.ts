import { ModelError } from "@gunyah-ts/kernel";

const UNITS: Readonly<Record<string, number>> = { "": 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** "512M", "1G", "262144K"; a bare number counts MiB, as in QEMU. Bytes. Errors: CLI_USAGE */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?$/i.exec(text.trim());
  const unit = UNITS[(match?.[2] ?? "").toUpperCase()];
  const size = Number(match?.[1]) * (unit ?? Number.NaN);
  if (!Number.isSafeInteger(size) || size <= 0)
    throw new ModelError("CLI_USAGE", `${option} ${text}: give a size like 512M or 1G`);
  return size;
}

/** A non-negative integer, decimal or 0x. Errors: CLI_USAGE */
export function parseInteger(text: string, option: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new ModelError("CLI_USAGE", `${option} ${text}: give a non-negative integer`);
  return value;
}

export function formatBytes(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
