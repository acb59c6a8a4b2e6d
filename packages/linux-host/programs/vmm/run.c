/* The vCPU: enter the guest, serve its exit, until the VM has ended. */
#include "vmm.h"

static void serve_mmio(struct vcpu_run *run)
{
	uint64_t address = run->mmio.phys_addr;
	uint32_t length = run->mmio.len;
	if (length <= 8 && address >= UART_BASE && address - UART_BASE < UART_SIZE) {
		pl011_access(address - UART_BASE, run->mmio.is_write != 0, run->mmio.data, length);
		run->mmio.resume_action = RESUME_HANDLED;
		return;
	}
	char buffer[24];
	SAY(run->mmio.is_write ? "the guest stored to " : "the guest loaded from ", number_text(address, 16, buffer),
	    ", where there is no device");
	run->mmio.resume_action = RESUME_FAULT; /* external abort; v14 does not read it */
}

static int ended(const struct vcpu_run *run)
{
	char buffer[24];
	if (run->status.status == STATUS_LOAD_FAILED) {
		SAY("the Resource Manager could not load the VM");
		return CODE_LOAD_FAILED;
	}
	switch (run->status.exit_type) {
	case VM_EXIT:
	case VM_SYSTEM_OFF:
		return run->status.status == STATUS_CRASHED ? CODE_CRASH : CODE_OFF;
	case VM_SYSTEM_RESET:
	case VM_SYSTEM_RESET2:
		return CODE_RESET;
	case VM_STOP_FORCED:
		return CODE_STOPPED;
	default:
		SAY("the VM crashed: exit type ", number_text(run->status.exit_type, 10, buffer));
		return CODE_CRASH;
	}
}

int run_vcpu(struct vm *vm)
{
	for (;;) {
		if (console_before_run())
			return CODE_STOPPED;
		long result = linux_call(NR_IOCTL, vm->vcpu, VCPU_RUN, 0, 0, 0, 0);
		if (result == -EINTR)
			continue;
		checked(result, "GUNYAH_VCPU_RUN");
		switch (vm->run->exit_reason) {
		case EXIT_MMIO:
			serve_mmio(vm->run);
			break;
		case EXIT_STATUS:
			return ended(vm->run);
		case EXIT_PAGE_FAULT: {
			char address[24], attempt[24];
			SAY("the guest touched ", number_text(vm->run->page_fault.phys_addr, 16, address),
			    " and the driver could not give it memory there: errno ",
			    number_text((uint64_t)-(int64_t)vm->run->page_fault.attempt, 10, attempt));
			return CODE_CRASH;
		}
		default: {
			char buffer[24];
			SAY("unknown exit reason ", number_text(vm->run->exit_reason, 10, buffer));
			return CODE_FAILED;
		}
		}
	}
}
