/**
 * Where native programs stand in for A64 images.
 */

import { ModelError, type NativeProgram, type NativePrograms, type Pa } from "@gunyah-ts/kernel";

export class ProgramTable implements NativePrograms {
  readonly #programs = new Map<Pa, NativeProgram>();

  install(entry: Pa, program: NativeProgram): () => void {
    const taken = this.#programs.get(entry);
    if (taken !== undefined) {
      throw new ModelError(
        "HYP_ENTRY_TAKEN",
        `${program.name} cannot be installed at 0x${entry.toString(16)}: ${taken.name} is there; remove it first`,
      );
    }
    this.#programs.set(entry, program);
    return () => {
      if (this.#programs.get(entry) === program) this.#programs.delete(entry);
    };
  }

  at(entry: Pa): NativeProgram | undefined {
    return this.#programs.get(entry);
  }
}
