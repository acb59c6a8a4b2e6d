/**
 * A real Linux kernel as a proxy-scheduled VM: the root VM plays the VMM with hypercalls alone.
 */

import { gunzipSync } from "node:zlib";
import { Hypercall, VcpuRunState } from "@gunyah-ts/abi";
import { createArm64Backend } from "@gunyah-ts/arch-arm64";
import { cells, cells64, DeviceTree, EMPTY, writeDtb } from "@gunyah-ts/devicetree";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { describe, expect, it } from "vitest";
import { BOARD, Machine, type TestVm } from "./machine.ts";

const MIB = 1 << 20;
const DRAM = 0x4000_0000;
const UART = 0x900_0000;
const UART_SPI = 33;
const INITRD = DRAM + 128 * MIB;
const DTB = DRAM + 112 * MIB;
const WAKEUP = 50;

function deviceTree(cpus: number, initrdSize: number): Uint8Array {
  const tree = new DeviceTree();
  const { root } = tree;
  root.set("#address-cells", 2).set("#size-cells", 2).set("compatible", "gunyah-ts,test").set("interrupt-parent", 1);
  root.addChild("chosen", {
    bootargs: "console=ttyAMA0 panic=-1 quiet",
    "linux,initrd-start": cells64(BigInt(INITRD)),
    "linux,initrd-end": cells64(BigInt(INITRD + initrdSize)),
  });
  root.addChild(`memory@${DRAM.toString(16)}`, { device_type: "memory", reg: cells(0, DRAM, 0, 256 * MIB) });
  const list = root.addChild("cpus", { "#address-cells": 1, "#size-cells": 0 });
  for (let i = 0; i < cpus; i++)
    list.addChild(`cpu@${i}`, { device_type: "cpu", compatible: "arm,armv8", reg: i, "enable-method": "psci" });
  root.addChild("psci", { compatible: ["arm,psci-1.0", "arm,psci-0.2"], method: "hvc" });
  root.addChild("timer", {
    compatible: "arm,armv8-timer",
    interrupts: cells(1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4),
    "always-on": EMPTY,
  });
  const { distributor, redistributors } = BOARD.hostGic;
  root.addChild(`interrupt-controller@${distributor.toString(16)}`, {
    compatible: "arm,gic-v3",
    phandle: 1,
    "#interrupt-cells": 3,
    "#address-cells": 0,
    "interrupt-controller": EMPTY,
    reg: cells(0, distributor, 0, 0x1_0000, 0, redistributors, 0, cpus * 0x2_0000),
  });
  root.addChild("apb-pclk", {
    compatible: "fixed-clock",
    "#clock-cells": 0,
    "clock-frequency": 24_000_000,
    phandle: 2,
  });
  root.addChild(`pl011@${UART.toString(16)}`, {
    compatible: ["arm,pl011", "arm,primecell"],
    reg: cells(0, UART, 0, 0x1000),
    interrupts: cells(0, UART_SPI - 32, 4),
    clocks: cells(2, 2),
    "clock-names": ["uartclk", "apb_pclk"],
  });
  return writeDtb(tree);
}

/** As much of a PL011 as a console needs: transmit at once, receive from a string, a level interrupt. */
class Uart {
  output = "";
  readonly #input: number[] = [];
  readonly #setInterrupt: (high: boolean) => void;
  #mask = 0;
  #transmitted = false;

  constructor(setInterrupt: (high: boolean) => void) {
    this.#setInterrupt = setInterrupt;
  }

  type(text: string): void {
    for (const c of text) this.#input.push(c.charCodeAt(0));
    this.#update();
  }

  read(offset: number): number {
    const identification = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
    if (offset >= 0xfe0) return identification[(offset - 0xfe0) / 4]!;
    switch (offset) {
      case 0x00: {
        const value = this.#input.shift() ?? 0;
        this.#update();
        return value;
      }
      case 0x18:
        return 0x80 | (this.#input.length === 0 ? 0x10 : 0);
      case 0x38:
        return this.#mask;
      case 0x3c:
        return this.#raw();
      case 0x40:
        return this.#raw() & this.#mask;
      default:
        return 0;
    }
  }

  write(offset: number, value: number): void {
    if (offset === 0x00) {
      this.output += String.fromCharCode(value & 0xff);
      this.#transmitted = true;
    } else if (offset === 0x38) this.#mask = value;
    else if (offset === 0x44 && (value & 0x20) !== 0) this.#transmitted = false;
    this.#update();
  }

  #raw(): number {
    return (this.#input.length === 0 ? 0 : 0x50) | (this.#transmitted ? 0x20 : 0);
  }

  #update(): void {
    this.#setInterrupt((this.#raw() & this.#mask) !== 0);
  }
}

class LinuxVm {
  readonly m: Machine;
  readonly vm: TestVm;
  readonly uart: Uart;
  readonly #resume: bigint[];
  readonly #ready: boolean[];
  /** Set by SYSTEM_OFF, SYSTEM_RESET or a fault. */
  ended: number | undefined;

  constructor(m: Machine, vm: TestVm) {
    this.m = m;
    this.vm = vm;
    this.#resume = vm.vcpus.map(() => 0n);
    this.#ready = vm.vcpus.map((_, i) => i === 0);
    const bell = m.createDoorbell();
    m.root.ok(Hypercall.doorbell_bind_virq, bell, vm.vic, UART_SPI);
    let high = false;
    this.uart = new Uart((level) => {
      if (level === high) return;
      high = level;
      if (level) m.root.ok(Hypercall.doorbell_send, bell, 1);
      else m.root.ok(Hypercall.doorbell_receive, bell, 1);
    });
    vm.vcpus.forEach((vcpu, i) => {
      m.root.ok(Hypercall.vcpu_bind_virq, vcpu, BigInt(m.env.vic), WAKEUP + i, 1);
      m.enableRootSpi(WAKEUP + i);
    });
    m.onRootInterrupt = (intid) => {
      if (intid >= WAKEUP) this.#ready[intid - WAKEUP] = true;
    };
    m.root.ok(Hypercall.addrspace_configure_vmmio, vm.addrspace, UART, 0x1000, 0);
  }

  /** Run every vCPU in turn until `done`, or nothing can happen any more. */
  run(done: () => boolean): void {
    while (this.ended === undefined && !done()) {
      let ran = false;
      for (let i = 0; i < this.#ready.length && this.ended === undefined; i++) {
        if (!this.#ready[i]) continue;
        ran = true;
        this.#runOne(i);
      }
      if (!ran && !this.m.root.vcpu.wfi()) return;
    }
  }

  #runOne(i: number): void {
    const { root } = this.m;
    this.#ready[i] = false;
    root.ok(Hypercall.vcpu_run, this.vm.vcpus[i]!, this.#resume[i]!, 0, 0);
    const { x } = root;
    const offset = Number(x[2]!) - UART;
    switch (Number(x[1]!)) {
      case VcpuRunState.ADDRSPACE_VMMIO_READ:
        this.#resume[i] = BigInt(this.uart.read(offset));
        break;
      case VcpuRunState.ADDRSPACE_VMMIO_WRITE:
        this.uart.write(offset, Number(x[4]!));
        break;
      case VcpuRunState.EXPECTS_WAKEUP:
      case VcpuRunState.POWERED_OFF:
        return;
      case VcpuRunState.READY:
        break;
      default:
        this.ended = Number(x[1]!);
        return;
    }
    this.#ready[i] = true;
  }
}

async function boot(cpus: number): Promise<LinuxVm> {
  const m = new Machine({
    backend: (physicalMemory, clock) => createArm64Backend({ physicalMemory, clock }),
    instructionsPerTick: 50,
    board: {
      dram: { base: DRAM, size: 320 * MIB },
      carveOut: { base: DRAM + 304 * MIB, size: 16 * MIB },
      rootVm: { base: DRAM + 300 * MIB, size: MIB },
      rootVmEntry: DRAM + 300 * MIB,
    },
  });
  m.trace.events.length = 0;
  const vm = m.createVm({ vmid: 40, base: DRAM, size: 256 * MIB, proxy: true, psci: true, vcpus: cpus });
  const linux = await guestLinux();
  const kernel = gunzipSync(linux.kernel);
  const entry = DRAM + Number(kernel.readBigUInt64LE(8));
  m.memory.write(entry, kernel);
  m.memory.write(INITRD, linux.initrd);
  m.memory.write(DTB, deviceTree(cpus, linux.initrd.length));
  const guest = new LinuxVm(m, vm);
  m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, entry, DTB, 0);
  return guest;
}

describe("Linux as a VM", () => {
  it.each([1, 2])("boots to a shell on %i vCPU, takes commands and powers off", { timeout: 120_000 }, async (cpus) => {
    const guest = await boot(cpus);
    guest.run(() => guest.uart.output.includes("# "));
    expect(guest.uart.output).toContain("# ");
    guest.uart.type("echo cpus=$(nproc) up=$((6*7))\n");
    guest.run(() => guest.uart.output.includes(`cpus=${cpus} up=42`));
    expect(guest.uart.output).toContain(`cpus=${cpus} up=42`);
    guest.uart.type("poweroff -f\n");
    guest.run(() => guest.ended !== undefined);
    const states = guest.m.hypervisor.inspect
      .vms()
      .find((v) => v.vmid === 40)!
      .vcpus.map((v) => v.state);
    expect(states[0]).toMatch(/VCPU_OFF|KILLED/);
    expect(guest.uart.output).not.toMatch(/BUG|WARNING|Oops|stall/);
    expect(guest.m.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });
});
