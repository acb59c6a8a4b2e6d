import { AbiErrorCode, GunyahError, LinuxErrno, PsciResult, RmError } from "@gunyah-ts/abi";
import { BOOT_IMAGE_ERRORS } from "@gunyah-ts/boot-image";
import { DeviceTreeErrorCode } from "@gunyah-ts/devicetree";
import { FIRMWARE_ERRORS } from "@gunyah-ts/firmware";
import { HYP_ERRORS } from "@gunyah-ts/hyp";
import { KERNEL_ERRORS } from "@gunyah-ts/kernel";
import { LINUX_HOST_ERRORS } from "@gunyah-ts/linux-host";
import { RM_ERRORS } from "@gunyah-ts/rm";
import { VM_MANAGER_ERRORS } from "@gunyah-ts/vm-manager";
import { VMM_ERRORS } from "@gunyah-ts/vmm";
import { CLI_ERRORS } from "../errors.ts";
import { ERRNO_TEXT, GUNYAH_TEXT, PSCI_TEXT, RM_TEXT } from "./texts.ts";

/** What one error of one layer means. */
export interface Explanation {
  readonly layer: string;
  readonly code: string;
  /** Number as the layer returns it, where it has one. */
  readonly value: number | undefined;
  readonly meaning: string;
  /** Usual causes and what to do, where more can be said than the meaning. */
  readonly advice: string | undefined;
}

type Texts = Readonly<Record<string, readonly [meaning: string, advice?: string]>>;

function numbered(layer: string, codes: Readonly<Record<string, number>>, texts: Texts): Explanation[] {
  return Object.entries(codes).map(([code, value]) => {
    const [meaning, advice] = texts[code] ?? ["No more is known than the name."];
    return { layer, code, value, meaning, advice };
  });
}

function sentences(layer: string, table: Readonly<Record<string, string>>): Explanation[] {
  return Object.entries(table).map(([code, meaning]) => ({
    layer,
    code,
    value: undefined,
    meaning,
    advice: undefined,
  }));
}

/** Every error of every layer, outermost layer first. */
export function catalog(): readonly Explanation[] {
  return [
    ...sentences("gunyah command", CLI_ERRORS),
    ...sentences("VMM", VMM_ERRORS),
    ...sentences("kernel file", BOOT_IMAGE_ERRORS),
    ...sentences("firmware", FIRMWARE_ERRORS),
    ...sentences("host kernel", LINUX_HOST_ERRORS),
    ...sentences("host driver", VM_MANAGER_ERRORS),
    ...sentences("Resource Manager (model)", RM_ERRORS),
    ...sentences("hypervisor (model)", HYP_ERRORS),
    ...sentences("kernel", KERNEL_ERRORS),
    ...Object.values(DeviceTreeErrorCode).map((code) => ({
      layer: "device tree",
      code,
      value: undefined,
      meaning: "The blob or tree breaks the Devicetree Specification; the message says where.",
      advice: "Check the blob with `dtc -I dtb -O dts`.",
    })),
    ...Object.values(AbiErrorCode).map((code) => ({
      layer: "wire format",
      code,
      value: undefined,
      meaning: "Bytes of a message or structure are not what its format says.",
      advice: undefined,
    })),
    ...numbered("ioctl (Linux errno)", negated(LinuxErrno), ERRNO_TEXT),
    ...numbered("Resource Manager RPC", RmError, RM_TEXT),
    ...numbered("hypercall", GunyahError, GUNYAH_TEXT),
    ...numbered("PSCI", PsciResult, PSCI_TEXT),
  ];
}

/** Errno values are returned negated. */
function negated(codes: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(codes).map(([code, value]) => [code, -value]));
}

/**
 * Explanations for a name (any case, a part of it is enough when nothing matches whole) or a number (decimal or 0x;
 * an errno is found with and without its sign).
 */
export function explain(query: string): readonly Explanation[] {
  const all = catalog();
  const text = query
    .trim()
    .replace(/^-(?=[A-Za-z])/, "")
    .toUpperCase();
  if (/^-?(0X[0-9A-F]+|\d+)$/.test(text)) {
    const value = text.startsWith("-") ? -Number(text.slice(1)) : Number(text);
    // A register shows -1 as 0xffffffff or 0xffffffffffffffff; the RM's -1 is the former.
    const signed = value === 2 ** 64 ? -1 : value >= 2 ** 31 && value < 2 ** 32 ? value - 2 ** 32 : value;
    const forms = [signed, signed + 2 ** 32];
    return all.filter(
      (entry) =>
        (entry.value !== undefined && forms.includes(entry.value)) ||
        (entry.layer.startsWith("ioctl") && entry.value === -value),
    );
  }
  const exact = all.filter(({ code }) => code === text);
  return exact.length > 0 ? exact : all.filter(({ code }) => code.includes(text));
}
