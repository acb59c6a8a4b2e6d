import { describe, expect, it } from "vitest";
import { BOARD } from "./fake-hyp.ts";
import { boot } from "./host.ts";

describe("host VM", () => {
  it("starts with its device tree in X0", () => {
    const { hyp } = boot();
    const on = hyp.live("thread").filter((thread) => thread.power === "on");
    expect(on).toHaveLength(1);
    expect(on[0]).toMatchObject({ entry: BigInt(BOARD.hostEntry), context: BigInt(BOARD.hostDtb.base) });
    expect(hyp.live("thread").length).toBe(1 + BOARD.hostCpus);
  });

  it("has all DRAM but the carve-out and the RM's own, one to one", () => {
    const { hyp } = boot();
    const space = hyp.addrspaceOf(BOARD.hostVmid);
    for (const ipa of [BOARD.dram.base, 0x8123_4000, BOARD.rootVm.base - 4096])
      expect(hyp.translate(space, ipa)).toMatchObject({ pa: ipa, access: 7 });
    for (const ipa of [BOARD.rootVm.base, BOARD.carveOut.base, BOARD.dram.base - 4096])
      expect(hyp.translate(space, ipa)).toBeUndefined();
    expect(hyp.translate(hyp.rm, BOARD.hostDtb.base)).toBeUndefined();
  });

  it("finds the hypervisor and the RM in its device tree", () => {
    const { tree } = boot();
    expect(tree.node("/hypervisor").strings("compatible")).toEqual([
      "gunyah-hypervisor",
      "qcom,gunyah-hypervisor-1.0",
      "qcom,gunyah-hypervisor",
      "simple-bus",
    ]);
    const [id, rm] = [...tree.node("/hypervisor").children];
    expect(id?.u32("qcom,vmid")).toBe(3);
    expect(rm?.cells("interrupts")).toEqual([0, 960 - 32, 1, 0, 961 - 32, 1]);
    expect(rm?.u32("qcom,tx-message-size")).toBe(240);
    expect(rm?.name).toMatch(/^qcom,resource-manager-rpc@[0-9a-f]{16}$/);
    expect(tree.root.string("compatible")).toBe("fake,board");
  });

  it("can talk to the RM", () => {
    const { host } = boot();
    expect(host.ok("VM_GET_VMID", {})).toEqual({ vmid: 3 });
    expect(host.ok("VM_HOST_GET_TYPE", {})).toEqual({ type: 0x0100_0164 });
  });
});
