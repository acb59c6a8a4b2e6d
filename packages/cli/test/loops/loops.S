// Guests that never end by themselves, one for each way in which a vCPU can keep leaving its guest.
// Flat binary, position independent. Word 1 chooses the loop by its place in the table; word 2 is their number.
// X0 of the boot vCPU is the device tree, as for Linux. SPDX-License-Identifier: MIT

	.set	UART, 0x09000000		// GuestLayout.DEVICE_BASE: the PL011
	.set	UART_FR, 0x18
	.set	UART_IBRD, 0x24
	.set	VIRTIO_NOTIFY, 0x09010050	// the second device's QueueNotify
	.set	NOBODY, 0x30000000		// below 1 GiB, without a device
	.set	HOLE, 0x7000000000		// no one's address
	.set	GICD, 0x3fff0000
	.set	RAM_FRESH, 0x80800000

	.macro	entries name:vararg
	.irp	n, \name
	.word	\n - table
	.endr
	.endm

	.text
	b	start
selector:
	.word	0
	.word	(table_end - table) / 4
start:
	adr	x9, vectors
	msr	vbar_el1, x9
	adr	x9, selector
	ldr	w9, [x9]
	adr	x10, table
	ldrsw	x9, [x10, x9, lsl #2]
	add	x9, x10, x9
	ldr	x1, =UART
	br	x9
table:
	entries	spin, mmio_read, mmio_write, mmio_notify, mmio_nobody, data_abort, bad_vector, gicd_read, gicd_write, gicr_read
	entries	fetch_device, demand_fault, hvc_psci, hvc_gunyah, hvc_unknown, smc, undefined, system_register
	entries	wfi_pending, wfi_timer, wfe_event, sgi_self, suspend, smp_poll, smp_power, smp_ping
table_end:

spin:		b	spin

// getchar of a boot loader: until the receive FIFO has something
mmio_read:	ldr	w2, [x1, #UART_FR]
		tbnz	w2, #4, mmio_read
		b	mmio_read
mmio_write:	str	w2, [x1, #UART_IBRD]
		b	mmio_write
mmio_notify:	ldr	x1, =VIRTIO_NOTIFY
1:		str	wzr, [x1]
		b	1b
mmio_nobody:	ldr	x1, =NOBODY
1:		ldr	w2, [x1]
		b	1b

data_abort:	ldr	x1, =HOLE
1:		ldr	w2, [x1]
		b	1b
bad_vector:	ldr	x9, =HOLE
		msr	vbar_el1, x9
		brk	#0
		b	bad_vector
gicd_read:	ldr	x1, =GICD
1:		ldr	w2, [x1, #0x200]	// GICD_ISPENDR0
		b	1b
gicd_write:	ldr	x1, =GICD
1:		str	w2, [x1, #0x104]	// GICD_ISENABLER1
		str	w2, [x1, #0x184]	// GICD_ICENABLER1
		b	1b
gicr_read:	ldr	x1, =GICD - 0x40000
1:		ldr	w2, [x1, #0x14]		// GICR_WAKER
		b	1b
fetch_device:	br	x1

// every page of memory for the first time, then again and again
demand_fault:	ldr	x1, =RAM_FRESH
		mov	x3, #0x7000
1:		ldr	w2, [x1]
		add	x1, x1, #4096
		subs	x3, x3, #1
		b.ne	1b
		b	demand_fault

hvc_psci:	ldr	w0, =0x84000000		// PSCI_VERSION
		hvc	#0
		b	hvc_psci
hvc_gunyah:	hvc	#0x6000			// hypervisor_identify
		b	hvc_gunyah
hvc_unknown:	ldr	w0, =0x82000000
		hvc	#0
		hvc	#0x1234
		b	hvc_unknown
smc:		ldr	w0, =0x84000000
		smc	#0
		b	smc
undefined:	udf	#0
		b	undefined
system_register: mrs	x2, s3_0_c15_c2_0	// implementation defined: trapped by HCR_EL2.TIDCP
		b	system_register

// interrupts masked by PSTATE still end WFI
wfi_pending:	mov	x2, #1
		msr	cntv_cval_el0, xzr
		msr	cntv_ctl_el0, x2
		bl	gic_on
		mov	w3, #1 << 27
		str	w3, [x2, #0x100]	// GICR_ISENABLER0
1:		wfi
		b	1b
wfi_timer:	bl	gic_on
		mov	w3, #1 << 27
		str	w3, [x2, #0x100]
		mov	x2, #1
1:		mov	x3, #1000
		msr	cntv_tval_el0, x3
		msr	cntv_ctl_el0, x2
		wfi
		b	1b
wfe_event:	sevl
		wfe
		b	wfe_event
sgi_self:	bl	gic_on
		mov	w3, #2
		str	w3, [x2, #0x100]
		msr	daifclr, #2
1:		ldr	x3, =0x1000001		// SGI 1 to Aff0 0
		msr	icc_sgi1r_el1, x3
		isb
		b	1b
suspend:	mov	x2, #1
		msr	cntv_cval_el0, xzr
		msr	cntv_ctl_el0, x2
		bl	gic_on
		mov	w3, #1 << 27
		str	w3, [x2, #0x100]
1:		ldr	x0, =0xc4000001		// CPU_SUSPEND, standby
		mov	x1, #0
		mov	x2, #0
		mov	x3, #0
		hvc	#0
		b	1b

// two vCPUs poll the same device
smp_poll:	bl	second_on
		ldr	x1, =UART
		b	mmio_read
second_poll:	ldr	x1, =UART
		b	mmio_read
// one is switched on and off for ever
smp_power:	adr	x2, off
1:		ldr	x0, =0xc4000003		// CPU_ON
		mov	x1, #1
		mov	x3, #0
		hvc	#0
		b	1b
off:		ldr	w0, =0x84000002		// CPU_OFF
		hvc	#0
		b	.
// an interrupt goes to and fro
smp_ping:	bl	gic_on
		mov	w3, #2
		str	w3, [x2, #0x100]
		adr	x2, second_ping
		bl	on
		msr	daifclr, #2
1:		ldr	x3, =0x1000002		// SGI 1 to Aff0 1
		msr	icc_sgi1r_el1, x3
		wfi
		b	1b
second_ping:	adr	x9, vectors
		msr	vbar_el1, x9
		bl	gic_on
		mov	w3, #2
		str	w3, [x2, #0x100]
		msr	daifclr, #2
1:		ldr	x3, =0x1000001
		msr	icc_sgi1r_el1, x3
		wfi
		b	1b

second_on:	adr	x2, second_poll
on:		ldr	x0, =0xc4000003
		mov	x1, #1
		mov	x3, #0
		hvc	#0
		ret

// X2: the SGI frame of this vCPU's redistributor; every loop runs in a VM of two vCPUs
gic_on:		ldr	x2, =GICD
		mov	w3, #0x12
		str	w3, [x2]		// GICD_CTLR: affinity routing, group 1
		mov	x3, #0xff
		msr	icc_pmr_el1, x3
		mov	x3, #1
		msr	icc_igrpen1_el1, x3
		isb
		mrs	x3, mpidr_el1
		and	x3, x3, #0xff
		ldr	x2, =GICD - 0x40000 + 0x10000
		add	x2, x2, x3, lsl #17
		mov	w3, #-1
		str	w3, [x2, #0x80]		// GICR_IGROUPR0
		ret
	.ltorg

	.balign	2048
vectors:
	.rept	16
	.balign	128
	mrs	x28, icc_iar1_el1
	msr	icc_eoir1_el1, x28
	eret
	.endr
	.balign	128
