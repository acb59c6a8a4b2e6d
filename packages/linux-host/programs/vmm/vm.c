/* From /dev/gunyah to a VM that can be run: what the calls are and in which order. */
#include "vmm.h"

static long device_call(int fd, uint32_t request, const void *argument, const char *name)
{
	return checked(linux_call(NR_IOCTL, fd, request, (long)argument, 0, 0, 0), name);
}

static uint8_t *map(int fd, uint64_t size, const char *what)
{
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
	return (uint8_t *)checked(linux_call(NR_MMAP, 0, (long)size, PROT_READ | PROT_WRITE, flags, fd, 0), what);
}

/*
 * v15 and later: memory of the driver's own, lent; the guest gets a page when it first touches it. The program's
 * mapping is gone before that: a lent page has no other user.
 */
static struct layout lend_memory(const struct vm *vm, int memory, const struct settings *settings)
{
	uint64_t size = settings->memory;
	uint8_t *bytes = map(memory, size, "mmap of guest memory");
	struct layout layout = load_guest(bytes, settings);
	checked(linux_call(NR_MUNMAP, (long)bytes, (long)size, 0, 0, 0, 0), "munmap of guest memory");
	struct map_mem_args args = {
		.guest_addr = RAM_BASE,
		.flags = MAP_LEND_RWX,
		.guest_mem_fd = (uint32_t)memory,
		.size = size,
	};
	long result = linux_call(NR_IOCTL, vm->fd, MAP_MEM, (long)&args, 0, 0, 0);
	if (result == -EINVAL) { /* each numbering is nonsense in the other */
		args.flags = ANDROID_MAP_LEND_RWX;
		result = linux_call(NR_IOCTL, vm->fd, MAP_MEM, (long)&args, 0, 0, 0);
	}
	checked(result, "GUNYAH_VM_MAP_MEM");
	checked(linux_call(NR_CLOSE, memory, 0, 0, 0, 0, 0), "close of guest memory");
	return layout;
}

/* v14 and Android: memory of the program, pinned and shared when the VM starts. */
static struct layout pin_memory(const struct vm *vm, const struct settings *settings)
{
	uint8_t *bytes = map(-1, settings->memory, "mmap of guest memory");
	struct layout layout = load_guest(bytes, settings);
	struct user_mem_region region = {
		.flags = REGION_RWX,
		.guest_phys_addr = RAM_BASE,
		.memory_size = settings->memory,
		.userspace_addr = (uint64_t)bytes,
	};
	device_call(vm->fd, SET_USER_MEM_REGION, &region, "GH_VM_SET_USER_MEM_REGION");
	return layout;
}

static struct layout give_memory(const struct vm *vm, const struct settings *settings)
{
	struct create_mem_args args = {.flags = GUEST_MEM_CLOEXEC, .size = settings->memory};
	long memory = linux_call(NR_IOCTL, vm->device, CREATE_GUEST_MEM, (long)&args, 0, 0, 0);
	if (memory == -ENOTTY)
		return pin_memory(vm, settings);
	return lend_memory(vm, (int)checked(memory, "GUNYAH_CREATE_GUEST_MEM"), settings);
}

static void set_boot_context(const struct vm *vm, const struct layout *layout)
{
	struct boot_context pc = {.reg = BOOT_PC, .value = layout->entry};
	long result = linux_call(NR_IOCTL, vm->fd, SET_BOOT_CONTEXT, (long)&pc, 0, 0, 0);
	/* v14 has no such call: it starts at the base of memory with the device tree in X0. */
	if (result == -ENOTTY && layout->entry == RAM_BASE)
		return;
	checked(result, "GUNYAH_VM_SET_BOOT_CONTEXT PC");
	struct boot_context x0 = {.reg = BOOT_X0, .value = layout->dtb};
	device_call(vm->fd, SET_BOOT_CONTEXT, &x0, "GUNYAH_VM_SET_BOOT_CONTEXT X0");
}

static int add_function(const struct vm *vm, uint32_t type, const void *arg, uint32_t size, const char *name)
{
	struct function function = {.type = type, .arg_size = size, .arg = (uint64_t)arg};
	return (int)device_call(vm->fd, ADD_FUNCTION, &function, name);
}

static int event(const char *what)
{
	return (int)checked(linux_call(NR_EVENTFD2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0), what);
}

static void add_functions(struct vm *vm, const struct settings *settings)
{
	uint32_t id = 0;
	vm->vcpu = add_function(vm, FUNCTION_VCPU, &id, sizeof(id), "GUNYAH_VM_ADD_FUNCTION vcpu");
	uint64_t size = (uint64_t)device_call(vm->vcpu, VCPU_MMAP_SIZE, NULL, "GUNYAH_VCPU_MMAP_SIZE");
	vm->run = (struct vcpu_run *)map(vm->vcpu, size, "mmap of the vCPU");

	vm->irq = event("eventfd2");
	struct irqfd_arg irqfd = {.fd = (uint32_t)vm->irq, .label = UART_SPI, .flags = IRQFD_LEVEL};
	add_function(vm, FUNCTION_IRQFD, &irqfd, sizeof(irqfd), "GUNYAH_VM_ADD_FUNCTION irqfd");

	vm->ioevent = -1;
	if (!settings->ioeventfd.wanted)
		return;
	vm->ioevent = event("eventfd2");
	struct ioeventfd_arg ioeventfd = {
		.datamatch = settings->ioeventfd.value,
		.addr = settings->ioeventfd.addr,
		.len = settings->ioeventfd.len,
		.fd = vm->ioevent,
		.flags = settings->ioeventfd.has_value ? IOEVENTFD_DATAMATCH : 0,
	};
	add_function(vm, FUNCTION_IOEVENTFD, &ioeventfd, sizeof(ioeventfd), "GUNYAH_VM_ADD_FUNCTION ioeventfd");
}

void create_vm(struct vm *vm, const struct settings *settings)
{
	vm->device = (int)checked(
		linux_call(NR_OPENAT, AT_FDCWD, (long)"/dev/gunyah", O_RDWR | O_CLOEXEC, 0, 0, 0), "open /dev/gunyah");
	vm->fd = (int)device_call(vm->device, CREATE_VM, NULL, "GUNYAH_CREATE_VM");
	struct layout layout = give_memory(vm, settings);
	struct dtb_config dtb = {.guest_phys_addr = layout.dtb, .size = DTB_SIZE};
	device_call(vm->fd, SET_DTB_CONFIG, &dtb, "GUNYAH_VM_SET_DTB_CONFIG");
	set_boot_context(vm, &layout);
	add_functions(vm, settings);
}

void start_vm(struct vm *vm)
{
	device_call(vm->fd, VM_START, NULL, "GUNYAH_VM_START");
}
