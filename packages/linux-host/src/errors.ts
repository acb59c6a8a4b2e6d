/** Codes of this package with the sentence that the README repeats. Stable: a retired code is never used again. */
export const LINUX_HOST_ERRORS = {
  HOST_CONFIG: "The `host` section of the configuration has a key that is unknown, missing or of the wrong kind.",
  HOST_DTB: "The host's own device tree cannot be read, or has no room.",
  HOST_DEVICE_UNKNOWN: "No plugin provides a device of that type.",
  HOST_ENTRY: "The host's kernel does not start where the board starts it.",
  HOST_STATE: "The host was asked for something that its state does not allow.",
} as const;
export type LinuxHostErrorCode = keyof typeof LINUX_HOST_ERRORS;
