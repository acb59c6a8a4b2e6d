/** Codes of this package with the sentence that the README repeats. Stable: a retired code is never used again. */
export const CLI_ERRORS = {
  CLI_USAGE: "The command line has an unknown word, a missing value or one of the wrong form.",
  CLI_FILE: "A file cannot be read or written.",
  CLI_IMAGE_UNKNOWN: "No image of that name is in the cache.",
  CLI_APT: "apt is missing, or could not download a package.",
  CLI_TIMEOUT: "The guest did not end within the time given.",
} as const;
export type CliErrorCode = keyof typeof CLI_ERRORS;
