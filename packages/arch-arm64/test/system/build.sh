#!/bin/sh
# Assemble probe.s: the binary, the addresses of its labels relative to its start, and a checksum.
# Needs gcc-aarch64-linux-gnu (Debian).
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
aarch64-linux-gnu-as -march=armv8.4-a -o "$out/probe.o" probe.s
aarch64-linux-gnu-ld -Ttext=0 -o "$out/probe.elf" "$out/probe.o" 2>/dev/null
aarch64-linux-gnu-objcopy -O binary -j .text "$out/probe.elf" probe.bin
aarch64-linux-gnu-nm -t d "$out/probe.elf" |
	awk 'BEGIN { print "{" } / T / && !/ _/ { printf "%s  \"%s\": %d", sep, $3, $1 + 0; sep = ",\n" } END { print "\n}" }' > probe.json
sha256sum probe.bin probe.json > SHA256SUMS
rm -r "$out"
