/**
 * Hypercalls of virtio-mmio. Source: gunyah-hypervisor hyp/vm/virtio_mmio/src/hypercalls.c; hyp/vm/virtio_input
 */

import {
  GunyahError,
  Hypercall,
  type HypercallDefinition,
  MemextentRight,
  OBJECT_ACTIVATE,
  VicRight,
  VirtioMmioRight,
} from "@gunyah-ts/abi";
import type { Arguments, CapArgument, Results } from "../hypercall/arguments.ts";
import type { HypercallHandler, HypercallTable } from "../hypercall/table.ts";
import { Memextent } from "../memory/memextent.ts";
import { VIC } from "../object/kinds.ts";
import type { VirqSource } from "../virq/virq-source.ts";
import { VirtioMmio } from "./virtio-mmio.ts";

/** virtio_option_flags bit 6: the device type argument counts. */
const VALID_DEVICE_TYPE = 0x40;

type SourceOf = (device: VirtioMmio) => VirqSource;
/** A source is named after the side that asserts it: the back-end's is bound in the front-end's VM, and the reverse. */
const OF_BACKEND: SourceOf = (device) => device.backendSource;
const OF_FRONTEND: SourceOf = (device) => device.frontendSource;

function bind(right: number, source: SourceOf): HypercallHandler<typeof Hypercall.virtio_mmio_backend_bind_virq> {
  return (caller, args) => {
    const device = caller.cspace.lookup(args.virtio_mmio, VirtioMmio, right);
    if (typeof device === "number") return device;
    const vic = caller.cspace.lookup(args.vic, VIC, VicRight.BIND_SOURCE);
    return typeof vic === "number" ? vic : vic.bindShared(source(device), args.virq_info);
  };
}

function unbind(right: number, source: SourceOf): HypercallHandler<typeof Hypercall.virtio_mmio_backend_unbind_virq> {
  return (caller, args) => {
    const device = caller.cspace.lookup(args.virtio_mmio, VirtioMmio, right);
    if (typeof device === "number") return device;
    source(device).unbind();
    return GunyahError.OK;
  };
}

/** A call on an active device whose capability has a right. */
function on<D extends HypercallDefinition>(
  right: number,
  act: (device: VirtioMmio, args: Arguments<D>, results: Results<D>) => GunyahError,
): HypercallHandler<D> {
  return (caller, args, results) => {
    // Every definition that comes here names its device so.
    const { virtio_mmio } = args as unknown as { readonly virtio_mmio: CapArgument<"virtio_mmio"> };
    const device = caller.cspace.lookup(virtio_mmio, VirtioMmio, right);
    return typeof device === "number" ? device : act(device, args, results);
  };
}

export function addVirtioMmioCalls(table: HypercallTable): void {
  const { BIND_BACKEND_VIRQ, BIND_FRONTEND_VIRQ, ASSERT_VIRQ, CONFIG } = VirtioMmioRight;
  table.add(Hypercall.virtio_mmio_configure, (caller, args) => {
    const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.ATTACH);
    if (typeof extent === "number") return extent;
    const device = caller.cspace.lookupForConfigure(args.virtio_mmio, VirtioMmio, OBJECT_ACTIVATE);
    if (typeof device === "number") return device;
    if (!device.isInit) return GunyahError.OBJECT_STATE;
    return device.configure(
      extent,
      args.vqs_num,
      (args.flags & VALID_DEVICE_TYPE) === 0 ? undefined : args.device_type,
    );
  });
  table.add(Hypercall.virtio_mmio_backend_bind_virq, bind(BIND_BACKEND_VIRQ, OF_BACKEND));
  table.add(Hypercall.virtio_mmio_backend_unbind_virq, unbind(BIND_BACKEND_VIRQ, OF_BACKEND));
  table.add(Hypercall.virtio_mmio_frontend_bind_virq, bind(BIND_FRONTEND_VIRQ, OF_FRONTEND));
  table.add(Hypercall.virtio_mmio_frontend_unbind_virq, unbind(BIND_FRONTEND_VIRQ, OF_FRONTEND));
  table.add(
    Hypercall.virtio_mmio_backend_assert_virq,
    on(ASSERT_VIRQ, (device, args) => device.assertInterrupt(args.interrupt_status)),
  );
  table.add(
    Hypercall.virtio_mmio_backend_set_dev_features,
    on(CONFIG, (device, args) => device.setDeviceFeatures(args.sel, args.dev_feat)),
  );
  table.add(
    Hypercall.virtio_mmio_backend_set_queue_num_max,
    on(CONFIG, (device, args) => {
      const queue = device.queue(args.queue_sel);
      if (queue === undefined) return GunyahError.ARGUMENT_INVALID;
      queue.numMax = args.queue_num_max;
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_get_drv_features,
    on(CONFIG, (device, args, results) => {
      const features = device.driverFeatures(args.sel);
      if (features < 0) return GunyahError.ARGUMENT_INVALID;
      results.drv_feat = features;
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_get_queue_info,
    on(CONFIG, (device, args, results) => {
      const queue = device.queue(args.queue_sel);
      if (queue === undefined) return GunyahError.ARGUMENT_INVALID;
      results.queue_num = queue.num;
      results.queue_ready = queue.ready;
      results.queue_desc.setHalves(queue.descLow, queue.descHigh);
      results.queue_drv.setHalves(queue.drvLow, queue.drvHigh);
      results.queue_dev.setHalves(queue.devLow, queue.devHigh);
      return GunyahError.OK;
    }),
  );
  table.add(
    Hypercall.virtio_mmio_backend_get_notification,
    on(CONFIG, (device, _args, results) => {
      const { queues, reason } = device.takeNotification();
      results.vqs_bitmap.num = queues;
      results.reason.num = reason;
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
    on(CONFIG, (device, args) => {
      device.updateStatus(args.status);
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
