/** Codes of this package with the sentence that the README repeats. */
export const QCOM_PLATFORM_ERRORS = {
  QCOM_NO_TABLE: "The board has no room for the access control unit's table, or too little; add `accessControl` to it.",
} as const;
export type QcomPlatformErrorCode = keyof typeof QCOM_PLATFORM_ERRORS;
