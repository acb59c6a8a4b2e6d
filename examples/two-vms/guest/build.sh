#!/bin/sh
# Assemble the guest. Needs Debian's binutils-aarch64-linux-gnu.
set -e
cd "$(dirname "$0")"
aarch64-linux-gnu-as -o guest.o guest.s
aarch64-linux-gnu-objcopy -O binary -j .text guest.o guest.bin
rm guest.o
