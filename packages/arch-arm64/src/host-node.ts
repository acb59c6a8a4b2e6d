/** What this package needs of Node itself. `host-browser.ts` has the same exports. */
import { MessageChannel, type MessagePort, parentPort, receiveMessageOnPort, Worker } from "node:worker_threads";

/** A variable of the process's environment. */
export function environment(name: string): string | undefined {
  return process.env[name];
}

/** A thread that serves `jit/helper.worker.ts`. */
export class HelperThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #hasFailed = false;

  /**
   * @param data what the thread is told first
   * @param entry module that the thread runs, another one where sources have to be translated first
   */
  constructor(data: unknown, entry = new URL("./jit/helper.worker.ts", import.meta.url)) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(entry);
    this.#worker.on("error", () => {
      this.#hasFailed = true;
    });
    // it must not keep the process alive
    this.#worker.unref();
    port1.unref();
    this.#worker.postMessage({ data, port: port2 }, [port2]);
  }
  /** It could not start, or it died. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }
  post(message: unknown): void {
    this.#port.postMessage(message);
  }
  /** The next message from the thread, at once. */
  receive(): unknown {
    return receiveMessageOnPort(this.#port)?.message;
  }
  dispose(): void {
    this.#port.close();
    void this.#worker.terminate();
  }
}

/** In the thread: `start` gets what the thread was told first and gives what answers messages. */
export function serveHelper(start: (data: unknown) => (message: unknown) => unknown): void {
  parentPort?.once("message", ({ data, port }: { readonly data: unknown; readonly port: MessagePort }) => {
    const answer = start(data);
    port.on("message", (message) => port.postMessage(answer(message)));
  });
}
