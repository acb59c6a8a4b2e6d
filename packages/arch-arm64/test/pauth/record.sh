#!/bin/sh
# Record what QEMU makes of pointer authentication. Needs gcc-aarch64-linux-gnu and qemu-system-arm (Debian).
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
aarch64-linux-gnu-gcc -O1 -march=armv8.3-a -mgeneral-regs-only -ffreestanding -nostdlib -static -fno-pie -fno-stack-protector \
	-Wl,-Ttext=0x40200000 -o "$out/record.elf" record.c
qemu-system-aarch64 -M virt -cpu max -m 64M -nographic -net none -kernel "$out/record.elf" </dev/null >"$out/log"
grep -E '^([0-9a-f]{16} ?){29}' "$out/log" | sed 's/[ \r]*$//' >qemu.txt
sha256sum qemu.txt >SHA256SUMS
rm -r "$out"
