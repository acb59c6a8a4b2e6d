import { MEM_HANDLE_INVALID } from "@gunyah-ts/abi";
import type { Pa } from "@gunyah-ts/kernel";

/** Memory of the process that a v14 VM shares with the guest. */
export interface UserRegion {
  readonly label: number;
  /** READ 1, WRITE 2, EXEC 4. */
  readonly flags: number;
  readonly gpa: number;
  /** Bytes. */
  readonly size: number;
  /** Pinned pages, in order. */
  readonly pages: readonly Pa[];
}

/** Source: Linux series v14, drivers/virt/gunyah/vm_mgr_mm.c */
export class UserRegions {
  readonly #regions: (UserRegion & { handle: number })[] = [];

  get all(): readonly (UserRegion & { handle: number })[] {
    return this.#regions;
  }

  overlaps(label: number, gpa: number, size: number): boolean {
    return this.#regions.some((r) => r.label === label || (gpa < r.gpa + r.size && r.gpa < gpa + size));
  }

  add(region: UserRegion): void {
    this.#regions.push({ ...region, handle: MEM_HANDLE_INVALID });
  }

  /** The region that holds [gpa, gpa + size). */
  covering(gpa: number, size: number): (UserRegion & { handle: number }) | undefined {
    return this.#regions.find((r) => gpa >= r.gpa && gpa + size <= r.gpa + r.size);
  }

  clear(): void {
    this.#regions.length = 0;
  }
}

/** Adjacent pages as ranges, in order: what RM's SGL takes. */
export function mergePages(pages: readonly Pa[]): { address: Pa; size: number }[] {
  const out: { address: Pa; size: number }[] = [];
  for (const pa of pages) {
    const last = out.at(-1);
    if (last !== undefined && last.address + last.size === pa) last.size += 4096;
    else out.push({ address: pa, size: 4096 });
  }
  return out;
}
