import type { VmEnd } from "@gunyah-ts/vmm";

/** What the shell learns from how a run ended. */
export const ExitCode = {
  /** The guest powered itself off. */
  OFF: 0,
  /** Something could not be set up, or the model failed: the message says what. */
  ERROR: 1,
  /** The command line is wrong. */
  USAGE: 2,
  /** The guest asked for a reset. */
  RESET: 10,
  /** The guest crashed, or touched what does not exist. */
  CRASH: 11,
  /** The Resource Manager could not start the VM. */
  LOAD_FAILED: 12,
  /** `--timeout` ran out. */
  TIMEOUT: 124,
  /** The terminal went away. */
  HANGUP: 129,
  /** The user quit. */
  STOPPED: 130,
  TERMINATED: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export function exitCodeOf({ reason }: VmEnd): ExitCode {
  switch (reason) {
    case "off":
      return ExitCode.OFF;
    case "reset":
      return ExitCode.RESET;
    case "crash":
      return ExitCode.CRASH;
    case "load-failed":
      return ExitCode.LOAD_FAILED;
    case "stopped":
      return ExitCode.STOPPED;
  }
}
