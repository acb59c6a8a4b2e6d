#!/usr/bin/env bash
# Builds gunyah-vmm, a static program for an arm64 Linux host. Needs gcc-aarch64-linux-gnu.
set -euo pipefail
cd "$(dirname "$0")"
aarch64-linux-gnu-gcc -Os -std=c11 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-pic -fno-pie -no-pie \
  -fno-stack-protector -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -mgeneral-regs-only \
  -mno-outline-atomics -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -s \
  -o gunyah-vmm start.S ./*.c
aarch64-linux-gnu-objcopy --remove-section=.comment gunyah-vmm
sha256sum gunyah-vmm > SHA256SUMS
