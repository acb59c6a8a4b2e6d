// One instruction each, for tests that set the stage: EL2 (the test) enters a label with registers and tables as it
// likes. "Done" is HVC #0; every exception taken to EL1 is HVC #(0x100 + number of its vector).
.text
.macro probe name:req, insn:vararg
	.global \name
\name:	\insn
	hvc #0
.endm

.balign 2048
.global vectors
vectors:
.set n, 0
.rept 16
	hvc #(0x100 + n)
	b .
	.balign 128
	.set n, n + 1
.endr

// A table whose every vector returns at once, for measurements.
.balign 2048
.global vectors_eret
vectors_eret:
.rept 16
	eret
	.balign 128
.endr

probe p_ldr, ldr x0, [x1]
probe p_str, str x0, [x1]
probe p_ldrb, ldrb w5, [x1]
probe p_ldrsb32, ldrsb w5, [x1]
probe p_ldrsh64, ldrsh x5, [x1]
probe p_ldrsw, ldrsw x5, [x1, x2]
probe p_strh, strh w7, [x1]
probe p_strxzr, str xzr, [x1]
probe p_ldur, ldur w9, [x1, #-1]
probe p_ldrpre, ldr x0, [x1, #8]!
probe p_ldp, ldp x3, x4, [x1]
probe p_stp, stp x3, x4, [x1]
probe p_ldtr, ldtr x0, [x1]
probe p_sttr, sttr x0, [x1]
probe p_ldar, ldar w6, [x1]
probe p_stlrb, stlrb w6, [x1]
probe p_ldxr, ldxr x0, [x1]
probe p_stxr, stxr w2, x0, [x1]
.arch_extension lse
probe p_ldadd, ldadd x0, x2, [x1]
probe p_cas, cas x0, x2, [x1]
probe p_ldrq, ldr q0, [x1]
probe p_strq, str q0, [x1]
probe p_dcivac, dc civac, x1
probe p_dczva, dc zva, x1
probe p_icivau, ic ivau, x1
probe p_blr, br x1
probe p_ldrsp, ldr x0, [sp]
probe p_svc, svc #0x123
probe p_smc, smc #0x45
probe p_hvc, hvc #0x67
probe p_brk, brk #0x321
probe p_udf, udf #0
probe p_eret, eret
probe p_fadd, fadd d0, d0, d0
probe p_wfi, wfi
probe p_wfe, wfe
probe p_sev, sev
probe p_sevl, sevl
probe p_nop, nop
probe p_ctr, mrs x0, ctr_el0
probe p_midr, mrs x0, midr_el1
probe p_cntvct, mrs x0, cntvct_el0
probe p_cntpct, mrs x0, cntpct_el0
probe p_ttbr0w, msr ttbr0_el1, x0
probe p_ttbr0r, mrs x0, ttbr0_el1
probe p_sctlrr, mrs x0, sctlr_el1
probe p_actlr, mrs x0, actlr_el1
probe p_pfr0, mrs x0, id_aa64pfr0_el1
probe p_reserved_id, mrs x0, s3_0_c0_c7_7
probe p_hcr, mrs x0, hcr_el2
probe p_impdef, mrs x0, s3_0_c15_c2_0
probe p_cpacr, mrs x0, cpacr_el1
probe p_mdscr, mrs x0, mdscr_el1
probe p_oslar, msr oslar_el1, x0
probe p_sgi1r, msr s3_0_c12_c11_5, x0
probe p_iar1, mrs x0, s3_0_c12_c12_0
probe p_eoir1, msr s3_0_c12_c12_1, x0
probe p_dir, msr s3_0_c12_c11_1, x0
probe p_iar0, mrs x0, s3_0_c12_c8_0
probe p_rpr, mrs x0, s3_0_c12_c11_3
probe p_hppir1, mrs x0, s3_0_c12_c12_2
probe p_pmrw, msr s3_0_c4_c6_0, x0
probe p_ctlrw, msr s3_0_c12_c12_4, x0
probe p_bpr1w, msr s3_0_c12_c12_3, x0
probe p_igrpen1, msr s3_0_c12_c12_7, x0
probe p_igrpen0, msr s3_0_c12_c12_6, x0
probe p_daifset, msr daifset, #2
probe p_daifclr, msr daifclr, #2
probe p_pan1, msr s0_0_c4_c1_4, xzr
probe p_pan0, msr s0_0_c4_c0_4, xzr
probe p_spel0, mrs x0, sp_el0
probe p_mdrar, mrs x0, mdrar_el1
probe p_dcisw, dc isw, x0
probe p_tlbivmalle1, tlbi vmalle1
probe p_tlbivae1is, tlbi vae1is, x0
probe p_tlbivaale1is, tlbi vaale1is, x0
probe p_tlbiaside1, tlbi aside1is, x0
probe p_ats1e1r, at s1e1r, x1
probe p_ats1e0w, at s1e0w, x1
probe p_par, mrs x0, par_el1

// Spin: x0 counts, so that budgets, steps and interrupts can be told apart.
.global p_spin
p_spin:	add x0, x0, #1
	b p_spin

// x0 turns of two instructions.
.global p_loop
p_loop:	subs x0, x0, #1
	b.ne p_loop
	hvc #0

// Write the word w2 over the instruction at `patched`, then run it. DIC and IDC: an ISB is enough.
.global p_selfmod
p_selfmod:
	adr x1, patched
	bl patched
	mov x3, x0
	str w2, [x1]
	dsb ish
	isb
	bl patched
	hvc #0
patched:
	mov x0, #1
	ret

// x0 times: add 1 to [x1] with LDXR/STXR; x3 counts failed stores. A branch between the two ends the basic block, so
// that `run` may end there.
.global p_excl
p_excl:
1:	ldaxr x2, [x1]
	add x2, x2, #1
	b 3f
3:	stlxr w4, x2, [x1]
	cbz w4, 2f
	add x3, x3, #1
	b 1b
2:	subs x0, x0, #1
	b.ne 1b
	hvc #0

// x0 times, each in its own way: add 1 to [x1] with LDADD, [x1, #8] with CAS, [x1, #16] and [x1, #24] with LDXP and STXP,
// [x1, #32] and [x1, #40] with CASP.
.global p_lse
p_lse:
	mov x5, #1
	add x10, x1, #8
	add x11, x1, #16
	add x12, x1, #32
1:	ldadd x5, x2, [x1]
	ldr x2, [x10]
2:	mov x3, x2
	add x4, x2, #1
	casal x2, x4, [x10]
	cmp x2, x3
	b.ne 2b
3:	ldaxp x2, x3, [x11]
	add x2, x2, #1
	add x3, x3, #1
	stlxp w4, x2, x3, [x11]
	cbnz w4, 3b
	ldp x6, x7, [x12]
4:	mov x2, x6
	mov x3, x7
	add x8, x6, #1
	add x9, x7, #1
	caspal x6, x7, x8, x9, [x12]
	cmp x6, x2
	ccmp x7, x3, #0, eq
	b.ne 4b
	subs x0, x0, #1
	b.ne 1b
	hvc #0

// Peterson's lock, x0 times around a plain increment of [x1]: x10 own flag, x11 the other's, x12 turn, x13 the other's
// number. A store that is seen after the load behind it loses increments.
.global p_peterson
p_peterson:
	mov x5, #1
1:	stlr x5, [x10]
	stlr x13, [x12]
2:	ldar x6, [x11]
	cbz x6, 3f
	ldar x7, [x12]
	cmp x7, x13
	b.eq 2b
3:	ldr x2, [x1]
	add x2, x2, #1
	str x2, [x1]
	stlr xzr, [x10]
	subs x0, x0, #1
	b.ne 1b
	hvc #0

// The same with barriers.
.global p_peterson_dmb
p_peterson_dmb:
	mov x5, #1
1:	str x5, [x10]
	dmb ish
	str x13, [x12]
	dmb ish
2:	ldr x6, [x11]
	cbz x6, 3f
	ldr x7, [x12]
	cmp x7, x13
	b.eq 2b
3:	dmb ishld
	ldr x2, [x1]
	add x2, x2, #1
	str x2, [x1]
	dmb ish
	str xzr, [x10]
	subs x0, x0, #1
	b.ne 1b
	hvc #0

// Program CNTV for x1 ticks from now, unmask, and count in x0 until the interrupt comes.
.global p_timer
p_timer:
	msr cntv_tval_el0, x1
	mov x2, #1
	msr cntv_ctl_el0, x2
	msr daifclr, #2
1:	add x0, x0, #1
	b 1b

// Return to EL0 at x1 with SPSR x2.
.global p_toel0
p_toel0:
	msr elr_el1, x1
	msr spsr_el1, x2
	eret

// Loops of x0 turns for measurements: one SVC; one HVC; one load from the next page, x2 pages in all; a slow register.
.global b_svc
b_svc:	svc #0
	subs x0, x0, #1
	b.ne b_svc
	hvc #0
.global b_hvc
b_hvc:	hvc #1
	b b_hvc
.global b_pages
b_pages:
	mov x4, x2
	mov x3, x1
1:	ldr x5, [x3]
	add x3, x3, #4096
	subs x4, x4, #1
	b.ne 1b
	subs x0, x0, #1
	b.ne b_pages
	hvc #0
.global b_mrs
b_mrs:	mrs x1, cntv_ctl_el0
	subs x0, x0, #1
	b.ne b_mrs
	hvc #0
