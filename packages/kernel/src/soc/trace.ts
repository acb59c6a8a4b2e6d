/** Where typed trace events meet their listeners. */
import type { Trace, TraceError, TraceEvent } from "../contracts/trace.ts";

/** A `Trace` that can be listened to. */
export interface TraceHub extends Trace {
  /** Returns the function that ends it. A listener that throws does not reach the emitter; see `onListenerError`. */
  listen(listener: (event: TraceEvent) => void): () => void;
}

/**
 * @param onListenerError called when a listener throws: a tool that breaks must not change what the machine does.
 * Default: the error is thrown again in a microtask, so that it is not lost.
 */
export function createTrace(onListenerError: (error: unknown) => void = rethrowLater): TraceHub {
  let listeners: readonly ((event: TraceEvent) => void)[] = [];
  const errorsOnly = new Set<(event: TraceEvent) => void>();
  const hub = {
    enabled: false,
    emit(event: TraceEvent): void {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          onListenerError(error);
        }
      }
    },
    listen(listener: (event: TraceEvent) => void): () => void {
      const entry = (event: TraceEvent) => listener(event);
      listeners = [...listeners, entry];
      hub.enabled = true;
      return () => {
        listeners = listeners.filter((other) => other !== entry);
        hub.enabled = listeners.length > errorsOnly.size;
      };
    },
    listenErrors(listener: (event: TraceError) => void): () => void {
      const entry = (event: TraceEvent) => {
        if (event.kind === "error") listener(event);
      };
      errorsOnly.add(entry);
      listeners = [...listeners, entry];
      return () => {
        errorsOnly.delete(entry);
        listeners = listeners.filter((other) => other !== entry);
      };
    },
  };
  return hub;
}

function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
