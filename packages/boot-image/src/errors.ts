/** Codes of this package with the sentence that the README repeats. Stable: a retired code is never used again. */
export const BOOT_IMAGE_ERRORS = {
  IMAGE_UNKNOWN: "The kernel file is none of the formats that can be loaded.",
  IMAGE_TRUNCATED: "An image is shorter than its own header says.",
  IMAGE_INVALID: "An image's header contradicts itself or the arm64 boot protocol.",
  IMAGE_EMPTY: "A file that has to hold something is empty.",
  IMAGE_TOO_LARGE: "A compressed image unpacks to more than 512 MiB.",
} as const;
export type BootImageErrorCode = keyof typeof BOOT_IMAGE_ERRORS;
