import { ExitCode } from "../exit-code.ts";
import type { RunStatus } from "./status.ts";
import { Terminal } from "./terminal.ts";

export interface SessionOptions {
  /** Seconds. */
  readonly timeout: number | undefined;
  readonly quiet: boolean;
  /** What runs, for messages: `guest` or `host`. */
  readonly what: string;
  /** Make what runs end soon. May be called more than once. */
  readonly stop: () => void;
}

/** One run on the user's terminal: its console, its keys, signals and time limit, the status in the title, the summary. */
export class Session {
  readonly terminal: Terminal;
  readonly #status: RunStatus;
  readonly #options: SessionOptions;
  #stopCode: ExitCode | undefined;

  constructor(status: RunStatus, options: SessionOptions) {
    this.#status = status;
    this.#options = options;
    this.terminal = new Terminal(process.stdin, process.stdout, {
      quit: () => this.#stop(ExitCode.STOPPED),
      hangup: () => this.#stop(ExitCode.HANGUP),
      status: () => this.#status.line(),
    });
  }

  /** Why the user's side ended the run, when it did. */
  get stopCode(): ExitCode | undefined {
    return this.#stopCode;
  }

  /** A message of the machine's, beside the console. */
  readonly log = (level: "info" | "warn" | "error", message: string): void => {
    this.terminal.say(`gunyah: ${level === "info" ? "" : `${level}: `}${message}`);
  };

  /** Run `body`; whatever happens, the terminal is given back and the summary is printed. */
  async run(body: () => Promise<ExitCode>): Promise<ExitCode> {
    const signals = { SIGINT: ExitCode.STOPPED, SIGTERM: ExitCode.TERMINATED, SIGHUP: ExitCode.HANGUP } as const;
    const handlers = Object.entries(signals).map(([signal, code]) => {
      const handler = (): void => this.#stop(code);
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
    const title = this.#showTitle();
    const { timeout, quiet, what } = this.#options;
    const timer =
      timeout === undefined ? undefined : setTimeout(() => this.#stop(ExitCode.TIMEOUT), timeout * 1000).unref();
    try {
      return await body();
    } finally {
      clearTimeout(timer);
      clearInterval(title);
      for (const remove of handlers) remove();
      this.terminal.close();
      if (this.#stopCode === ExitCode.TIMEOUT)
        process.stderr.write(`\ngunyah: CLI_TIMEOUT: the ${what} did not end within ${timeout} s\n`);
      if (!quiet) process.stderr.write(`\n${this.#status.summary()}\n`);
    }
  }

  #stop(code: ExitCode): void {
    this.#stopCode ??= code;
    this.#options.stop();
  }

  /** The status in the terminal's title: the screen itself is the guest's. */
  #showTitle(): NodeJS.Timeout | undefined {
    if (!process.stdout.isTTY) return undefined;
    return setInterval(() => {
      process.stdout.write(`\x1b]0;gunyah: ${this.#status.line()}\x07`);
    }, 1000).unref();
  }
}
