// Start of the SMP test: Image header, entry of each CPU, exception vectors, change of context.
// Source: Linux Documentation/arch/arm64/booting.rst; Arm ARM DDI 0487 D1.3

#include "offsets.h"

    .section .head, "ax"
    .global _start
_start:
    b       boot_entry
    .word   0
    .quad   0                       // text_offset
    .quad   image_size              // up to the end of .bss
    .quad   0b1010                  // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0

    .text
boot_entry:
    mov     x19, x0
    adrp    x0, bss_start
    add     x0, x0, :lo12:bss_start
    adrp    x1, bss_end
    add     x1, x1, :lo12:bss_end
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    b       1b
2:  adrp    x0, cpus
    add     x0, x0, :lo12:cpus
    adrp    x1, boot_stack_end
    add     x1, x1, :lo12:boot_stack_end
    mov     sp, x1
    bl      make_tables
    adrp    x0, cpus
    add     x0, x0, :lo12:cpus
    bl      set_up_el1
    mov     x0, x19
    bl      main
1:  wfi
    b       1b

// PSCI CPU_ON enters here with X0 = struct cpu. Writes down what it found, then calls `secondary(cpu)`.
    .global secondary_entry
secondary_entry:
    mrs     x1, CurrentEL
    mrs     x2, DAIF
    stp     x1, x2, [x0, #CPU_FOUND]
    mrs     x1, SCTLR_EL1
    mrs     x2, SPSel
    stp     x1, x2, [x0, #CPU_FOUND + 16]
    ldr     x1, [x0, #CPU_STACK]
    mov     sp, x1
    mov     x19, x0
    bl      set_up_el1
    mov     x0, x19
    bl      secondary
1:  wfi
    b       1b

// X0 = struct cpu. Vectors, FP, tables that `make_tables` wrote, MMU on.
    .global set_up_el1
set_up_el1:
    msr     TPIDR_EL1, x0
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     VBAR_EL1, x1
    mov     x1, #(3 << 20)
    msr     CPACR_EL1, x1
    ldr     x1, =0xff00             // attribute 0 Device-nGnRnE, 1 Normal write-back
    msr     MAIR_EL1, x1
    ldr     x1, =0x200803519        // 39-bit VA from TTBR0, 4 KiB, inner shareable, EPD1, 40-bit PA
    msr     TCR_EL1, x1
    adrp    x1, level1
    msr     TTBR0_EL1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, =0x30d0180d         // RES1, M, C, SA, I
    msr     SCTLR_EL1, x1
    isb
    ret

    .macro vector kind
    .balign 128
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp]
    mov     x1, #\kind
    b       exception_entry
    .endm

    .balign 2048
vectors:
    .irp kind, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vector  \kind
    .endr

exception_entry:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    add     x2, sp, #FRAME_SIZE
    stp     x30, x2, [sp, #240]
    mrs     x2, ELR_EL1
    mrs     x3, SPSR_EL1
    stp     x2, x3, [sp, #256]
    mrs     x2, ESR_EL1
    mrs     x3, FAR_EL1
    stp     x2, x3, [sp, #272]
    mov     x0, sp
    bl      exception
    mov     x0, sp
// X0 = struct frame, which is below the stack pointer that it names or elsewhere.
resume:
    ldp     x1, x2, [x0, #248]
    mov     sp, x1
    ldr     x3, [x0, #264]
    msr     ELR_EL1, x2
    msr     SPSR_EL1, x3
    ldr     x30, [x0, #240]
    ldp     x28, x29, [x0, #224]
    ldp     x26, x27, [x0, #208]
    ldp     x24, x25, [x0, #192]
    ldp     x22, x23, [x0, #176]
    ldp     x20, x21, [x0, #160]
    ldp     x18, x19, [x0, #144]
    ldp     x16, x17, [x0, #128]
    ldp     x14, x15, [x0, #112]
    ldp     x12, x13, [x0, #96]
    ldp     x10, x11, [x0, #80]
    ldp     x8, x9, [x0, #64]
    ldp     x6, x7, [x0, #48]
    ldp     x4, x5, [x0, #32]
    ldp     x2, x3, [x0, #16]
    ldp     x0, x1, [x0]
    eret

// run_context(struct frame *context, u64 *saved_sp): leave for a context; leave_context(saved_sp) comes back.
    .global run_context
run_context:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mov     x2, sp
    str     x2, [x1]
    b       resume

    .global leave_context
leave_context:
    mov     sp, x0
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret

    .bss
    .balign 16
boot_stack:
    .space 16384
    .global boot_stack_end
boot_stack_end:
