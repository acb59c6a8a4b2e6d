// The guest that the host program runs: it touches memory and devices, waits for its doorbell, and turns itself off. What it
// finds goes to the device as stores, which the host checks.

    .equ    DEVICE, 0x01000000      // below 1 GiB: every access is the owner's
    .equ    GICD, 0x3fff0000
    .equ    MEMORY, 0x80000000

    .section .guest, "ax"
    .global guest_start, guest_end
    .balign 4096
guest_start:
    mov     x20, #DEVICE
    str     x0, [x20]               // X0 of SET_BOOT_CONTEXT
    mov     w1, #0x1234
    strb    w1, [x20, #8]
    strh    w1, [x20, #8]
    str     wzr, [x20, #8]
    ldr     x2, [x20, #16]
    str     x2, [x20, #24]
    ldrsb   x2, [x20, #17]
    str     x2, [x20, #24]
    ldrh    w2, [x20, #18]
    str     x2, [x20, #24]

    mov     x21, #MEMORY            // a page that the host filled before it lent it
    add     x22, x21, #0x100000
    ldr     x2, [x22, #0x18]
    str     x2, [x20, #24]
    add     x22, x21, #0x180000     // one that only the guest writes
    mov     x3, #0x5a5a
    str     x3, [x22, #0x20]
    ldr     x2, [x22, #0x20]
    str     x2, [x20, #24]

    ldr     x23, =GICD              // SPI 5, INTID 37, is the doorbell
    mov     w4, #(1 << 5)
    str     w4, [x20, #32]          // ready for it
1:  ldr     w5, [x23, #0x204]       // GICD_ISPENDR1
    tst     w5, w4
    b.eq    1b
    str     w5, [x20, #40]

    ldr     w0, =0x84000000         // PSCI_VERSION
    hvc     #0
    str     x0, [x20, #24]
    ldr     w0, =0x84000008         // SYSTEM_OFF
    hvc     #0
2:  b       2b
    .ltorg
    .balign 4096
guest_end:
