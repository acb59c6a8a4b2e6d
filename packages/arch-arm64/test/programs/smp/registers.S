// All registers at once: around an SMCCC call, and vector registers that must stay.

// smccc_probe(struct probe *p): call with p->in as X0-X30 and p->v as V0-V31; registers after the call to p->out, and
// p->v replaced. struct probe: in[31], smc, out[31], sp, v[64], fpsr, fpcr.
    .global smccc_probe
smccc_probe:
    stp     x29, x30, [sp, #-112]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    str     x0, [sp, #96]
    add     x1, x0, #512
    bl      load_vectors
    ldr     x1, [sp, #96]
    ldr     x2, [x1, #1024]
    msr     FPSR, x2
    ldr     x2, [x1, #1032]
    msr     FPCR, x2
    ldr     x2, [x1, #248]
    cmp     x2, #0
    ldp     x29, x30, [x1, #232]
    ldp     x27, x28, [x1, #216]
    ldp     x25, x26, [x1, #200]
    ldp     x23, x24, [x1, #184]
    ldp     x21, x22, [x1, #168]
    ldp     x19, x20, [x1, #152]
    ldp     x17, x18, [x1, #136]
    ldp     x15, x16, [x1, #120]
    ldp     x13, x14, [x1, #104]
    ldp     x11, x12, [x1, #88]
    ldp     x9, x10, [x1, #72]
    ldp     x7, x8, [x1, #56]
    ldp     x5, x6, [x1, #40]
    ldp     x3, x4, [x1, #24]
    ldr     x2, [x1, #16]
    ldr     x0, [x1]
    ldr     x1, [x1, #8]
    b.ne    1f
    hvc     #0
    b       2f
1:  smc     #0
2:  stp     x0, x1, [sp, #-16]!
    ldr     x0, [sp, #112]
    add     x0, x0, #256
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x19, [x0, #144]
    stp     x20, x21, [x0, #160]
    stp     x22, x23, [x0, #176]
    stp     x24, x25, [x0, #192]
    stp     x26, x27, [x0, #208]
    stp     x28, x29, [x0, #224]
    str     x30, [x0, #240]
    ldp     x1, x2, [sp], #16
    stp     x1, x2, [x0]
    add     x1, x0, #256
    bl      store_vectors
    ldr     x0, [sp, #96]
    mrs     x2, FPSR
    str     x2, [x0, #1024]
    mrs     x2, FPCR
    str     x2, [x0, #1032]
    msr     FPCR, xzr
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #112
    ret

    .macro each_pair instruction
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    pair    \instruction, \n
    .endr
    .endm
    .altmacro
    .macro pair instruction, n
    pair_   \instruction, \n, %(\n + 1)
    .endm
    .macro pair_ instruction, a, b
    \instruction q\a, q\b, [x1, #(\a * 16)]
    .endm

// X1 = 512 bytes
    .global load_vectors
load_vectors:
    each_pair ldp
    ret
    .global store_vectors
store_vectors:
    each_pair stp
    ret
