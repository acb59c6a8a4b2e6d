#!/bin/sh
# Make virt.dtb of virt.dts and fetch Debian's cloud kernel as Image into the directory given, or .cache/ here. Then
# GUNYAH_LINUX_IMAGE=.../Image npx vitest run packages/arch-arm64/test/linux-boot.test.ts boots it.
# Needs apt-get and dpkg-deb (Debian, with deb sources that carry arm64) and dtc. The package lists are private, so that
# the system's own architectures stay as they are; apt checks signatures and checksums.
set -eu
cd "$(dirname "$0")"
dtc -q -I dts -O dtb -o virt.dtb virt.dts
sha256sum virt.dtb >SHA256SUMS
to=${1:-.cache}
mkdir -p "$to"
to=$(cd "$to" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
: >"$work/status"
apt() {
	command=$1
	shift
	LC_ALL=C "$command" -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::Lists="$work/lists" \
		-o Dir::Cache="$work/cache" -o Dir::State::status="$work/status" -o APT::Sandbox::User=root "$@"
}
apt apt-get update
package=$(apt apt-cache depends linux-image-cloud-arm64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
[ -n "$package" ] || { echo "linux-image-cloud-arm64 depends on no kernel; do the apt sources carry arm64?" >&2; exit 1; }
(cd "$work" && apt apt-get download "$package")
dpkg-deb -x "$work"/linux-image-*.deb "$work/files"
cp "$work"/files/boot/vmlinuz-* "$to/Image"
echo "$package $(dpkg-deb -f "$work"/linux-image-*.deb Version)" | tee "$to/VERSION"
sha256sum "$to/Image"
