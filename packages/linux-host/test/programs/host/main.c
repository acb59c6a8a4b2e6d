/*
 * A host without an operating system: what the Linux driver does with the hypervisor and the Resource Manager, call by call.
 * Identify, messages both ways, a VM from allocation to deallocation, memory lent on demand, MMIO exits, a doorbell.
 * Source: Linux series v17, drivers/virt/gunyah/{vm_mgr,gunyah_vcpu,guest_memfd,rsc_mgr_rpc}.c
 */
#include "host.h"

enum { /* Hypercalls. */
  IDENTIFY = 0x00,
  DOORBELL_SEND = 0x12,
  ADDRSPACE_MAP = 0x2b,
  ADDRSPACE_UNMAP = 0x2c,
  MEMEXTENT_DONATE = 0x61,
  VCPU_RUN = 0x65,
};
enum { TO_PROTECTED = 3, FROM_PROTECTED = 4 };
enum { MAP_PARTIAL = 1, MAP_PRIVATE = 2, RWX_WRITE_BACK = 0xf0077 };
enum { /* States of vcpu_run. */
  READY = 0,
  EXPECTS_WAKEUP = 1,
  POWERED_OFF = 2,
  BLOCKED = 3,
  VMMIO_READ = 4,
  VMMIO_WRITE = 5,
  PAGE_FAULT = 7,
};
enum { RESUME_EMULATE = 0, RESUME_RETRY = 1 };
enum { /* RM messages. */
  MEM_LEND = 0x51000012,
  MEM_RECLAIM = 0x51000015,
  VM_ALLOCATE = 0x56000001,
  VM_DEALLOCATE = 0x56000002,
  VM_START = 0x56000004,
  VM_RESET = 0x56000006,
  VM_CONFIG_IMAGE = 0x56000009,
  VM_INIT = 0x5600000b,
  VM_GET_HYP_RESOURCES = 0x56000020,
  VM_GET_VMID = 0x56000024,
  VM_SET_BOOT_CONTEXT = 0x56000031,
  VM_SET_DEMAND_PAGING = 0x56000033,
  VM_SET_ADDRESS_LAYOUT = 0x56000034,
  NOTIFY_EXITED = 0x56100001,
  NOTIFY_STATUS = 0x56100008,
};
enum { RM_VM_STATE = 0x14, STATE_RESET = 11, EXIT_PLATFORM_OFF = 1 };
enum { RESOURCE_BELL_TX = 0, RESOURCE_VCPU = 4, RESOURCE_MEM_EXTENT = 9, RESOURCE_ADDR_SPACE = 10 };

#define PAGE 4096ull
#define GUEST_BASE 0x80000000ull
#define GUEST_SIZE 0x200000ull
#define CODE (GUEST_BASE + 0x10000)
#define DTB_ROOM 0x4000u
#define DEVICE 0x01000000ull
#define FILLED 0x1122334455667788ull

extern const u8 guest_start[], guest_end[], guest_dtb[], guest_dtb_end[];

/* The guest's memory, 16 MiB behind this program: host address = memory + (IPA - GUEST_BASE). */
static u8 *memory;

static struct {
  u16 vmid;
  u32 parcel;
  u64 vcpu, addrspace, host_private, guest_private, bell;
  u8 lent[GUEST_SIZE / PAGE];
  /* Stores of the guest that say what it found, in order. */
  u64 told[16];
  u32 tellings;
} vm;

struct sgl {
  u64 address, size;
};

static u64 host_address(u64 ipa)
{
  return (u64)memory + ipa - GUEST_BASE;
}

static void identify(void)
{
  static const u32 uid[4] = {0xcd8fd5c1, 0xdb5f53a4, 0x36ce6592, 0x145f3d67};
  check("CALL_UID word 0", smccc(0x8600ff01, 4, 0, 0, 0, 0), uid[0]);
  for (unsigned i = 1; i < 4; i++) check("CALL_UID word", result[i - 1], uid[i]);
  u64 info = hypercall(IDENTIFY, 4, 0, 0, 0, 0, 0, 0, 0);
  check("the API version", info & 0x3fff, 1);
  check("feature vcpu_run", result[0] >> 11 & 1, 1);
  check("an unknown hypercall", hypercall(0x1ff, 1, 1, 2, 3, 4, 5, 6, 7), ~0ull);
  check("an unknown function", smccc(0xc6fe0000, 1, 0, 1, 2, 3), ~0ull);
  check("SMCCC_VERSION", smccc(0x80000000, 4, 0, 0, 0, 0), 0x10003);
  check("doorbell_send to no capability", hypercall(DOORBELL_SEND, 2, ~0ull, 1, 0, 0, 0, 0, 0) != 0, 1);
}

static u32 on_vm(u32 id)
{
  u16 payload[2] = {vm.vmid, 0};
  return rm_call(id, payload, sizeof payload);
}

static void lend_device_tree(void)
{
  struct __attribute__((packed)) {
    u8 mem_type, reserved, flags, zero;
    u32 label;
    u16 acl_count, acl_zero, acl_vmid;
    u8 acl_rights, acl_pad;
    u16 sgl_count, sgl_zero;
    struct sgl sgl;
    u32 attributes;
  } lend = {.acl_count = 1, .acl_vmid = vm.vmid, .acl_rights = 7, .sgl_count = 1, .sgl = {(u64)memory, DTB_ROOM}};
  copy(memory, guest_dtb, (u64)(guest_dtb_end - guest_dtb));
  check("MEM_LEND", rm_call(MEM_LEND, &lend, sizeof lend), 0);
  copy(&vm.parcel, reply, 4);
}

static void configure(void)
{
  struct __attribute__((packed)) {
    u16 vmid, auth;
    u32 handle;
    u64 image_offset, image_size, dtb_offset, dtb_size;
  } image = {vm.vmid, 0, vm.parcel, 0, 0, 0, DTB_ROOM};
  struct __attribute__((packed)) {
    u16 vmid, zero;
    u32 count;
    struct sgl range;
  } demand = {vm.vmid, 0, 1, {GUEST_BASE, GUEST_SIZE}};
  struct __attribute__((packed)) {
    u16 vmid, zero;
    u32 range;
    u64 base, size;
  } layout = {vm.vmid, 0, 0, GUEST_BASE, DTB_ROOM};
  struct __attribute__((packed)) {
    u16 vmid;
    u8 set, index;
    u32 zero;
    u64 value;
  } pc = {vm.vmid, 1, 0, 0, CODE}, x0 = {vm.vmid, 0, 0, 0, 0x600d};
  check("VM_START too early", on_vm(VM_START), RM_VM_STATE);
  check("VM_CONFIG_IMAGE", rm_call(VM_CONFIG_IMAGE, &image, sizeof image), 0);
  check("VM_SET_DEMAND_PAGING", rm_call(VM_SET_DEMAND_PAGING, &demand, sizeof demand), 0);
  check("VM_SET_ADDRESS_LAYOUT", rm_call(VM_SET_ADDRESS_LAYOUT, &layout, sizeof layout), 0);
  check("VM_INIT", on_vm(VM_INIT), 0);
  check("VM_SET_BOOT_CONTEXT PC", rm_call(VM_SET_BOOT_CONTEXT, &pc, sizeof pc), 0);
  check("VM_SET_BOOT_CONTEXT X0", rm_call(VM_SET_BOOT_CONTEXT, &x0, sizeof x0), 0);
}

static void find_resources(void)
{
  check("VM_GET_HYP_RESOURCES", on_vm(VM_GET_HYP_RESOURCES), 0);
  u32 count;
  copy(&count, reply, 4);
  check("the size of the resource list", reply_size, 4 + 44 * count);
  for (u32 i = 0; i < count; i++) {
    const u8 *entry = reply + 4 + 44 * i;
    u32 label;
    u64 cap;
    copy(&label, entry + 8, 4);
    copy(&cap, entry + 12, 8);
    if (entry[0] == RESOURCE_VCPU) vm.vcpu = cap;
    if (entry[0] == RESOURCE_BELL_TX && label == 5) vm.bell = cap;
    if (entry[0] == RESOURCE_ADDR_SPACE) vm.addrspace = cap;
    if (entry[0] == RESOURCE_MEM_EXTENT && label == 0) vm.guest_private = cap;
    if (entry[0] == RESOURCE_MEM_EXTENT && label == 2) vm.host_private = cap;
  }
  check("all resources found", vm.vcpu && vm.bell && vm.addrspace && vm.guest_private && vm.host_private, 1);
}

static void start_vm(void)
{
  check("VM_ALLOCATE", rm_call(VM_ALLOCATE, (u16[2]){0, 0}, 4), 0);
  copy(&vm.vmid, reply, 2);
  check("a dynamic VMID", vm.vmid >= 0x80 && vm.vmid < 0xbf, 1);
  lend_device_tree();
  configure();
  find_resources();
  /* From here the parcel's pages are the guest's like any other that it touched. */
  for (u64 i = 0; i < DTB_ROOM / PAGE; i++) vm.lent[i] = 1;
  check("VM_START", on_vm(VM_START), 0);
}

/* The guest touched a page for the first time. */
static void lend_page(u64 ipa)
{
  u64 page = ipa & ~(PAGE - 1), index = (page - GUEST_BASE) / PAGE;
  check("a fault inside what was announced", page >= GUEST_BASE && page < GUEST_BASE + GUEST_SIZE, 1);
  check("a page that was not lent before", vm.lent[index], 0);
  vm.lent[index] = 1;
  u64 address = host_address(page);
  check("memextent_donate",
        hypercall(MEMEXTENT_DONATE, 1, TO_PROTECTED, vm.host_private, vm.guest_private, address, PAGE, 0, 0), 0);
  check("addrspace_map",
        hypercall(ADDRSPACE_MAP, 1, vm.addrspace, vm.guest_private, page, RWX_WRITE_BACK, MAP_PARTIAL | MAP_PRIVATE,
                  address, PAGE),
        0);
}

static void store(u64 offset, u64 size, u64 value)
{
  static u32 narrow;
  static const u64 sizes[] = {1, 2, 4}, values[] = {0x34, 0x1234, 0};
  switch (offset) {
  case 0:
    check("X0 of the guest", value, 0x600d);
    break;
  case 8:
    check("the size of a narrow store", size, sizes[narrow % 3]);
    check("the value of a narrow store", value, values[narrow % 3]);
    narrow++;
    break;
  case 24:
    vm.told[vm.tellings++ & 15] = value;
    break;
  case 32:
    check("doorbell_send", hypercall(DOORBELL_SEND, 2, vm.bell, 1, 0, 0, 0, 0, 0), 0);
    check("the doorbell's flags before", result[0], 0);
    break;
  case 40:
    check("the doorbell's interrupt in GICD_ISPENDR1", value & 1 << 5, 1 << 5);
    break;
  default:
    say("FAILED: a store of the guest at", offset);
    failures++;
  }
}

static void run_vm(void)
{
  u64 resume0 = 0, resume1 = 0;
  for (u32 rounds = 0; rounds < 1000000; rounds++) {
    u64 error = hypercall(VCPU_RUN, 5, vm.vcpu, resume0, resume1, 0, 0, 0, 0);
    u64 state = result[0], address = result[1], size = result[2], value = result[3];
    resume0 = resume1 = 0;
    if (error != 0) {
      check("vcpu_run", error, 0);
      return;
    }
    switch (state) {
    case READY:
    case BLOCKED:
    case EXPECTS_WAKEUP:
      break;
    case POWERED_OFF:
      return;
    case VMMIO_READ:
      check("the address of a load", address >= DEVICE + 16 && address < DEVICE + 24, 1);
      resume0 = 0xf1e2d3c4b5a69788ull >> (8 * (address & 7));
      resume1 = RESUME_EMULATE;
      break;
    case VMMIO_WRITE:
      store(address - DEVICE, size, value);
      break;
    case PAGE_FAULT:
      lend_page(address);
      resume1 = RESUME_RETRY;
      break;
    default:
      check("the state of vcpu_run", state, READY);
      return;
    }
  }
  fail("the guest does not end");
}

static void check_guest(void)
{
  static const u64 told[] = {0xf1e2d3c4b5a69788ull, 0xffffffffffffff97ull, 0xb5a6, FILLED, 0x5a5a, 0x10001};
  check("how often the guest told something", vm.tellings, 6);
  for (u32 i = 0; i < 6; i++) check("what the guest told", vm.told[i], told[i]);
  const u8 *exited = rm_notification(NOTIFY_EXITED);
  check("VM_EXITED of our VM", exited[0] | exited[1] << 8, vm.vmid);
  check("the exit type", exited[2] | exited[3] << 8, EXIT_PLATFORM_OFF);
}

static void take_back(void)
{
  for (u64 i = 0; i < GUEST_SIZE / PAGE; i++) {
    if (!vm.lent[i]) continue;
    u64 ipa = GUEST_BASE + i * PAGE, address = host_address(ipa);
    check("addrspace_unmap",
          hypercall(ADDRSPACE_UNMAP, 1, vm.addrspace, vm.guest_private, ipa, MAP_PARTIAL | MAP_PRIVATE, address, PAGE, 0),
          0);
    check("memextent_donate back",
          hypercall(MEMEXTENT_DONATE, 1, FROM_PROTECTED, vm.guest_private, vm.host_private, address, PAGE, 0, 0), 0);
    vm.lent[i] = 0;
  }
  check("what only the guest wrote", *(u64 *)(memory + 0x180020), 0x5a5a);
}

static void end_vm(void)
{
  take_back();
  check("VM_RESET", on_vm(VM_RESET), 0);
  for (;;) {
    const u8 *status = rm_notification(NOTIFY_STATUS);
    if ((status[0] | status[1] << 8) == vm.vmid && status[4] == STATE_RESET) break;
  }
  check("VM_DEALLOCATE", on_vm(VM_DEALLOCATE), 0);
}

void main(const u8 *dtb)
{
  /* Where the program runs, not where it was linked. */
  __asm__("adrp %0, _start" : "=r"(memory));
  memory += 0x1000000;
  read_device_tree(dtb);
  if (!board.tx || !board.rx) fail("no Resource Manager in the device tree");
  identify();
  check("VM_GET_VMID", rm_call(VM_GET_VMID, 0, 0), 0);
  check("the host's VMID", *(u32 *)reply, 3);
  for (u32 round = 0; round < 2; round++) {
    fill(&vm, 0, sizeof vm);
    fill(memory, 0, GUEST_SIZE);
    copy(memory + (CODE - GUEST_BASE), guest_start, (u64)(guest_end - guest_start));
    *(u64 *)(memory + 0x100018) = FILLED;
    start_vm();
    run_vm();
    check_guest();
    end_vm();
    say("guest ended, VMID", vm.vmid);
  }
  say("checks", checks);
  say("failures", failures);
  smccc(0x84000008, 4, 1, 0, 0, 0);
}
