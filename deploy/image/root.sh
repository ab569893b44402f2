#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Assemble the root file system of the image: the binary, the libraries that it needs and what
# says who made them; no shell, no package manager.
#
#   deploy/image/root.sh BINARY ROOT [SYSROOT]
#
# ROOT must not exist yet. Libraries come from this machine's Debian packages, or from those
# that sysroot.sh unpacked into SYSROOT, each with its copyright file; var/lib/dpkg/status.d
# names the packages and their versions for scanners.
set -eu

die() {
    printf '%s\n' "root.sh: $*" >&2
    exit 1
}

[ $# -eq 2 ] || [ $# -eq 3 ] || die "usage: root.sh BINARY ROOT [SYSROOT]"
binary=$1
root=$2
sysroot=${3-}
[ -x "$binary" ] || die "$binary is no program"
[ ! -e "$root" ] || die "$root is there already"
case $(readelf --file-header "$binary") in
*X86-64*) triplet=x86_64-linux-gnu ;;
*AArch64*) triplet=aarch64-linux-gnu ;;
*) die "$binary is neither for amd64 nor for arm64" ;;
esac
# As the loader searches, without its cache and its environment, which the image has not.
folders=$(readelf --dynamic "$binary" | sed -n 's/.*(RUNPATH).*\[\(.*\)\]/\1/p' | tr : ' ')
folders="$folders /usr/lib/$triplet /usr/lib"
list=$root.libraries

find_library() {
    for folder in $folders; do
        if [ -e "$sysroot$folder/$1" ]; then
            printf '%s\n' "$folder/$1"
            return 0
        fi
    done
    die "$binary needs $1: no such library in $folders of ${sysroot:-/}"
}

# Put the libraries that FILE needs, and those that they need, on the list.
list_libraries() {
    readelf --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r name; do
        ! grep -q "/$name\$" "$list" || continue
        path=$(find_library "$name")
        printf '%s\n' "$path" >>"$list"
        list_libraries "$sysroot$path"
    done
}

query() { dpkg-query --admindir="$sysroot/var/lib/dpkg" "$@"; }

# The package that FILE is of; /lib is a link to /usr/lib, and dpkg knows either name.
package_of() {
    real=$(readlink -f "$sysroot$1")
    real=${real#"$sysroot"}
    for name in "$1" "${1#/usr}" "$real" "${real#/usr}"; do
        if found=$(query -S "$name" 2>/dev/null); then
            printf '%s\n' "$found" | sed -e 's/: .*//' -e 's/, .*//' | head -n 1
            return 0
        fi
    done
    die "no Debian package has $1"
}

copy_libraries() {
    readelf --program-headers "$binary" | sed -n 's/.*interpreter: \(.*\)\]/\1/p' >"$list"
    list_libraries "$binary"
    while read -r path; do
        # Under the name that the loader asks for; links are not needed.
        case $path in /lib/* | /lib64/*) to=$root/usr$path ;; *) to=$root$path ;; esac
        mkdir -p "$(dirname "$to")"
        cp -L "$sysroot$path" "$to"
        package_of "$path" >>"$root.packages"
    done <"$list"
    rm "$list"
}

describe_packages() {
    mkdir -p "$root/var/lib/dpkg/status.d"
    sort -u "$root.packages" | while read -r package; do
        name=${package%%:*}
        mkdir -p "$root/usr/share/doc/$name"
        cp -L "$sysroot/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/copyright"
        query -s "$package" >"$root/var/lib/dpkg/status.d/$name"
    done
    rm "$root.packages"
}

mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/etc" "$root/dev" \
    "$root/proc" "$root/sys" "$root/tmp" "$root/run/pinnace" "$root/models"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
chmod 1777 "$root/tmp"
cp "$binary" "$root/usr/bin/pinnace"
"$triplet-strip" --strip-unneeded "$root/usr/bin/pinnace"
copy_libraries
describe_packages
cp /etc/os-release "$root/etc/os-release"
printf 'root:x:0:0:root:/:/nonexistent\npinnace:x:10001:10001:pinnace:/:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\npinnace:x:10001:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
