import { ModelError } from "@gunyah-ts/kernel";
import { ExitCode } from "../exit-code.ts";
import { makeDebianImage } from "../image/debian.ts";
import { ImageStore } from "../image/store.ts";

export const IMAGE_HELP = `gunyah image debian        make an image of Debian's arm64 cloud kernel and busybox, with apt
gunyah image list          images on this machine
gunyah image path [NAME]   where they are
gunyah image clean         delete them all`;

/** `gunyah image`. Errors: CLI_USAGE, CLI_APT, CLI_IMAGE_UNKNOWN */
export async function image(args: readonly string[]): Promise<ExitCode> {
  const store = new ImageStore();
  const [command = "list", name] = args;
  switch (command) {
    case "debian": {
      const made = await makeDebianImage(store, showProgress);
      process.stderr.write("\n");
      console.log(`${made.name}: ${made.versions.join(", ")}\nboot it with: gunyah run --image ${made.name}`);
      return ExitCode.OFF;
    }
    case "list":
      for (const { name: known, versions } of store.list()) console.log(`${known}\t${versions.join(", ")}`);
      return ExitCode.OFF;
    case "path":
      console.log(name === undefined ? store.directory : store.get(name).kernel.replace(/\/kernel$/, ""));
      return ExitCode.OFF;
    case "clean":
      store.clean();
      return ExitCode.OFF;
    default:
      throw new ModelError("CLI_USAGE", `gunyah image ${command}: give debian, list, path or clean`);
  }
}

const WIDTH = 30;
let shown = "";

function showProgress(step: string, done: number): void {
  const filled = Math.round(done * WIDTH);
  const bar = `${"#".repeat(filled)}${".".repeat(WIDTH - filled)}`;
  const line = `${step.padEnd(36)} [${bar}] ${String(Math.round(done * 100)).padStart(3)}%`;
  if (line === shown) return;
  if (process.stderr.isTTY) process.stderr.write(`${shown !== "" && !shown.startsWith(step) ? "\n" : ""}\r${line}`);
  else if (done === 1) process.stderr.write(`${step}: done\n`);
  shown = line;
}
