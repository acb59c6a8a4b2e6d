import { RmError } from "@gunyah-ts/abi";
import type { DeviceNode } from "@gunyah-ts/devicetree";
import { check } from "../errors.ts";
import { cellCounts, numberOf } from "./property.ts";

/** Where a guest's memory goes when its tree does not say. Source: gunyah-resource-manager platform/qemu */
const DEFAULT_BASE = 0x2880_0000;
const DEFAULT_SIZE_MAX = 0x07ff_ffff;
const ADDRESS_SPACE = 2 ** 36;
const ALIGNMENT = 0x20_0000;

export interface MemoryConfig {
  /** First IPA of the guest's RAM. */
  readonly base: number;
  readonly sizeMin: number;
  readonly sizeMax: number;
  readonly firmwareBase: number | undefined;
  readonly firmwareSizeMax: number;
}

/** The `memory` node of the VM configuration. Errors: ARGUMENT_INVALID, DENIED (is-direct of an untrusted VM) */
export function parseMemory(node: DeviceNode | undefined): MemoryConfig {
  const cells = node === undefined ? { address: 2, size: 1 } : cellCounts(node);
  const address = (name: string) => (node === undefined ? undefined : numberOf(node, name, cells.address));
  const size = (name: string) => (node === undefined ? undefined : numberOf(node, name, cells.size));
  check(node?.has("is-direct") !== true, RmError.DENIED, "is-direct needs a trusted configuration");
  const given = address("base-address");
  check(given === undefined || given % 0x1000 === 0, RmError.ARGUMENT_INVALID, "base-address is not page aligned");
  const base = given === undefined ? DEFAULT_BASE : Math.ceil(given / ALIGNMENT) * ALIGNMENT;
  const sizeMax = size("size-max") ?? (given === undefined ? DEFAULT_SIZE_MAX : ADDRESS_SPACE - base);
  check(base + sizeMax <= 2 ** 52, RmError.ARGUMENT_INVALID, "size-max overflows");
  return {
    base,
    sizeMin: size("size-min") ?? 0,
    sizeMax,
    firmwareBase: address("firmware-address"),
    firmwareSizeMax: size("firmware-size-max") ?? 0x40_0000,
  };
}
