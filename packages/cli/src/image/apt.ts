import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ModelError } from "@gunyah-ts/kernel";

/**
 * Debian's packages for arm64, through the apt of this machine with its own sources and keys. The package lists are
 * private, so that the system's architectures stay as they are. apt checks signatures and checksums.
 */
export class Apt {
  readonly #directory: string;
  readonly #options: readonly string[];

  /** Errors: CLI_APT where there is no apt. */
  constructor(directory: string) {
    if (!Apt.available)
      throw new ModelError(
        "CLI_APT",
        "apt-get and dpkg-deb are not installed; run this on Debian or a system derived from it",
      );
    this.#directory = directory;
    mkdirSync(join(directory, "lists", "partial"), { recursive: true });
    mkdirSync(join(directory, "cache", "archives", "partial"), { recursive: true });
    writeFileSync(join(directory, "status"), "");
    this.#options = [
      "APT::Architecture=arm64",
      "APT::Architectures::=arm64",
      `Dir::State::Lists=${join(directory, "lists")}`,
      `Dir::Cache=${join(directory, "cache")}`,
      `Dir::State::status=${join(directory, "status")}`,
      "APT::Sandbox::User=root",
    ].flatMap((option) => ["-o", option]);
  }

  static get available(): boolean {
    return spawnSync("apt-get", ["--version"]).status === 0 && spawnSync("dpkg-deb", ["--version"]).status === 0;
  }

  /** @param progress called with 0 to 1 */
  async update(progress: (done: number) => void): Promise<void> {
    await this.#run("apt-get", ["update"], progress);
  }

  /** The first package that `name` depends on whose name starts with `prefix`. */
  async dependency(name: string, prefix: string): Promise<string> {
    const output = await this.#run("apt-cache", ["depends", name]);
    const match = new RegExp(`Depends: (${prefix}[^\\s]*)`).exec(output)?.[1];
    if (match === undefined) throw new ModelError("CLI_APT", `${name} depends on no package ${prefix}…`);
    return match;
  }

  /** Download and unpack. @returns the directory with the package's files, and "name version" */
  async fetch(
    name: string,
    progress: (done: number) => void,
  ): Promise<{ readonly directory: string; readonly version: string }> {
    const download = join(this.#directory, "debs", name);
    mkdirSync(download, { recursive: true });
    await this.#run("apt-get", ["download", name], progress, download);
    const file = readdirSync(download).find((candidate) => candidate.endsWith(".deb"));
    if (file === undefined) throw new ModelError("CLI_APT", `apt downloaded no package for ${name}`);
    const directory = join(this.#directory, "files", name);
    mkdirSync(directory, { recursive: true });
    await this.#run("dpkg-deb", ["-x", join(download, file), directory]);
    const version = (await this.#run("dpkg-deb", ["-f", join(download, file), "Version"])).trim();
    return { directory, version: `${name} ${version}` };
  }

  /** apt reports its progress on a descriptor of its own when asked: lines of status:package:percent:text. */
  #run(command: string, args: readonly string[], progress?: (done: number) => void, cwd?: string): Promise<string> {
    const isApt = command.startsWith("apt");
    const status = progress === undefined ? [] : ["-o", "APT::Status-Fd=3"];
    const child: ChildProcess = spawn(command, isApt ? [...this.#options, ...status, ...args] : args, {
      cwd: cwd ?? this.#directory,
      stdio: ["ignore", "pipe", "pipe", progress === undefined ? "ignore" : "pipe"],
      env: { ...process.env, LC_ALL: "C" },
    });
    let output = "";
    let errors = "";
    child.stdout?.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      errors += chunk;
    });
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      const percent = /^\w+:[^:]*:([\d.]+):/m.exec(chunk.toString())?.[1];
      if (percent !== undefined) progress?.(Number(percent) / 100);
    });
    return new Promise((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new ModelError("CLI_APT", `cannot run ${command}: ${cause.message}`, { cause })),
      );
      child.on("close", (code) => {
        if (code === 0) {
          progress?.(1);
          resolve(output);
        } else {
          const lines = errors.split("\n").filter((line) => line.startsWith("E:"));
          reject(new ModelError("CLI_APT", `${command} ${args.join(" ")} failed: ${lines.join(" ") || errors.trim()}`));
        }
      });
    });
  }
}
