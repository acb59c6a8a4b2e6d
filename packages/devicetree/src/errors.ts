/** Codes of this package. Stable: a retired code is never used again. */
export const DeviceTreeErrorCode = {
  /** The blob is shorter than its header, or than a part that the header announces. */
  DT_TRUNCATED: "DT_TRUNCATED",
  /** The first word is not 0xd00dfeed. */
  DT_BAD_MAGIC: "DT_BAD_MAGIC",
  /** The blob's version cannot be read (this package reads versions 16 and 17). */
  DT_BAD_VERSION: "DT_BAD_VERSION",
  /** A block lies outside the blob, is not aligned, or a size contradicts another. */
  DT_BAD_LAYOUT: "DT_BAD_LAYOUT",
  /** The structure block breaks the grammar of tokens. */
  DT_BAD_STRUCTURE: "DT_BAD_STRUCTURE",
  /** A node or property name is not one that the specification allows. */
  DT_BAD_NAME: "DT_BAD_NAME",
  /** Two nodes or two properties of one node have the same name. */
  DT_DUPLICATE: "DT_DUPLICATE",
  /** Nodes are nested deeper than 64 levels, or the blob is larger than 16 MiB. */
  DT_LIMIT: "DT_LIMIT",
  /** A property has not the length or form that the reader asked for. */
  DT_BAD_VALUE: "DT_BAD_VALUE",
  /** A path, label or phandle names no node. */
  DT_NOT_FOUND: "DT_NOT_FOUND",
  /** The overlay has no fragment, or its fixups are malformed. */
  DT_BAD_OVERLAY: "DT_BAD_OVERLAY",
  /** The tree does not fit the space that the caller gave. */
  DT_NO_SPACE: "DT_NO_SPACE",
} as const;
export type DeviceTreeErrorCode = (typeof DeviceTreeErrorCode)[keyof typeof DeviceTreeErrorCode];

/** What was wrong, where, in one sentence. Test `code`, not the class: two copies of the package may be loaded. */
export class DeviceTreeError extends Error {
  override readonly name = "DeviceTreeError";
  readonly code: DeviceTreeErrorCode;

  constructor(code: DeviceTreeErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}
