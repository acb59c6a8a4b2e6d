#!/bin/sh
# Make virt.dtb (needs device-tree-compiler) and fetch Debian's cloud kernel into the directory given, or .cache/ here
# (needs apt sources for arm64: `dpkg --add-architecture arm64 && apt-get update`). The boot test finds it there, or
# where GUNYAH_LINUX_IMAGE says.
set -eu
cd "$(dirname "$0")"
dtc -q -I dts -O dtb -o virt.dtb virt.dts
to=$(mkdir -p "${1:-.cache}" && cd "${1:-.cache}" && pwd)
package=$(apt-cache depends linux-image-cloud-arm64:arm64 | awk '/Depends: linux-image-6/ { print $2; exit }')
cd "$to"
apt-get download "$package"
dpkg-deb --fsys-tarfile ./linux-image-*.deb | tar -x --strip-components=2 --wildcards './boot/vmlinuz-*'
mv vmlinuz-* Image
