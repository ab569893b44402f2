#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Cross-build Pinnace for arm64, optimised, in build/arm64/release.
#
#   deploy/image/cross.sh [TARGET...]
#
# TARGET is pinnace if not given, all for the tests too. The arm64 packages of
# deploy/packages.txt lie in build/arm64/root; remove it to get newer ones.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/arm64

for tool in aarch64-linux-gnu-gcc apt-get cmake dpkg-deb ninja pkg-config protoc protoc-c; do
    command -v "$tool" >/dev/null 2>&1 || {
        printf '%s\n' "cross.sh: $tool is missing (Debian: gcc-aarch64-linux-gnu and deploy/packages.txt)" >&2
        exit 1
    }
done

# Libraries are for the target, programs for this machine; check, a library, has no such name.
packages=$(sed -n -e 's/^\(lib[^ ]*-dev\|check\)$/\1/p' "$root/deploy/packages.txt")
# shellcheck disable=SC2086 # one word a package
sh "$here/sysroot.sh" arm64 "$build/root" $packages
cd "$root"
cmake --preset release -B "$build/release" --toolchain "$here/arm64.cmake"
cmake --build "$build/release" --target "${@:-pinnace}"
