/* Benchmark kernels: no library, no globals that are written, all memory comes from the caller. */
#ifndef BENCH_H
#define BENCH_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;
#define NOINLINE __attribute__((noinline))

/* Runs `rounds` rounds of a kernel in `memory` (4 MiB) and gives a checksum. */
typedef u64 kernel(u8 *memory, u64 rounds);
kernel bench_crc32, bench_sha256, bench_sieve, bench_memcpy, bench_bignum, bench_qsort, bench_fib, bench_inflate;
#endif
