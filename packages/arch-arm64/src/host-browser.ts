/** What this package needs of a browser itself. `host-node.ts` has the same exports. */

/** A page has no environment. */
export function environment(_name: string): string | undefined {
  return undefined;
}

/** The parts of a dedicated worker and of its global scope that are used. */
interface Port {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror?: (() => void) | null;
  postMessage(message: unknown): void;
  terminate?(): void;
}
declare const Worker: new (url: URL, options: { readonly type: "module" }) => Port;

/** A worker that serves `jit/helper.worker.ts`. Its messages come while the page's event loop runs. */
export class HelperThread {
  readonly #worker: Port;
  readonly #received: unknown[] = [];
  #hasFailed = false;

  constructor(data: unknown, entry = new URL("./jit/helper.worker.ts", import.meta.url)) {
    this.#worker = new Worker(entry, { type: "module" });
    this.#worker.onmessage = (event) => this.#received.push(event.data);
    this.#worker.onerror = () => {
      this.#hasFailed = true;
    };
    this.#worker.postMessage(data);
  }
  get hasFailed(): boolean {
    return this.#hasFailed;
  }
  post(message: unknown): void {
    this.#worker.postMessage(message);
  }
  receive(): unknown {
    return this.#received.shift();
  }
  dispose(): void {
    this.#worker.terminate?.();
  }
}

export function serveHelper(start: (data: unknown) => (message: unknown) => unknown): void {
  const scope = globalThis as unknown as Port;
  scope.onmessage = (first) => {
    const answer = start(first.data);
    scope.onmessage = (event) => scope.postMessage(answer(event.data));
  };
}
