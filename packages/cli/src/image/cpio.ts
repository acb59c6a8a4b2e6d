/** One member of an archive. */
export interface CpioEntry {
  readonly path: string;
  /** Type and permissions, for example 0o100755. */
  readonly mode: number;
  readonly data?: Uint8Array;
}

export const CpioMode = { DIRECTORY: 0o040755, FILE: 0o100644, PROGRAM: 0o100755, SYMLINK: 0o120777 } as const;

/**
 * Write a newc archive, the form that Linux unpacks as initramfs.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  const append = (bytes: Uint8Array): void => {
    const padding = (4 - ((size + bytes.length) % 4)) % 4;
    parts.push(bytes, new Uint8Array(padding));
    size += bytes.length + padding;
  };
  const member = ({ path, mode, data = new Uint8Array(0) }: CpioEntry, inode: number): void => {
    const name = new TextEncoder().encode(`${path}\0`);
    const links = (mode & 0o170000) === 0o040000 ? 2 : 1;
    // c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, c_maj, c_min, c_rmaj, c_rmin, c_namesize, c_chksum
    const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = new TextEncoder().encode(
      `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`,
    );
    const named = new Uint8Array(header.length + name.length);
    named.set(header);
    named.set(name, header.length);
    append(named);
    append(data);
  };
  entries.forEach((entry, index) => {
    member(entry, index + 1);
  });
  member({ path: "TRAILER!!!", mode: 0 }, 0);
  const archive = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    archive.set(part, offset);
    offset += part.length;
  }
  return archive;
}
