/* gunyah-vmm: boots an arm64 Linux as a Gunyah VM, on any kernel whose driver has the user ABI of /dev/gunyah. */
#include "vmm.h"

static void say_stores(int event, const struct settings *settings)
{
	uint64_t count = 0;
	if (linux_call(NR_READ, event, (long)&count, sizeof(count), 0, 0, 0) != sizeof(count))
		count = 0; /* EAGAIN: none */
	char address[24], text[24];
	SAY("ioeventfd at ", number_text(settings->ioeventfd.addr, 16, address), ": ", number_text(count, 10, text),
	    " stores");
}

/* From start.S: the stack as the kernel made it. */
_Noreturn void start(long *stack);
_Noreturn void start(long *stack)
{
	struct settings settings;
	parse_arguments((int)stack[0], (char **)(stack + 1), &settings);
	struct vm vm;
	create_vm(&vm, &settings);
	pl011_connect(vm.irq);
	start_vm(&vm);
	console_open(vm.run);
	int code = run_vcpu(&vm);
	if (vm.ioevent >= 0)
		say_stores(vm.ioevent, &settings);
	/* The last descriptors close with the process: the driver stops the VM and takes its memory back. */
	finish(code);
}
