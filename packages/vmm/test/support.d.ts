import { type ConsolePort, type DeviceContext, type DmaMemory, type InterruptLine } from "@gunyah-ts/kernel";
/** Guest memory at `base`, a plain array. */
export declare class ArrayMemory implements DmaMemory {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  readonly base: number;
  constructor(size: number, base?: number);
  window(address: number, length: number): Uint8Array | undefined;
  read(address: number, into: Uint8Array): boolean;
  write(address: number, bytes: Uint8Array): boolean;
}
/** A line that remembers. */
export declare class RecordedLine implements InterruptLine {
  level: boolean;
  pulses: number;
  set(level: boolean): void;
  pulse(): void;
}
/** A console whose two ends are arrays. */
export declare class RecordedConsole implements ConsolePort {
  #private;
  text: string;
  size: ConsolePort["size"];
  output(bytes: Uint8Array): void;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  onInput(listener: (bytes: Uint8Array) => void): () => void;
  onResize(listener: () => void): () => void;
}
export declare function deviceContext(console?: RecordedConsole): DeviceContext & {
  readonly logged: string[];
};
//# sourceMappingURL=support.d.ts.map
