// Start of the host program: Image header, entry, and the call that shows which registers survive.
// Source: Linux Documentation/arch/arm64/booting.rst; Arm DEN 0028 (SMCCC 1.3) §2.6

    .section .head, "ax"
    .global _start
_start:
    b       entry
    .word   0
    .quad   0                       // text_offset
    .quad   image_size              // up to the end of .bss
    .quad   0b1010                  // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0

    .text
entry:
    adrp    x1, stack_end
    add     x1, x1, :lo12:stack_end
    mov     sp, x1
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     VBAR_EL1, x1
    isb
    bl      main
1:  wfi
    b       1b

    .macro load_all
    msr     TPIDR_EL1, x0
    ldp     x29, x30, [x0, #232]
    ldp     x27, x28, [x0, #216]
    ldp     x25, x26, [x0, #200]
    ldp     x23, x24, [x0, #184]
    ldp     x21, x22, [x0, #168]
    ldp     x19, x20, [x0, #152]
    ldp     x17, x18, [x0, #136]
    ldp     x15, x16, [x0, #120]
    ldp     x13, x14, [x0, #104]
    ldp     x11, x12, [x0, #88]
    ldp     x9, x10, [x0, #72]
    ldp     x7, x8, [x0, #56]
    ldp     x5, x6, [x0, #40]
    ldp     x3, x4, [x0, #24]
    ldp     x1, x2, [x0, #8]
    ldr     x0, [x0]
    .endm

// call_all(u64 x[31], u64 is_smc): HVC #0 or SMC #0 with X0-X30 from memory and back to it. No general register holds the
// pointer meanwhile, TPIDR_EL1 does.
    .global call_all
call_all:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    cbnz    x1, 1f
    load_all
    hvc     #0
    b       2f
1:  load_all
    smc     #0
2:  msr     TPIDR_EL0, x0           // the result waits there until X1 is saved
    mrs     x0, TPIDR_EL1
    stp     x1, x2, [x0, #8]
    stp     x3, x4, [x0, #24]
    stp     x5, x6, [x0, #40]
    stp     x7, x8, [x0, #56]
    stp     x9, x10, [x0, #72]
    stp     x11, x12, [x0, #88]
    stp     x13, x14, [x0, #104]
    stp     x15, x16, [x0, #120]
    stp     x17, x18, [x0, #136]
    stp     x19, x20, [x0, #152]
    stp     x21, x22, [x0, #168]
    stp     x23, x24, [x0, #184]
    stp     x25, x26, [x0, #200]
    stp     x27, x28, [x0, #216]
    stp     x29, x30, [x0, #232]
    mrs     x1, TPIDR_EL0
    str     x1, [x0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret

// Every exception ends the program: exception(kind, ESR, ELR, FAR).
    .macro vector kind
    .balign 128
    mov     x0, #\kind
    mrs     x1, ESR_EL1
    mrs     x2, ELR_EL1
    mrs     x3, FAR_EL1
    b       exception
    .endm

    .balign 2048
vectors:
    .irp kind, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vector  \kind
    .endr

    .bss
    .balign 16
    .space 16384
stack_end:
