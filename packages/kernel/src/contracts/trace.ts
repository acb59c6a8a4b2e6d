import { token } from "../token.ts";

/**
 * What a machine reports while it runs. One union, so that a sink can switch on `kind`.
 * `at` is the clock's counter in ticks. Emitting costs nothing while nobody listens: test `trace.enabled` first.
 */
export type TraceEvent =
  | {
      readonly kind: "hypercall";
      readonly at: number;
      readonly vmid: number;
      readonly vcpu: number;
      readonly call: number;
      readonly name: string;
      readonly args: readonly bigint[];
      readonly error: number;
      readonly results: readonly bigint[];
    }
  | {
      readonly kind: "rm-message";
      readonly at: number;
      readonly vmid: number;
      readonly direction: "to-rm" | "from-rm";
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "ioctl";
      readonly at: number;
      readonly fd: number;
      readonly request: number;
      readonly name: string;
      readonly result: number;
    }
  | {
      readonly kind: "stage2-fault";
      readonly at: number;
      readonly vmid: number;
      readonly vcpu: number;
      readonly ipa: number;
      readonly write: boolean;
      readonly esr: number;
    }
  | { readonly kind: "vcpu-enter"; readonly at: number; readonly vmid: number; readonly vcpu: number }
  | {
      readonly kind: "vcpu-exit";
      readonly at: number;
      readonly vmid: number;
      readonly vcpu: number;
      readonly reason: string;
      readonly retired: number;
    }
  | {
      readonly kind: "virq";
      readonly at: number;
      readonly vmid: number;
      readonly vcpu: number;
      readonly intid: number;
      readonly level: boolean;
    }
  | {
      readonly kind: "page-owner";
      readonly at: number;
      readonly pa: number;
      readonly size: number;
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "vm-state"; readonly at: number; readonly vmid: number; readonly state: string }
  | {
      readonly kind: "host-fault";
      readonly at: number;
      readonly vmid: number;
      readonly gpa: number;
      readonly result: number;
    }
  | {
      readonly kind: "vm-function";
      readonly at: number;
      readonly vmid: number;
      readonly type: number;
      readonly action: "bind" | "unbind" | "signal";
      readonly label: number;
    }
  | {
      readonly kind: "device";
      readonly at: number;
      readonly name: string;
      readonly action: string;
      readonly detail: Readonly<Record<string, number | string>>;
    }
  | {
      readonly kind: "error";
      readonly at: number;
      readonly layer: "ioctl" | "rm" | "hypervisor" | "vmm" | "kernel";
      /** The layer's name for `value`, its own number. Fields as in `LayerError`; a cause follows what it caused. */
      readonly code: string;
      readonly value: number;
      readonly detail: string;
      /** The message to RM that failed: the client's VMID, the message's id and the client's sequence number. */
      readonly message?: { readonly vmid: number; readonly id: number; readonly sequence: number };
    };
export type TraceError = Extract<TraceEvent, { kind: "error" }>;

export interface Trace {
  /** Whether anyone listens. Check before building an event, unless it is an error. */
  readonly enabled: boolean;
  emit(event: TraceEvent): void;
  /**
   * Hear of errors alone. They are rare, so whoever meets one emits it without asking `enabled`, which this leaves as it
   * is: the rest of the machine does not pay. Returns the function that ends it.
   */
  listenErrors(listener: (event: TraceError) => void): () => void;
}
export const Trace = token<Trace>("contract/Trace");
