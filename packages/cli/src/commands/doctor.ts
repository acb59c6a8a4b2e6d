import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync } from "node:fs";
import { cpus, freemem, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { ModelError } from "@gunyah-ts/kernel";
import { ExitCode } from "../exit-code.ts";
import { Apt } from "../image/apt.ts";
import { ImageStore } from "../image/store.ts";
import { formatBytes } from "../size.ts";
import { hostKernelChecks } from "./doctor-host.ts";

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** How to get what is missing. */
  readonly mend?: string;
  /** The machine works without it. */
  readonly optional?: boolean;
}

/**
 * `gunyah doctor`: what this computer has, what is missing, and how to get it; with `--host-kernel FILE`, whether that can
 * be the host VM's kernel. Errors: CLI_USAGE, CLI_FILE, IMAGE_*
 */
export async function doctor(args: readonly string[]): Promise<ExitCode> {
  const kernel = hostKernel(args);
  if (kernel !== undefined) return report(await hostKernelChecks(kernel));
  return report([node(), memory(), sharedMemory(), cache(), apt(), tool("qemu-system-aarch64"), tool("dtc")]);
}

function hostKernel(args: readonly string[]): string | undefined {
  try {
    return parseArgs({ args: [...args], options: { "host-kernel": { type: "string" } } }).values["host-kernel"];
  } catch (cause) {
    throw new ModelError("CLI_USAGE", (cause as Error).message, { cause });
  }
}

function report(checks: readonly Check[]): ExitCode {
  for (const { name, ok, found, mend, optional } of checks) {
    console.log(`${ok ? "ok  " : optional === true ? "note" : "FAIL"}  ${name}: ${found}`);
    if (!ok && mend !== undefined) console.log(`      ${mend}`);
  }
  return checks.every(({ ok, optional }) => ok || optional === true) ? ExitCode.OFF : ExitCode.ERROR;
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return {
    name: "Node.js",
    ok: major > 20 || (major === 20 && minor >= 19),
    found: `${process.version} on ${process.platform} ${process.arch}, ${cpus().length} CPUs`,
    mend: "install Node.js 20.19 or newer; the newest runs guests fastest",
  };
}

function memory(): Check {
  return {
    name: "memory",
    ok: freemem() > 2 ** 30,
    found: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`,
    mend: "close something, or give the guest less with --mem",
    optional: true,
  };
}

/** Address space for a whole board; its pages are taken as they are touched. */
function sharedMemory(): Check {
  const pages = 2 ** 31 / 65536;
  try {
    new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return { name: "WebAssembly memory", ok: true, found: "2 GiB can be reserved" };
  } catch (error) {
    return {
      name: "WebAssembly memory",
      ok: false,
      found: `2 GiB cannot be reserved: ${(error as Error).message}`,
      mend: "raise the limit on address space (ulimit -v unlimited)",
    };
  }
}

function cache(): Check {
  const { directory } = new ImageStore();
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return { name: "image cache", ok: true, found: directory };
  } catch (error) {
    return {
      name: "image cache",
      ok: false,
      found: (error as Error).message,
      mend: "set XDG_CACHE_HOME to a directory that you can write to",
      optional: true,
    };
  }
}

function apt(): Check {
  return {
    name: "apt",
    ok: Apt.available,
    found: Apt.available ? "found" : "not found",
    mend: "`gunyah image debian` needs a Debian or Ubuntu machine",
    optional: true,
  };
}

function tool(name: string): Check {
  const { status, stdout } = spawnSync(name, ["--version"], { encoding: "utf8" });
  return {
    name,
    ok: status === 0,
    found: status === 0 ? (stdout.split("\n")[0] ?? "found") : "not found",
    mend: `only for comparison: apt-get install ${name === "dtc" ? "device-tree-compiler" : "qemu-system-arm"}`,
    optional: true,
  };
}
