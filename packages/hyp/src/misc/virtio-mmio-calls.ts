/**
 * Hypercalls of virtio-mmio. Source: gunyah-hypervisor hyp/vm/virtio_mmio/src/hypercalls.c; hyp/vm/virtio_input
 */

import { GunyahError, Hypercall, MemextentRight, OBJECT_ACTIVATE, VicRight, VirtioMmioRight } from "@gunyah-ts/abi";
import type { Caller } from "../hypercall/caller.ts";
import type { Registers } from "../hypercall/registers.ts";
import type { HypercallHandler, HypercallTable } from "../hypercall/table.ts";
import { Memextent } from "../memory/memextent.ts";
import { VIC } from "../object/kinds.ts";
import type { VirqSource } from "../virq/virq-source.ts";
import { VirtioMmio } from "./virtio-mmio.ts";

/** virtio_option_flags bit 6: the device type argument counts. */
const VALID_DEVICE_TYPE = 0x40;

type SourceOf = (device: VirtioMmio) => VirqSource;
/** The back-end's interrupt is asserted by what the front-end does, and the other way round. */
const AT_BACKEND: SourceOf = (device) => device.frontendSource;
const AT_FRONTEND: SourceOf = (device) => device.backendSource;

function bind(right: number, source: SourceOf): HypercallHandler {
  return (caller, r) => {
    const device = caller.cspace.lookup(r, 1, VirtioMmio, right);
    if (typeof device === "number") return device;
    const vic = caller.cspace.lookup(r, 2, VIC, VicRight.BIND_SOURCE);
    return typeof vic === "number" ? vic : vic.bindShared(source(device), r.low(3));
  };
}

function unbind(right: number, source: SourceOf): HypercallHandler {
  return (caller, r) => {
    const device = caller.cspace.lookup(r, 1, VirtioMmio, right);
    if (typeof device === "number") return device;
    source(device).unbind();
    return GunyahError.OK;
  };
}

/** A call on an active device whose capability has a right. */
function on(right: number, act: (device: VirtioMmio, r: Registers, caller: Caller) => number): HypercallHandler {
  return (caller, r) => {
    const device = caller.cspace.lookup(r, 1, VirtioMmio, right);
    return typeof device === "number" ? device : act(device, r, caller);
  };
}

export function addVirtioMmioCalls(table: HypercallTable): void {
  const { BIND_BACKEND_VIRQ, BIND_FRONTEND_VIRQ, ASSERT_VIRQ, CONFIG } = VirtioMmioRight;
  table.add(Hypercall.virtio_mmio_configure, (caller, r) => {
    const extent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.ATTACH);
    if (typeof extent === "number") return extent;
    const device = caller.cspace.lookupForConfigure(r, 1, VirtioMmio, OBJECT_ACTIVATE);
    if (typeof device === "number") return device;
    if (!device.isInit) return GunyahError.OBJECT_STATE;
    return device.configure(extent, r.low(3), (r.low(4) & VALID_DEVICE_TYPE) === 0 ? undefined : r.low(5));
  });
  table.add(Hypercall.virtio_mmio_backend_bind_virq, bind(BIND_BACKEND_VIRQ, AT_BACKEND));
  table.add(Hypercall.virtio_mmio_backend_unbind_virq, unbind(BIND_BACKEND_VIRQ, AT_BACKEND));
  table.add(Hypercall.virtio_mmio_frontend_bind_virq, bind(BIND_FRONTEND_VIRQ, AT_FRONTEND));
  table.add(Hypercall.virtio_mmio_frontend_unbind_virq, unbind(BIND_FRONTEND_VIRQ, AT_FRONTEND));
  table.add(
    Hypercall.virtio_mmio_backend_assert_virq,
    on(ASSERT_VIRQ, (device, r) => device.assertInterrupt(r.low(2))),
  );
  table.add(
    Hypercall.virtio_mmio_backend_set_dev_features,
    on(CONFIG, (device, r) => device.setDeviceFeatures(r.low(2), r.low(3))),
  );
  table.add(
    Hypercall.virtio_mmio_backend_set_queue_num_max,
    on(CONFIG, (device, r) => {
      const queue = device.queue(r.low(2));
      if (queue === undefined) return GunyahError.ARGUMENT_INVALID;
      queue.numMax = r.low(3);
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_get_drv_features,
    on(CONFIG, (device, r) => {
      const features = device.driverFeatures(r.low(2));
      if (features < 0) return GunyahError.ARGUMENT_INVALID;
      r.set(1, features);
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_get_queue_info,
    on(CONFIG, (device, r) => {
      const queue = device.queue(r.low(2));
      if (queue === undefined) return GunyahError.ARGUMENT_INVALID;
      r.set(1, queue.num);
      r.set(2, queue.ready);
      setHalves(r, 3, queue.descLow, queue.descHigh);
      setHalves(r, 4, queue.drvLow, queue.drvHigh);
      setHalves(r, 5, queue.devLow, queue.devHigh);
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_get_notification,
    on(CONFIG, (device, r) => {
      const { queues, reason } = device.takeNotification();
      r.set(1, queues);
      r.set(2, reason);
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_acknowledge_reset,
    on(CONFIG, (device) => {
      device.acknowledgeReset();
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_update_status,
    on(CONFIG, (device, r) => {
      device.updateStatus(r.low(2));
      return GunyahError.OK;
    }),
  );
  // The virtio-input module is not built in: no device has its type, which is what these calls check first.
  table.add(
    Hypercall.virtio_input_configure,
    on(CONFIG, () => GunyahError.OBJECT_CONFIG),
  );
  table.add(
    Hypercall.virtio_input_set_data,
    on(CONFIG, () => GunyahError.OBJECT_CONFIG),
  );
}

function setHalves(r: Registers, i: number, low: number, high: number): void {
  r.w[2 * i] = low;
  r.w[2 * i + 1] = high;
}
