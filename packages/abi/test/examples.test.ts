import { describe, expect, it } from "vitest";
import * as abi from "../src/index.ts";
import {
  AbiProfiles,
  AndroidIoctl,
  bootContextReg,
  fragmentRmMessage,
  GUNYAH_UID,
  GunyahIoctl,
  Hypercall,
  hypercallFid,
  ioctlsOf,
  MapAttrs,
  MapFlags,
  packApiInfo,
  QEMU_API_FLAGS0,
  QEMU_API_INFO,
  RmCalls,
  RmError,
  RmMessageType,
  RmNotifications,
  rmReplyPayload,
  unpackApiInfo,
} from "../src/index.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").replace(/(..)/g, "$1 ").trim();
const only = (entries: Uint8Array[]): Uint8Array => {
  expect(entries).toHaveLength(1);
  return entries[0] as Uint8Array;
};

describe("RM message bytes", () => {
  const request = (id: number, payload: Uint8Array) =>
    hex(only(fragmentRmMessage(RmMessageType.REQUEST, 5, id, payload)));
  const reply = (id: number, payload: Uint8Array) => hex(only(fragmentRmMessage(RmMessageType.REPLY, 5, id, payload)));
  const note = (id: number, payload: Uint8Array) =>
    hex(only(fragmentRmMessage(RmMessageType.NOTIFICATION, 0xbbaa, id, payload)));

  it("VM_ALLOCATE(0)", () => {
    const { id, request: codec } = RmCalls.VM_ALLOCATE;
    expect(request(id, codec.encode({ vmid: 0, reserved: 0 }))).toBe("21 01 05 00 01 00 00 56 00 00 00 00");
  });
  it("its reply with VMID 0x80", () => {
    const { id, reply: codec } = RmCalls.VM_ALLOCATE;
    expect(reply(id, rmReplyPayload(RmError.OK, codec.encode({ allocated: { vmid: 0x80 } })))).toBe(
      "21 02 05 00 01 00 00 56 00 00 00 00 80 00 00 00",
    );
  });
  it("VM_STOP by force, reason 3", () => {
    const { id, request: codec } = RmCalls.VM_STOP;
    expect(request(id, codec.encode({ vmid: 0x80, flags: 1, reason: 3 }))).toBe(
      "21 01 05 00 05 00 00 56 80 00 01 00 03 00 00 00",
    );
  });
  it("error reply VM_STATE", () => {
    expect(reply(RmCalls.VM_STOP.id, rmReplyPayload(RmError.VM_STATE))).toBe("21 02 05 00 05 00 00 56 14 00 00 00");
  });
  it("VM_GET_VMID", () => {
    expect(request(RmCalls.VM_GET_VMID.id, RmCalls.VM_GET_VMID.request.encode({}))).toBe("21 01 05 00 24 00 00 56");
  });
  it("MEM_LEND of one region to one VM", () => {
    const { id, request: codec } = RmCalls.MEM_LEND;
    const bytes = codec.encode({
      memType: 0,
      flags: 0,
      label: 0,
      acl: [{ vmid: 0x80, rights: 7 }],
      sgl: [{ address: 0x8000_0000n, size: 0x2000n }],
      attrs: [],
    });
    expect(request(id, bytes)).toBe(
      "21 01 05 00 12 00 00 51 00 00 00 00 00 00 00 00 01 00 00 00 80 00 07 00 01 00 00 00 " +
        "00 00 00 80 00 00 00 00 00 20 00 00 00 00 00 00 00 00 00 00",
    );
  });
  it("VM_STATUS RESET", () => {
    const { id, payload } = RmNotifications.VM_STATUS;
    expect(note(id, payload.encode({ vmid: 0x80, vmState: 11, osState: 0, appState: 0 }))).toBe(
      "21 03 aa bb 08 00 10 56 80 00 00 00 0b 00 00 00",
    );
  });
  it("VM_EXITED after a forced stop", () => {
    const { id, payload } = RmNotifications.VM_EXITED;
    expect(note(id, payload.encode({ vmid: 0x80, exitType: 7, reason: new Uint8Array(4) }))).toBe(
      "21 03 aa bb 01 00 10 56 80 00 07 00 04 00 00 00 00 00 00 00",
    );
  });
  it("fragment byte of a request in three entries, and of its continuations", () => {
    const entries = fragmentRmMessage(RmMessageType.REQUEST, 5, 0x5100_0012, new Uint8Array(600));
    expect(entries.map((entry) => entry[1])).toEqual([0x09, 0x08, 0x08]);
    expect(entries.map((entry) => entry.length)).toEqual([240, 240, 144]);
  });
});

describe("hypercall registers", () => {
  it("function ids that Linux uses", () => {
    expect(Hypercall.hypervisor_identify.fid).toBe(0xc600_8000);
    expect(Hypercall.doorbell_send.fid).toBe(0xc600_8012);
    expect(Hypercall.doorbell_mask.fid).toBe(0xc600_8015);
    expect(Hypercall.msgqueue_send.fid).toBe(0xc600_801b);
    expect(Hypercall.msgqueue_receive.fid).toBe(0xc600_801c);
    expect(Hypercall.addrspace_map.fid).toBe(0xc600_802b);
    expect(Hypercall.addrspace_unmap.fid).toBe(0xc600_802c);
    expect(Hypercall.memextent_donate.fid).toBe(0xc600_8061);
    expect(Hypercall.vcpu_run.fid).toBe(0xc600_8065);
    expect(hypercallFid(0x68)).toBe(Hypercall.vcpu_run_check.fid);
  });
  it("position of the trailing reserved register", () => {
    const reserved = (d: abi.HypercallDefinition) => d.inputs.find((p) => p.kind === "res0")?.register;
    expect(reserved(Hypercall.addrspace_map)).toBe(8);
    expect(reserved(Hypercall.addrspace_unmap)).toBe(7);
    expect(reserved(Hypercall.memextent_donate)).toBe(6);
    expect(reserved(Hypercall.vcpu_run)).toBe(5);
    expect(reserved(Hypercall.msgqueue_send)).toBe(5);
    expect(reserved(Hypercall.msgqueue_receive)).toBe(4);
    expect(Hypercall.hypervisor_identify.outputs.map((p) => p.register)).toEqual([0, 1, 2, 3]);
    expect(Hypercall.vcpu_run.outputs.map((p) => p.register)).toEqual([1, 2, 3, 4]);
  });
  it("CALL_UID words and identify of the QEMU build", () => {
    expect(GUNYAH_UID).toEqual([0xcd8f_d5c1, 0xdb5f_53a4, 0x36ce_6592, 0x145f_3d67]);
    const info = { version: 1, bigEndian: false, is64Bit: true, variant: 0x51 };
    expect(packApiInfo(info)).toBe(QEMU_API_INFO);
    expect(unpackApiInfo(QEMU_API_INFO)).toEqual(info);
    expect(QEMU_API_FLAGS0).toBe(0x1000_0effn);
  });
  it("lend and share attribute words", () => {
    expect(MapAttrs.pack({ userAccess: 7, kernelAccess: 7, memtype: 15 })).toBe(0xf0077);
    expect(MapAttrs.pack({ userAccess: 6, kernelAccess: 6, memtype: 15 })).toBe(0xf0066);
    expect(MapFlags.pack({ partial: 1, private: 1 })).toBe(3);
    expect(MapFlags.pack({ partial: 1, vmmio: 1 })).toBe(5);
    expect(MapFlags.reserved(0x8000_0008)).toBe(8);
    expect(MapFlags.unpack(0x8000_0001)).toEqual({ partial: 1, private: 0, vmmio: 0, noSync: 1 });
  });
});

describe("user ABI", () => {
  it("ioctl numbers", () => {
    expect(GunyahIoctl).toEqual({
      CREATE_VM: 0x0000_4700,
      VM_SET_USER_MEM_REGION: 0x4020_4701,
      VM_SET_DTB_CONFIG: 0x4010_4702,
      VM_START: 0x0000_4703,
      VM_ADD_FUNCTION: 0x4010_4704,
      VCPU_RUN: 0x0000_4705,
      VCPU_MMAP_SIZE: 0x0000_4706,
      VM_REMOVE_FUNCTION: 0x4010_4707,
      CREATE_GUEST_MEM: 0x4040_4708,
      VM_MAP_MEM: 0x4020_4709,
      VM_SET_BOOT_CONTEXT: 0x4010_470a,
    });
    expect(AndroidIoctl).toEqual({
      VM_LEND_USER_MEM: 0x4020_4111,
      VM_SET_FW_CONFIG: 0x4010_4112,
      VM_RECLAIM_REGION: 0x4010_4113,
      VM_MAP_CMA_MEM: 0x4028_4115,
      VM_SET_AUTH_TYPE: 0x4010_4116,
      VM_CHECK_EXTENSION: 0x0000_4117,
    });
  });
  it("structure sizes agree with the size in each ioctl number", () => {
    const sizes: [{ readonly name: string; readonly fixedSize: number | undefined }, number, number?][] = [
      [abi.CreateMemArgs, 64, GunyahIoctl.CREATE_GUEST_MEM],
      [abi.MapMemArgs, 32, GunyahIoctl.VM_MAP_MEM],
      [abi.UserspaceMemoryRegion, 32, GunyahIoctl.VM_SET_USER_MEM_REGION],
      [abi.VmDtbConfig, 16, GunyahIoctl.VM_SET_DTB_CONFIG],
      [abi.FnDesc, 16, GunyahIoctl.VM_ADD_FUNCTION],
      [abi.FnDesc, 16, GunyahIoctl.VM_REMOVE_FUNCTION],
      [abi.VmBootContext, 16, GunyahIoctl.VM_SET_BOOT_CONTEXT],
      [abi.FnVcpuArg, 4],
      [abi.FnIrqfdArg, 16],
      [abi.FnIoeventfdArg, 32],
      [abi.VmExitInfo, 16],
      [abi.VcpuRunMmio, 40],
      [abi.VcpuRunStatus, 40],
      [abi.VcpuRunPageFault, 40],
      [abi.AndroidVmRegion, 16, AndroidIoctl.VM_SET_FW_CONFIG],
      [abi.AndroidVmAuth, 16, AndroidIoctl.VM_SET_AUTH_TYPE],
      [abi.HypResource, 44],
      [abi.VmConfigImageRequest, 40],
      [abi.VmSetAddressLayoutRequest, 24],
      [abi.VmSetBootContextRequest, 16],
      [abi.VmSetFirmwareMemRequest, 24],
      [abi.VmSetTimeBaseRequest, 20],
      [abi.MemAnswerNotification, 12],
      [abi.MemRecallNotification, 8],
      [abi.MemReleaseRequest, 8],
    ];
    for (const [codec, size, request] of sizes) {
      expect([codec.name, codec.fixedSize]).toEqual([codec.name, size]);
      if (request !== undefined) expect((request >>> 16) & 0x3fff).toBe(size);
    }
  });
  it("field offsets", () => {
    expect(abi.MapMemArgs.offsets).toEqual({ guestAddr: 0, flags: 8, guestMemFd: 12, offset: 16, size: 24 });
    expect(abi.FnIoeventfdArg.offsets).toMatchObject({ datamatch: 0, addr: 8, len: 16, fd: 20, flags: 24 });
    expect(abi.HypResource.offsets).toEqual({
      type: 0,
      partnerVmid: 2,
      handle: 4,
      label: 8,
      capId: 12,
      virqHandle: 20,
      virq: 24,
      base: 28,
      size: 36,
    });
    expect(abi.VcpuRunMmio.offsets).toMatchObject({
      exitReason: 8,
      physAddr: 16,
      data: 24,
      len: 32,
      isWrite: 36,
      resumeAction: 37,
    });
    expect(abi.VcpuRunStatus.offsets).toMatchObject({ status: 16, exitType: 20, reasonSize: 24, reason: 28 });
    expect(abi.VcpuRunPageFault.offsets).toMatchObject({ physAddr: 16, attempt: 24, resumeAction: 28 });
  });
  it("boot context register words", () => {
    const { X, PC, SP } = abi.BootContextSet;
    expect([bootContextReg(X, 0), bootContextReg(X, 30), bootContextReg(PC, 0), bootContextReg(SP, 1)]).toEqual([
      0, 0x1e, 0x100, 0x201,
    ]);
  });
  it("run page view and codecs read the same bytes", () => {
    const page = new abi.VcpuRunPage(new Uint8Array(4096));
    page.exitReason = abi.VcpuExit.MMIO;
    page.physAddr = 0x12_3456_7890;
    page.mmioValue = 0x1122_3344_5566_7788n;
    page.mmioLength = 4;
    page.mmioIsWrite = true;
    page.mmioResumeAction = 2;
    expect(abi.VcpuRunMmio.decode(page.bytes.slice(0, 40))).toEqual({
      ok: true,
      value: {
        immediateExit: 0,
        exitReason: 1,
        physAddr: 0x12_3456_7890n,
        data: Uint8Array.of(0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11),
        len: 4,
        isWrite: 1,
        resumeAction: 2,
      },
    });
    expect(page.physAddr).toBe(0x12_3456_7890);
    page.setStatus(abi.VmStatus.EXITED, 2, 4, Uint8Array.of(1, 2, 3, 4));
    expect(abi.VcpuRunStatus.decode(page.bytes.slice(0, 40))).toMatchObject({
      value: { exitReason: 2, status: 2, exitType: 2, reasonSize: 4 },
    });
    page.pageFaultAttempt = -2;
    expect(page.pageFaultAttempt).toBe(-2);
  });
  it("each profile knows its own ioctls", () => {
    const names = (profile: abi.AbiProfile) => ioctlsOf(profile).map((entry) => entry.name);
    expect(names(AbiProfiles.v14)).toContain("VM_SET_USER_MEM_REGION");
    expect(names(AbiProfiles.v14)).not.toContain("VM_MAP_MEM");
    for (const profile of [AbiProfiles.v15, AbiProfiles.v16, AbiProfiles.v17]) {
      expect(names(profile)).not.toContain("VM_SET_USER_MEM_REGION");
      expect(names(profile)).toHaveLength(10);
    }
    expect(abi.DEFAULT_ABI_PROFILE).toBe(AbiProfiles.v17);
  });
});
