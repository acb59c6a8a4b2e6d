/*
 * The guest, described to its kernel and, under gunyah-vm-config, to the Resource Manager.
 * Source: Linux Documentation/devicetree/bindings (arm/psci, arm,gic-v3, arm,arch_timer, serial/pl011)
 */
#include "vmm.h"

enum { INTC = 1, CLOCK = 2 };
enum { SPI = 0, PPI = 1, EDGE = 1, LEVEL = 4 };

#define CELLS64(value) (uint32_t)((uint64_t)(value) >> 32), (uint32_t)(value)

static void chosen(struct fdt *fdt, const struct layout *layout, const char *cmdline)
{
	uint8_t seed[32];
	fdt_node(fdt, "chosen");
	fdt_text(fdt, "bootargs", cmdline);
	fdt_text(fdt, "stdout-path", "/pl011@9000000");
	if (layout->initrd != 0) {
		FDT_CELLS(fdt, "linux,initrd-start", CELLS64(layout->initrd));
		FDT_CELLS(fdt, "linux,initrd-end", CELLS64(layout->initrd_end));
	}
	if (linux_call(NR_GETRANDOM, (long)seed, sizeof(seed), 0, 0, 0, 0) == sizeof(seed))
		fdt_bytes(fdt, "rng-seed", seed, sizeof(seed));
	fdt_end_node(fdt);
}

static void processor(struct fdt *fdt)
{
	fdt_node(fdt, "cpus");
	FDT_CELLS(fdt, "#address-cells", 1);
	FDT_CELLS(fdt, "#size-cells", 0);
	fdt_node(fdt, "cpu@0");
	fdt_text(fdt, "device_type", "cpu");
	fdt_text(fdt, "compatible", "arm,armv8");
	fdt_text(fdt, "enable-method", "psci");
	FDT_CELLS(fdt, "reg", 0);
	fdt_end_node(fdt);
	fdt_end_node(fdt);

	fdt_node(fdt, "psci");
	static const char versions[] = "arm,psci-1.0\0arm,psci-0.2";
	fdt_bytes(fdt, "compatible", versions, sizeof(versions));
	fdt_text(fdt, "method", "hvc");
	fdt_end_node(fdt);

	fdt_node(fdt, "intc@3fff0000");
	fdt_text(fdt, "compatible", "arm,gic-v3");
	FDT_CELLS(fdt, "#interrupt-cells", 3);
	FDT_CELLS(fdt, "#address-cells", 2);
	FDT_CELLS(fdt, "#size-cells", 2);
	fdt_flag(fdt, "interrupt-controller");
	fdt_flag(fdt, "ranges");
	FDT_CELLS(fdt, "reg", CELLS64(GIC_DISTRIBUTOR), CELLS64(0x10000), CELLS64(GIC_REDISTRIBUTORS), CELLS64(0x20000));
	FDT_CELLS(fdt, "phandle", INTC);
	fdt_end_node(fdt);

	fdt_node(fdt, "timer");
	fdt_text(fdt, "compatible", "arm,armv8-timer");
	fdt_flag(fdt, "always-on");
	/* secure, non-secure, virtual, hypervisor: the PPIs of the Arm BSA */
	FDT_CELLS(fdt, "interrupts", PPI, 13, LEVEL, PPI, 14, LEVEL, PPI, 11, LEVEL, PPI, 10, LEVEL);
	fdt_end_node(fdt);
}

static void uart(struct fdt *fdt)
{
	fdt_node(fdt, "clock");
	fdt_text(fdt, "compatible", "fixed-clock");
	FDT_CELLS(fdt, "#clock-cells", 0);
	FDT_CELLS(fdt, "clock-frequency", 24000000);
	FDT_CELLS(fdt, "phandle", CLOCK);
	fdt_end_node(fdt);

	fdt_node(fdt, "pl011@9000000");
	static const char models[] = "arm,pl011\0arm,primecell";
	fdt_bytes(fdt, "compatible", models, sizeof(models));
	FDT_CELLS(fdt, "reg", CELLS64(UART_BASE), CELLS64(UART_SIZE));
	FDT_CELLS(fdt, "interrupts", SPI, UART_SPI, LEVEL);
	FDT_CELLS(fdt, "clocks", CLOCK, CLOCK);
	static const char clocks[] = "uartclk\0apb_pclk";
	fdt_bytes(fdt, "clock-names", clocks, sizeof(clocks));
	fdt_end_node(fdt);
}

static void vm_config(struct fdt *fdt)
{
	fdt_node(fdt, "gunyah-vm-config");
	FDT_CELLS(fdt, "#address-cells", 2);
	FDT_CELLS(fdt, "#size-cells", 2);
	fdt_text(fdt, "image-name", "gunyah-vmm");
	fdt_text(fdt, "os-type", "linux");
	fdt_node(fdt, "memory");
	FDT_CELLS(fdt, "#address-cells", 2);
	FDT_CELLS(fdt, "#size-cells", 2);
	FDT_CELLS(fdt, "base-address", CELLS64(RAM_BASE));
	fdt_end_node(fdt);
	fdt_node(fdt, "interrupts");
	FDT_CELLS(fdt, "config", INTC);
	fdt_end_node(fdt);
	fdt_node(fdt, "vcpus");
	fdt_text(fdt, "affinity", "proxy");
	fdt_end_node(fdt);
	fdt_node(fdt, "vdevices");
	fdt_text(fdt, "generate", "/hypervisor");
	fdt_node(fdt, "bell-4");
	fdt_text(fdt, "vdevice-type", "doorbell");
	fdt_text(fdt, "generate", "/hypervisor/bell-4");
	FDT_CELLS(fdt, "label", UART_SPI);
	fdt_flag(fdt, "peer-default");
	fdt_flag(fdt, "source-can-clear");
	FDT_CELLS(fdt, "interrupts", SPI, UART_SPI, LEVEL);
	fdt_end_node(fdt);
	fdt_end_node(fdt);
	fdt_end_node(fdt);
}

void build_guest_tree(uint8_t *out, const struct layout *layout, const struct settings *settings)
{
	struct fdt fdt;
	/* The Resource Manager adds to it: half of the room is its. */
	fdt_begin(&fdt, out, DTB_SIZE / 2);
	fdt_node(&fdt, "");
	FDT_CELLS(&fdt, "#address-cells", 2);
	FDT_CELLS(&fdt, "#size-cells", 2);
	FDT_CELLS(&fdt, "interrupt-parent", INTC);
	fdt_text(&fdt, "compatible", "linux,dummy-virt");
	fdt_text(&fdt, "model", "gunyah-vmm");
	/* No unit address: the Resource Manager knows the node by this name, and rewrites it. */
	fdt_node(&fdt, "memory");
	fdt_text(&fdt, "device_type", "memory");
	FDT_CELLS(&fdt, "reg", CELLS64(RAM_BASE), CELLS64(layout->memory));
	fdt_end_node(&fdt);
	chosen(&fdt, layout, settings->cmdline);
	processor(&fdt);
	uart(&fdt);
	vm_config(&fdt);
	fdt_end_node(&fdt);
	fdt_finish(&fdt);
}
