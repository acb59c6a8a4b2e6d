import { token } from "../token.ts";

/** The board's power, as secure firmware switches it: how the host VM, and with it the machine, ended. */
export interface BoardPower {
  /** Undefined while the board is on. */
  readonly end: BoardEnd | undefined;
  /** Called once, when the board goes off; at once when it is off already. Returns the function that ends it. */
  onEnd(listener: (end: BoardEnd) => void): () => void;
}
export const BoardPower = token<BoardPower>("contract/BoardPower");

export interface BoardEnd {
  /** `off` and `reset` were asked for by the host; `crash`: it can not go on. */
  readonly reason: "off" | "reset" | "crash";
  /** One line for people: the call, or what was found. */
  readonly detail: string;
}
