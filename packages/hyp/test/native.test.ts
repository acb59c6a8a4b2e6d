import { GunyahError, Hypercall } from "@gunyah-ts/abi";
import type { Ipa, NativeVcpu } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { ROOT_VMID } from "../src/boot/root-vm.ts";
import { BOARD, Client, enableGic, enableSpi, Machine } from "./machine.ts";

const HOST_BASE = 0x8100_0000;
/** The root VM sees its memory at its physical address. */
const ROOT_BASE: Ipa = Number(BOARD.rootVm.base);
const SPI = 40;

describe("native programs", () => {
  it("boots the root VM with its environment", () => {
    const m = new Machine();
    expect(m.env.vmid).toBe(ROOT_VMID);
    expect(m.env.board).toEqual(BOARD);
    expect(Object.keys(m.env.hwirqs)).toHaveLength(988);
    m.root.call(Hypercall.hypervisor_identify);
    expect(m.root.x[0]).toBe(0x5100_0000_0000_8001n);
    // The QEMU build, and a watchdog.
    expect(m.root.x[1]).toBe(0x1000_0fffn);
    expect(m.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });

  it("lets root start a second VM and exchange messages with it", () => {
    const m = new Machine();
    const vm = m.createVm({ vmid: 3, base: HOST_BASE });
    const toHost = m.createMsgqueue();
    const toRoot = m.createMsgqueue();
    m.root.ok(Hypercall.msgqueue_bind_receive_virq, toHost, vm.vic, SPI);
    m.root.ok(Hypercall.msgqueue_bind_receive_virq, toRoot, BigInt(m.env.vic), SPI);
    m.enableRootSpi(SPI);
    const hostRx = m.give(toHost, vm);
    const hostTx = m.give(toRoot, vm);
    const log: string[] = [];

    let host!: Client;
    const receive = (client: Client, cap: bigint, buffer: number): string => {
      client.ok(Hypercall.msgqueue_receive, cap, buffer, 64);
      const bytes = new Uint8Array(Number(client.x[1]));
      client.vcpu.read(buffer, bytes);
      return new TextDecoder().decode(bytes);
    };
    const send = (client: Client, cap: bigint, buffer: number, text: string): void => {
      client.vcpu.write(buffer, new TextEncoder().encode(text));
      client.ok(Hypercall.msgqueue_send, cap, text.length, buffer, 1);
    };
    m.program(HOST_BASE, {
      name: "host",
      start(vcpu: NativeVcpu, context) {
        host = new Client(vcpu);
        log.push(`host starts with ${context}`);
        enableGic(vcpu, BOARD.hostGic.distributor, BOARD.hostGic.redistributors);
        enableSpi(vcpu, BOARD.hostGic.distributor, SPI);
      },
      interrupt(vcpu) {
        const intid = vcpu.acknowledge();
        log.push(`host interrupt ${intid}: ${receive(host, hostRx, HOST_BASE + 0x2000)}`);
        vcpu.endOfInterrupt(intid);
      },
    });
    m.onRootInterrupt = () => {
      log.push(`root: ${receive(m.root, toRoot, BOARD.rootVm.base + 0x2000)}`);
      send(m.root, toHost, BOARD.rootVm.base + 0x3000, "pong");
      log.push("root done");
    };
    m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, HOST_BASE, 77, 0);
    // The host has a lower priority: it starts when the root VM waits.
    expect(log).toEqual([]);
    m.hypervisor.schedule(1000);
    expect(log).toEqual(["host starts with 77"]);

    send(host, hostTx, HOST_BASE + 0x1000, "ping");
    // The root VM preempts inside the host's send; the host takes its interrupt when the call returns.
    expect(log.slice(1)).toEqual(["root: ping", "root done", "host interrupt 40: pong"]);
  });

  it("returns false from wfi when nothing can happen, and true after an interrupt", () => {
    const m = new Machine();
    expect(m.root.vcpu.wfi()).toBe(false);
    const bell = m.createDoorbell();
    m.root.ok(Hypercall.doorbell_bind_virq, bell, BigInt(m.env.vic), SPI);
    m.enableRootSpi(SPI);
    m.clock.at(m.clock.now() + 1000, () => m.hypervisor.setSpi(99, true));
    m.root.ok(Hypercall.hwirq_bind_virq, BigInt(m.env.hwirqs[99]!), BigInt(m.env.vic), 99);
    m.enableRootSpi(99, true);
    m.onRootInterrupt = (intid) => {
      if (intid === 99) m.hypervisor.setSpi(99, false);
    };
    expect(m.root.vcpu.wfi()).toBe(true);
    expect(m.rootInterrupts).toEqual([99]);
    expect(m.clock.now()).toBe(1000);
  });

  it("sees only its own memory", () => {
    const m = new Machine();
    const bytes = new Uint8Array(8);
    expect(m.root.vcpu.read(ROOT_BASE, bytes)).toBe(true);
    expect(m.root.vcpu.read(HOST_BASE, bytes)).toBe(false);
    expect(m.root.vcpu.view(HOST_BASE, 4096, "r")).toBeUndefined();
    const view = m.root.vcpu.view(ROOT_BASE, 8192, "rw")!;
    view[5] = 9;
    m.root.vcpu.wrote(ROOT_BASE, 8);
    m.root.vcpu.read(ROOT_BASE, bytes);
    expect(bytes[5]).toBe(9);
    expect(m.root.vcpu.view(ROOT_BASE, 8192, "rw")).toBe(view);
  });

  it("stops a program that is killed and frees all that its VM held", () => {
    const m = new Machine();
    const before = m.hypervisor.inspect.usage();
    const vm = m.createVm({ vmid: 3, base: HOST_BASE });
    let stopped = 0;
    m.program(HOST_BASE, { name: "host", stopped: () => stopped++ });
    m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, HOST_BASE, 0, 0);
    m.hypervisor.schedule(1000);
    expect(m.root.call(Hypercall.vcpu_kill, vm.vcpus[0]!)).toBe(GunyahError.OK);
    m.hypervisor.schedule(1000);
    expect(stopped).toBe(1);
    for (const cap of [...vm.vcpus, vm.vpm, vm.vic, vm.memory, vm.addrspace, vm.cspace]) m.delete(cap);
    expect(m.hypervisor.inspect.usage()).toEqual(before);
    expect(m.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });
});
