#!/bin/sh
# Builds kernels.bin (flat, for 0x40200000) and records its SHA-256. Needs gcc-aarch64-linux-gnu (Debian 12: gcc 12.2).
set -eu
cd "$(dirname "$0")"
here=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags="-O2 -march=armv8-a+nosimd -mgeneral-regs-only -ffreestanding -fno-pic -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables -mno-outline-atomics"
aarch64-linux-gnu-gcc -c start.S -o "$tmp/start.o"
for source in crc32 sha256 sieve memcpy bignum qsort fib inflate; do
  aarch64-linux-gnu-gcc $flags -c "$source.c" -o "$tmp/$source.o"
done
(cd "$tmp" && aarch64-linux-gnu-ld --build-id=none -T "$here/link.ld" -o kernels.elf *.o && aarch64-linux-gnu-objcopy -O binary kernels.elf kernels.bin)
cp "$tmp/kernels.bin" kernels.bin
sha256sum kernels.bin > SHA256SUMS
cat SHA256SUMS
