/*
 * Bare-metal entry at EL1, MMU off, loaded at 0x40200000 with QEMU's `virt` memory map.
 *
 * Parameters, written by the loader: 0x40180000 kernel number, 0x40180008 rounds, 0x40180010 print the result.
 * Ends with PSCI SYSTEM_OFF by HVC, the checksum in X1.
 */
        .section .text.start, "ax"
        .globl _start
_start:
        mrs     x0, mpidr_el1
        ldr     x1, =stack_top
        mov     sp, x1
        /* FP and Advanced SIMD on */
        mov     x0, #3 << 20
        msr     cpacr_el1, x0
        /* one level-1 table: device gigabyte at 0, DRAM at 1 GiB as Normal write-back memory; 39-bit addresses */
        ldr     x0, =table
        mov     x1, #0x0401             /* block, AF, attribute 0 (device) */
        str     x1, [x0]
        ldr     x1, =0x40000705         /* block, AF, inner shareable, attribute 1 */
        str     x1, [x0, #8]
        ldr     x1, =0xff00             /* attribute 0: nGnRnE, 1: write-back */
        msr     mair_el1, x1
        ldr     x1, =0x280803519        /* T0SZ 25, 4 KiB, write-back walks, TTBR1 off, 40-bit PA */
        msr     tcr_el1, x1
        msr     ttbr0_el1, x0
        tlbi    vmalle1
        dsb     sy
        isb
        mrs     x1, sctlr_el1
        ldr     x2, =0x1005             /* M, C, I */
        orr     x1, x1, x2
        msr     sctlr_el1, x1
        isb
        ldr     x9, =0x40180000
        ldp     x10, x1, [x9]
        ldr     x0, =memory
        adr     x11, kernels
        ldr     x11, [x11, x10, lsl #3]
        blr     x11
        mov     x1, x0
        ldr     x9, =0x40180010
        ldr     x9, [x9]
        cbz     x9, 3f
        /* sixteen hexadecimal digits to the PL011 */
        mov     x2, #0x09000000
        mov     w3, #60
1:      lsr     x4, x1, x3
        and     w4, w4, #15
        add     w5, w4, #'0'
        add     w6, w4, #'a' - 10
        cmp     w4, #10
        csel    w4, w5, w6, lo
        str     w4, [x2]
        subs    w3, w3, #4
        b.pl    1b
        mov     w4, #10
        str     w4, [x2]
3:      ldr     x0, =0x84000008
        hvc     #0
        b       3b
        .balign 8
kernels:
        .quad   bench_crc32, bench_sha256, bench_sieve, bench_memcpy, bench_bignum, bench_qsort, bench_fib, bench_inflate
        .bss
        .balign 4096
table:  .skip   4096
        .skip   65536
stack_top:
        .balign 65536
memory: .skip   4 << 20
