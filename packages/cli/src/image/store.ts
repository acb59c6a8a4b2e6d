import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ModelError } from "@gunyah-ts/kernel";

/** A kernel with its initramfs, ready to run. */
export interface StoredImage {
  readonly name: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel parameters that the image needs. */
  readonly cmdline: string;
  /** Packages and versions that it was made of. */
  readonly versions: readonly string[];
}

/** Images that were made on this machine. */
export class ImageStore {
  readonly directory: string;

  constructor(directory = defaultDirectory()) {
    this.directory = directory;
  }

  list(): StoredImage[] {
    if (!existsSync(this.directory)) return [];
    return readdirSync(this.directory)
      .sort()
      .flatMap((name) => this.find(name) ?? []);
  }

  find(name: string): StoredImage | undefined {
    const directory = join(this.directory, name);
    const manifest = join(directory, "image.json");
    if (name.includes("/") || !existsSync(manifest)) return undefined;
    const { cmdline, versions } = JSON.parse(readFileSync(manifest, "utf8")) as Pick<
      StoredImage,
      "cmdline" | "versions"
    >;
    return { name, kernel: join(directory, "kernel"), initrd: join(directory, "initrd"), cmdline, versions };
  }

  /** Errors: CLI_IMAGE_UNKNOWN */
  get(name: string): StoredImage {
    const image = this.find(name);
    if (image !== undefined) return image;
    const known = this.list().map((candidate) => candidate.name);
    throw new ModelError(
      "CLI_IMAGE_UNKNOWN",
      `there is no image "${name}"; ${known.length > 0 ? `there is ${known.join(", ")}` : "`gunyah image debian` makes one"}`,
    );
  }

  /** Put an image in, all of it or nothing. */
  put(
    name: string,
    image: { readonly kernel: Uint8Array; readonly initrd: Uint8Array } & Pick<StoredImage, "cmdline" | "versions">,
  ): StoredImage {
    const directory = join(this.directory, name);
    const fresh = `${directory}.${process.pid}`;
    mkdirSync(fresh, { recursive: true });
    try {
      writeFileSync(join(fresh, "kernel"), image.kernel);
      writeFileSync(join(fresh, "initrd"), image.initrd);
      const { cmdline, versions } = image;
      writeFileSync(join(fresh, "image.json"), `${JSON.stringify({ cmdline, versions }, null, 2)}\n`);
      rmSync(directory, { recursive: true, force: true });
      renameSync(fresh, directory);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    return this.get(name);
  }

  clean(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function defaultDirectory(): string {
  const cache = process.env["XDG_CACHE_HOME"];
  return join(cache === undefined || cache === "" ? join(homedir(), ".cache") : cache, "gunyah-ts", "images");
}
