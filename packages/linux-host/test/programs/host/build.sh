#!/usr/bin/env bash
# Builds host.bin, a bare-metal host for the Gunyah hypervisor. Needs gcc-aarch64-linux-gnu and device-tree-compiler.
set -euo pipefail
cd "$(dirname "$0")"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
dtc -q -I dts -O dtb -o "$out/guest.dtb" guest.dts
cat > "$out/guest-dtb.S" <<END
    .section .rodata
    .balign 8
    .global guest_dtb, guest_dtb_end
guest_dtb: .incbin "$out/guest.dtb"
guest_dtb_end:
END
# The MMU is off: data accesses are to Device memory, which takes no unaligned ones, and there are no SIMD registers.
aarch64-linux-gnu-gcc -Os -std=c11 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-pic -fno-stack-protector \
  -fno-asynchronous-unwind-tables -mgeneral-regs-only -mstrict-align -mcmodel=small -nostdlib -static -Wl,--build-id=none \
  -Wl,-z,max-page-size=4096,--no-warn-rwx-segments -T link.ld -o "$out/host.elf" start.S guest.S "$out/guest-dtb.S" ./*.c
aarch64-linux-gnu-objcopy -O binary "$out/host.elf" host.bin
sha256sum host.bin > SHA256SUMS
