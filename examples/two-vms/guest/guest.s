// Both guests: one speaks first, the other answers, until one of them is gone. No MMU, no stack, no exception vectors:
// the interrupt stays masked and only ends WFI. Addresses as the VMM lays them out (device 0 the UART, device 1 the
// mailbox with SPI 5), memory from 0x80000000: this code in the first page, the message in the second.

        .equ    UART,      0x09000000
        .equ    MAILBOX,   0x09010000
        .equ    ROLE,      0x00            // read: 0 speaks first, 1 answers
        .equ    PAGE,      0x04            // write: number of the page that holds messages
        .equ    BELL,      0x08            // write: there is a message
        .equ    PEER,      0x0c            // read: 1 while the other one is there
        .equ    INTID,     32 + 5
        .equ    ROUNDS,    3

        .text
        .global _start
_start:
        movz    x20, #(MAILBOX >> 16), lsl #16
        movz    x21, #(UART >> 16), lsl #16
        movz    x22, #0x8000, lsl #16
        add     x22, x22, #0x1000          // the message: length, then bytes

        // GICD: the mailbox's interrupt is an edge, in group 1, enabled, for this CPU
        movz    x0, #0x3fff, lsl #16
        mov     w1, #(1 << (INTID % 32))
        str     w1, [x0, #0x084]           // GICD_IGROUPR1
        mov     w2, #(2 << (2 * (INTID % 16)))
        str     w2, [x0, #0xc08]           // GICD_ICFGR2
        add     x3, x0, #0x6000
        str     xzr, [x3, #(8 * INTID)]    // GICD_IROUTER37: affinity 0.0.0.0
        mov     w2, #0x12                  // ARE, EnableGrp1
        str     w2, [x0]                   // GICD_CTLR
        str     w1, [x0, #0x104]           // GICD_ISENABLER1

        // GICR: awake
        movz    x0, #0x3ffd, lsl #16
        str     wzr, [x0, #0x14]           // GICR_WAKER
1:      ldr     w1, [x0, #0x14]
        tbnz    w1, #2, 1b                 // ChildrenAsleep

        // CPU interface: system registers, all priorities, group 1
        mov     x0, #7
        msr     S3_0_C12_C12_5, x0         // ICC_SRE_EL1
        isb
        mov     x0, #0xff
        msr     S3_0_C4_C6_0, x0           // ICC_PMR_EL1
        mov     x0, #1
        msr     S3_0_C12_C12_7, x0         // ICC_IGRPEN1_EL1
        isb

        mov     w19, #0                    // rounds
        lsr     x0, x22, #12
        str     w0, [x20, #PAGE]
        ldr     w18, [x20, #ROLE]
        cbnz    w18, wait

// Write "ping <n>" or "pong <n>" and ring.
send:   mov     w0, #7
        str     w0, [x22]
        mov     w0, #'p'
        strb    w0, [x22, #4]
        mov     w0, #'i'
        mov     w1, #'o'
        cmp     w18, #0
        csel    w0, w0, w1, eq
        strb    w0, [x22, #5]
        mov     w0, #'n'
        strb    w0, [x22, #6]
        mov     w0, #'g'
        strb    w0, [x22, #7]
        mov     w0, #' '
        strb    w0, [x22, #8]
        add     w0, w19, #'0'
        strb    w0, [x22, #9]
        mov     w0, #'\n'
        strb    w0, [x22, #10]
        cmp     w18, #0
        cinc    w19, w19, ne               // who answers counts answers
        dmb     sy
        str     wzr, [x20, #BELL]

wait:   wfi
        mrs     x0, S3_0_C12_C12_0         // ICC_IAR1_EL1
        cmp     w0, #INTID
        b.ne    wait
        msr     S3_0_C12_C12_1, x0         // ICC_EOIR1_EL1
        isb
        ldr     w0, [x20, #PEER]
        cbz     w0, off

        // Print the message.
        ldr     w1, [x22]
        add     x2, x22, #4
1:      cbz     w1, 2f
        ldrb    w0, [x2], #1
        str     w0, [x21]
        sub     w1, w1, #1
        b       1b

2:      cbnz    w18, send
        add     w19, w19, #1               // who speaks first counts questions
        cmp     w19, #ROUNDS
        b.ne    send

off:    movz    x0, #0x8400, lsl #16       // PSCI SYSTEM_OFF
        movk    x0, #0x0008
        hvc     #0
        b       off
