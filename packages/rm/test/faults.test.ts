import { GunyahError, RmError, VmState } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { BOARD } from "./fake-hyp.ts";
import { boot, DTB_AT, make } from "./host.ts";

const vm = (vmid: number) => ({ vmid, reserved: 0 });

/** Every hypercall that VM_INIT or VM_START makes, refused at its first, second… use. */
const CALLS = [
  "partition_create_cspace",
  "partition_create_addrspace",
  "partition_create_vic",
  "partition_create_vpm_group",
  "partition_create_thread",
  "partition_create_memextent",
  "partition_create_doorbell",
  "object_activate",
  "cspace_configure",
  "addrspace_configure",
  "addrspace_configure_vmmio",
  "addrspace_attach_vdevice",
  "vic_configure",
  "vpm_group_configure",
  "vcpu_configure",
  "vcpu_set_priority",
  "cspace_attach_thread",
  "vic_attach_vcpu",
  "vpm_group_attach_vcpu",
  "vcpu_bind_virq",
  "doorbell_bind_virq",
  "memextent_configure_derive",
  "cspace_copy_cap_from",
  "addrspace_map",
  "vcpu_register_write",
  "vcpu_poweron",
] as const;

describe("why a request failed", () => {
  it("is in the trace, the RM's error first and then the hypervisor's, for the reply has one word", () => {
    const system = boot();
    const { host, hyp, errors } = system;
    const { vmid } = make(system, "READY");
    hyp.failures.set("addrspace_map", { after: 0, error: GunyahError.NOMEM });
    const { error } = host.call("VM_START", vm(vmid));
    expect(error).toBe(RmError.NORESOURCE);
    const said = errors.map(({ layer, code, value, detail }) => ({ layer, code, value, detail }));
    expect(said).toEqual([
      { layer: "rm", code: "NORESOURCE", value: error, detail: expect.stringMatching(/^VM_START: .*NOMEM$/) },
      { layer: "hypervisor", code: "NOMEM", value: GunyahError.NOMEM, detail: expect.stringMatching(/map/) },
    ]);
  });

  it("names no hypercall where none failed", () => {
    const system = boot();
    const { host, errors } = system;
    expect(host.call("VM_START", vm(200)).error).toBe(RmError.VMID_INVALID);
    expect(errors).toMatchObject([{ layer: "rm", code: "VMID_INVALID", detail: "VM_START: no VM 200" }]);
  });
});

describe("a hypercall that fails while a VM is made", () => {
  it.each(CALLS)("%s leaves nothing behind, at whatever use", (name) => {
    for (let after = 0; ; after++) {
      const system = boot();
      const { host, hyp } = system;
      // Once round first: the second VM must find everything as the first one found it.
      const { vmid, handle } = make(system, "INIT", { cpus: 2 });
      host.ok("VM_SET_BOOT_CONTEXT", { vmid, registerSet: 0, registerIndex: 3, value: 1n });
      const caps = hyp.caps.size;
      hyp.failures.set(name, { after, error: GunyahError.NOMEM });
      const init = host.call("VM_INIT", vm(vmid)).error;
      const start = init === RmError.OK ? host.call("VM_START", vm(vmid)).error : RmError.OK;
      const happened = !hyp.failures.has(name);
      hyp.failures.clear();
      if (!happened) {
        expect(after).toBeGreaterThan(0);
        expect([init, start]).toEqual([RmError.OK, RmError.OK]);
        return;
      }
      expect([init, start]).not.toEqual([RmError.OK, RmError.OK]);
      expect(host.ok("VM_GET_STATE", vm(vmid))).toMatchObject({ vmState: VmState.INIT_FAILED });
      host.ok("VM_RESET", vm(vmid));
      expect([after, hyp.caps.size]).toEqual([after, caps]);
      host.ok("MEM_RECLAIM", { handle, flags: 0 });
      host.ok("VM_DEALLOCATE", vm(vmid));
      expect(hyp.translate(hyp.addrspaceOf(BOARD.hostVmid), DTB_AT)).toMatchObject({ pa: DTB_AT });
      make(system, "RUNNING", { cpus: 2 });
    }
  });
});
