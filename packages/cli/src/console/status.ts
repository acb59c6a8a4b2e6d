import type { HypervisorInspect } from "@gunyah-ts/kernel";
import { formatBytes } from "../size.ts";

/** What a run has done so far, for the status line and the summary at its end. */
export class RunStatus {
  state = "starting";
  readonly #inspect: HypervisorInspect;
  readonly #counts: (vmid: number) => boolean;
  readonly #configured: number;
  readonly #started = performance.now();
  #memory = 0;
  #retired = 0;
  #latest = { retired: 0, at: this.#started };

  /** @param counts whether a VM is one that the run is about; those that are not there yet, unless said */
  constructor(inspect: HypervisorInspect, configuredBytes: number, counts = laterThanNow(inspect)) {
    this.#inspect = inspect;
    this.#configured = configuredBytes;
    this.#counts = counts;
  }

  /** Look again. The hypervisor forgets a VM that ended, so the latest figures are kept. */
  refresh(): void {
    for (const vm of this.#inspect.vms()) {
      if (!this.#counts(vm.vmid)) continue;
      this.#memory = this.#inspect.accessiblePages(vm.vmid) * 4096;
      this.#retired = Math.max(
        this.#retired,
        vm.vcpus.reduce((sum, { retired }) => sum + retired, 0),
      );
    }
  }

  get retired(): number {
    this.refresh();
    return this.#retired;
  }

  get memoryProvided(): number {
    this.refresh();
    return this.#memory;
  }

  /** VM state, memory provided of configured, instructions a second since the last line. */
  line(): string {
    this.refresh();
    const now = performance.now();
    const rate = (this.#retired - this.#latest.retired) / Math.max(now - this.#latest.at, 1) / 1000;
    this.#latest = { retired: this.#retired, at: now };
    return `${this.state} | memory ${this.#memoryText} | ${rate.toFixed(0)} MIPS`;
  }

  summary(): string {
    this.refresh();
    const seconds = (performance.now() - this.#started) / 1000;
    const million = this.#retired / 1e6;
    return (
      `${this.state} after ${seconds.toFixed(1)} s | memory ${this.#memoryText} | ` +
      `${million.toFixed(0)} M instructions, ${(million / seconds).toFixed(0)} MIPS`
    );
  }

  get #memoryText(): string {
    return `${formatBytes(this.#memory)} of ${formatBytes(this.#configured)}`;
  }
}

/** The root VM and the host are there before the guest. */
function laterThanNow(inspect: HypervisorInspect): (vmid: number) => boolean {
  const there = new Set(inspect.vms().map(({ vmid }) => vmid));
  return (vmid) => !there.has(vmid);
}
