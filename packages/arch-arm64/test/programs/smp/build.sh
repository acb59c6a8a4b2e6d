#!/bin/sh
# Builds the SMP test with Debian's cross compiler and records its output under QEMU with 1 and with 4 CPUs.
# Needs gcc-aarch64-linux-gnu, binutils-aarch64-linux-gnu and qemu-system-arm. Writes smp.bin, expected/ and SHA256SUMS.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aarch64-linux-gnu-gcc -std=gnu11 -O1 -Wall -Wextra -Werror -march=armv8-a+lse -ffreestanding -fno-builtin -nostdlib -static \
  -mgeneral-regs-only -mstrict-align -mno-outline-atomics -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables \
  -fno-tree-loop-distribute-patterns -Wno-main -Wl,-T,link.ld -Wl,--build-id=none -Wl,--emit-relocs -Wl,--no-warn-rwx-segments \
  -o "$work/smp.elf" *.S *.c
# The image runs where it is loaded, so it holds no absolute address.
if aarch64-linux-gnu-readelf -rW "$work/smp.elf" | grep R_AARCH64_ABS | grep -v image_size; then
  echo "absolute addresses in the image" >&2
  exit 1
fi
aarch64-linux-gnu-objcopy -O binary "$work/smp.elf" smp.bin
chmod 644 smp.bin
mkdir -p expected
for cpus in 1 4; do
  timeout 120 qemu-system-aarch64 -M virt,gic-version=3 -cpu max -smp $cpus -m 256 -nic none -display none -monitor none -serial stdio \
    -kernel smp.bin </dev/null > expected/cpus-$cpus.txt
done
sha256sum smp.bin expected/cpus-*.txt > SHA256SUMS
