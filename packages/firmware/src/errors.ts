/** Codes of this package with the sentence that the README repeats. Stable: a retired code is never used again. */
export const FIRMWARE_ERRORS = {
  FIRMWARE_NO_HOST: "No plugin says what the host VM runs.",
  FIRMWARE_TWO_HOSTS: "Two plugins say what the host VM runs.",
  FIRMWARE_PLACE: "The host's image does not fit the board's memory, or its parts lie on each other.",
} as const;
export type FirmwareErrorCode = keyof typeof FIRMWARE_ERRORS;
