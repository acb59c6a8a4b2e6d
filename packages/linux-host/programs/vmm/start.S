/* Entry of the process, and the one place that enters the kernel. Source: Linux arm64 system call convention. */
	.text
	.global _start
_start:
	mov	x29, xzr
	mov	x30, xzr
	mov	x0, sp			/* argc, then argv */
	b	start

/* long linux_call(long number, long a, long b, long c, long d, long e, long f) */
	.global linux_call
	.type linux_call, %function
linux_call:
	mov	x8, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	.global linux_svc
linux_svc:
	svc	#0
	ret
	.section .note.GNU-stack, "", %progbits
