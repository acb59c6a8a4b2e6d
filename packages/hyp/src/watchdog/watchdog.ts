/**
 * A VM's watchdog: a counter of the time since the VM pinged it last, which barks and then bites.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Watchdog Management; the object's code is not public
 */

import { GunyahError, WATCHDOG_MAX_MS } from "@gunyah-ts/abi";
import type { ClockTimer } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { VirqSource } from "../virq/virq-source.ts";

/** Differs: how far the freeze count goes is not public. */
const MAX_FREEZES = 0xff;

/** An interrupt that is due when the counter reaches a time. */
class Alarm {
  /** A level, until the counter starts anew. */
  readonly virq = new VirqSource(() => this.isDue);
  /** After the last ping. */
  ms = WATCHDOG_MAX_MS;
  isDue = false;

  raise(): void {
    this.isDue = true;
    this.virq.assert();
  }

  drop(): void {
    this.isDue = false;
    this.virq.clear();
  }
}

export class Watchdog extends HypObject {
  static readonly TYPE = "watchdog";
  override readonly type = Watchdog.TYPE;
  readonly bark = new Alarm();
  readonly bite = new Alarm();
  /** watchdog_configure flags. */
  flags = 0;
  #isEnabled = false;
  #freezes = 0;
  /** Ticks that were counted up to `#since`. */
  #counted = 0;
  /** When the counter began to run, undefined while it does not. */
  #since: number | undefined;
  #timer: ClockTimer | undefined;

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 256);
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  /** Milliseconds since the last ping, frozen and disabled times left out. */
  get sincePing(): number {
    return Math.floor((this.#ticks * 1000) / this.core.clock.frequencyHz);
  }

  /**
   * Let the counter run from 0, or stop it.
   * @returns GunyahError: ARGUMENT_INVALID when it is so already
   */
  setEnabled(isEnabled: boolean): number {
    if (isEnabled === this.#isEnabled) return GunyahError.ARGUMENT_INVALID;
    this.#isEnabled = isEnabled;
    if (isEnabled) this.#counted = 0;
    else this.#dropAlarms();
    this.#run();
    return GunyahError.OK;
  }

  /** The VM is alive: count from 0 again. */
  ping(): void {
    this.#dropAlarms();
    this.#since = undefined;
    this.#counted = 0;
    this.#run();
  }

  /** Milliseconds from the last ping, undefined for no change. What is overdue by that happens now. */
  setTimes(bark: number | undefined, bite: number | undefined): void {
    this.bark.ms = bark ?? this.bark.ms;
    this.bite.ms = bite ?? this.bite.ms;
    this.#run();
  }

  /** Hold the counter, once more. @returns GunyahError: BUSY when the count would overflow */
  freeze(reset: boolean): number {
    if (this.#freezes === MAX_FREEZES) return GunyahError.BUSY;
    this.#freezes++;
    this.#run();
    if (reset) this.ping();
    return GunyahError.OK;
  }

  /** @returns GunyahError: BUSY when it is not frozen */
  unfreeze(): number {
    if (this.#freezes === 0) return GunyahError.BUSY;
    this.#freezes--;
    this.#run();
    return GunyahError.OK;
  }

  protected override onDeactivate(): void {
    this.#timer?.cancel();
    this.bark.virq.unbind();
    this.bite.virq.unbind();
  }

  get #ticks(): number {
    return this.#counted + (this.#since === undefined ? 0 : this.core.clock.now() - this.#since);
  }

  /** Count while enabled and not frozen, and wake at the next alarm. */
  #run(): void {
    const { clock } = this.core;
    const now = clock.now();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#counted = this.#ticks;
    this.#since = this.#isEnabled && this.#freezes === 0 ? now : undefined;
    if (this.#since === undefined) return;
    let next = Number.POSITIVE_INFINITY;
    for (const alarm of [this.bark, this.bite]) {
      if (alarm.isDue) continue;
      const left = Math.ceil((alarm.ms * clock.frequencyHz) / 1000) - this.#counted;
      if (left <= 0) alarm.raise();
      else next = Math.min(next, left);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#timer = clock.at(now + next, () => this.#run());
  }

  #dropAlarms(): void {
    this.bark.drop();
    this.bite.drop();
  }
}
