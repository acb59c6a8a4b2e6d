/*
 * The user ABI of /dev/gunyah, as far as the program uses it: numbers, sizes and offsets of the Linux driver series
 * v14 to v17, and of the Android kernel where it has the same call.
 */
#pragma once
#include <stdint.h>

#define GUNYAH_CALL(nr) (0x4700u | (nr))
#define GUNYAH_CALL_IN(nr, size) (0x40000000u | (uint32_t)(size) << 16 | 0x4700u | (nr))

/* On /dev/gunyah. */
#define CREATE_VM GUNYAH_CALL(0x0)
#define CREATE_GUEST_MEM GUNYAH_CALL_IN(0x8, 64) /* v15+ */
/* On a VM. */
#define SET_USER_MEM_REGION GUNYAH_CALL_IN(0x1, 32) /* v14, Android */
#define SET_DTB_CONFIG GUNYAH_CALL_IN(0x2, 16)
#define VM_START GUNYAH_CALL(0x3)
#define ADD_FUNCTION GUNYAH_CALL_IN(0x4, 16)
#define MAP_MEM GUNYAH_CALL_IN(0x9, 32)          /* v15+ */
#define SET_BOOT_CONTEXT GUNYAH_CALL_IN(0xa, 16) /* v15+, Android */
/* On a vCPU. */
#define VCPU_RUN GUNYAH_CALL(0x5)
#define VCPU_MMAP_SIZE GUNYAH_CALL(0x6)

enum { GUEST_MEM_CLOEXEC = 1 };
/* MAP_MEM: lend, with all rights to the guest. The Android kernel numbers the flags differently. */
enum { MAP_LEND_RWX = 0x001 | 0x070, ANDROID_MAP_LEND_RWX = 0x010 | 0x007 };
enum { REGION_RWX = 7 };
enum { FUNCTION_VCPU = 1, FUNCTION_IRQFD = 2, FUNCTION_IOEVENTFD = 3 };
enum { IRQFD_LEVEL = 1 };
enum { IOEVENTFD_DATAMATCH = 1 };
enum { BOOT_X0 = 0x000, BOOT_PC = 0x100 };
enum { EXIT_MMIO = 1, EXIT_STATUS = 2, EXIT_PAGE_FAULT = 3 };
enum { STATUS_LOAD_FAILED = 1, STATUS_EXITED = 2, STATUS_CRASHED = 3 };
enum { RESUME_HANDLED = 0, RESUME_FAULT = 1 };
/* How the VM ended, as the Resource Manager says it. */
enum { VM_EXIT = 0, VM_SYSTEM_OFF = 1, VM_SYSTEM_RESET = 2, VM_SYSTEM_RESET2 = 3, VM_STOP_FORCED = 7 };

struct create_mem_args {
	uint64_t flags, size, reserved[6];
};

struct map_mem_args {
	uint64_t guest_addr;
	uint32_t flags, guest_mem_fd;
	uint64_t offset, size;
};

struct user_mem_region {
	uint32_t label, flags;
	uint64_t guest_phys_addr, memory_size, userspace_addr;
};

struct dtb_config {
	uint64_t guest_phys_addr, size;
};

struct boot_context {
	uint32_t reg, reserved;
	uint64_t value;
};

struct function {
	uint32_t type, arg_size;
	uint64_t arg;
};

struct irqfd_arg {
	uint32_t fd, label, flags, padding;
};

struct ioeventfd_arg {
	uint64_t datamatch, addr;
	uint32_t len;
	int32_t fd;
	uint32_t flags, padding;
};

/* The page that a vCPU and the program share. */
struct vcpu_run {
	uint8_t immediate_exit, padding[7];
	uint32_t exit_reason, hole;
	union {
		struct {
			uint64_t phys_addr;
			uint8_t data[8];
			uint32_t len;
			uint8_t is_write, resume_action;
		} mmio;
		struct {
			uint32_t status;
			uint16_t exit_type, padding;
			uint32_t reason_size;
			uint8_t reason[8];
		} status;
		struct {
			uint64_t phys_addr;
			int32_t attempt;
			uint8_t resume_action;
		} page_fault;
	};
};

_Static_assert(sizeof(struct create_mem_args) == 64 && sizeof(struct map_mem_args) == 32, "memory calls");
_Static_assert(sizeof(struct user_mem_region) == 32 && sizeof(struct dtb_config) == 16, "memory calls of v14");
_Static_assert(sizeof(struct function) == 16 && sizeof(struct ioeventfd_arg) == 32, "functions");
_Static_assert(__builtin_offsetof(struct vcpu_run, mmio.resume_action) == 37 && sizeof(struct vcpu_run) == 40, "run page");
