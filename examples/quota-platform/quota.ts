import { type DemandFolio, definePlugin, hostHooks, type MemParcel } from "@gunyah-ts/kernel";

export interface QuotaOptions {
  /** Bytes that all VMs together may hold of the host's memory. */
  readonly bytes: number;
}

const ENOMEM = 12;

/** Counts the memory that VMs hold, and refuses what would pass a limit. */
export class Quota {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** @returns 0, or -ENOMEM and nothing is counted */
  take(bytes: number): number {
    if (this.#held + bytes > this.#limit) return -ENOMEM;
    this.#held += bytes;
    return 0;
  }

  give(bytes: number): number {
    this.#held -= bytes;
    return 0;
  }
}

const sizeOf = (parcel: MemParcel): number => parcel.entries.reduce((sum, entry) => sum + entry.size, 0);

/** The platform hooks of `quota`; a later refusal, or a failure of RM, gives back what was taken. */
export const quotaPlatform = definePlugin<QuotaOptions>({
  name: "gunyah-plugin-quota",
  version: "1.0.0",
  options: { bytes: { type: "integer", required: true } },
  setup(ctx, { bytes }) {
    const quota = new Quota(bytes);
    const host = ctx.hooks(hostHooks);
    ctx.onSetup(
      host.preMemShare,
      (parcel) => quota.take(sizeOf(parcel)),
      (parcel) => void quota.give(sizeOf(parcel)),
    );
    ctx.onSetup(host.postMemReclaim, (parcel) => quota.give(sizeOf(parcel)));
    ctx.onSetup(
      host.preDemandPage,
      (folio: DemandFolio) => quota.take(folio.size),
      (folio) => void quota.give(folio.size),
    );
    ctx.onSetup(host.releaseDemandPage, (folio) => quota.give(folio.size));
  },
});
