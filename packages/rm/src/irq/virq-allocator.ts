import { RmError } from "@gunyah-ts/abi";
import type { Intid } from "@gunyah-ts/kernel";
import { RmFailure } from "../errors.ts";

/** First SPI that the RM hands out by itself in a VM that says nothing else. Source: qcom,free-irq-start */
export const DEFAULT_FREE_IRQ_START = 960;
const SPI_FIRST = 32;
const SPI_LAST = 1019;
const ESPI_FIRST = 4096;
const ESPI_LAST = 5119;

/** Interrupt numbers of one VM's virtual interrupt controller that are in use. */
export class VirqAllocator {
  readonly #taken = new Set<Intid>();
  readonly #first: Intid;

  constructor(first: Intid = DEFAULT_FREE_IRQ_START) {
    this.#first = first;
  }
  static isShared(virq: number): boolean {
    return (virq >= SPI_FIRST && virq <= SPI_LAST) || (virq >= ESPI_FIRST && virq <= ESPI_LAST);
  }
  /** @returns false when it is taken or no shared interrupt */
  take(virq: Intid): boolean {
    if (!VirqAllocator.isShared(virq) || this.#taken.has(virq)) return false;
    this.#taken.add(virq);
    return true;
  }
  /** A free SPI from the dynamic range up, then an extended one. NORESOURCE when there is none. */
  allocate(): Intid {
    for (let virq = this.#first; virq <= SPI_LAST; virq++) if (this.take(virq)) return virq;
    for (let virq = ESPI_FIRST; virq <= ESPI_LAST; virq++) if (this.take(virq)) return virq;
    throw new RmFailure(RmError.NORESOURCE, "no free virq");
  }
  free(virq: Intid): void {
    this.#taken.delete(virq);
  }
}
