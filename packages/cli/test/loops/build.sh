#!/bin/sh
# Assembles the loops with Debian's cross binutils (binutils-aarch64-linux-gnu). Writes loops.bin and SHA256SUMS.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aarch64-linux-gnu-as -o "$work/loops.o" loops.S
aarch64-linux-gnu-objcopy -O binary "$work/loops.o" loops.bin
sha256sum loops.bin > SHA256SUMS
