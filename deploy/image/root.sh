#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Assemble the root file system of the image: the binary, the libraries that it needs and what
# says who made them; no shell, no package manager.
#
#   deploy/image/root.sh BINARY ROOT
#
# ROOT must not exist yet. Libraries come from this machine's Debian packages, each with its
# copyright file; var/lib/dpkg/status.d names the packages and their versions for scanners.
set -eu

die() {
    printf '%s\n' "root.sh: $*" >&2
    exit 1
}

[ $# -eq 2 ] || die "usage: root.sh BINARY ROOT"
binary=$1
root=$2
[ -x "$binary" ] || die "$binary is no program"
[ ! -e "$root" ] || die "$root is there already"

# Paths of the libraries that BINARY is linked with, as the loader finds them.
libraries() {
    ldd "$binary" | sed -n -e 's/.* => \(\/[^ ]*\) (.*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' |
        sort -u
}

# The package that FILE is of; /lib is a link to /usr/lib, and dpkg knows either name.
package_of() {
    real=$(readlink -f "$1")
    for name in "$1" "$real" "${real#/usr}"; do
        if found=$(dpkg-query -S "$name" 2>/dev/null); then
            printf '%s\n' "$found" | sed -e 's/: .*//' -e 's/, .*//' | head -n 1
            return 0
        fi
    done
    die "no Debian package has $1"
}

copy_libraries() {
    libraries | while read -r path; do
        # Under the name that the loader asks for; links are not needed.
        case $path in /lib/* | /lib64/*) to=$root/usr$path ;; *) to=$root$path ;; esac
        mkdir -p "$(dirname "$to")"
        cp -L "$path" "$to"
        package_of "$path"
    done | sort -u >"$root.packages"
}

describe_packages() {
    mkdir -p "$root/var/lib/dpkg/status.d"
    while read -r package; do
        name=${package%%:*}
        mkdir -p "$root/usr/share/doc/$name"
        cp -L "/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/copyright"
        dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$name"
    done <"$root.packages"
    rm "$root.packages"
}

mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/etc" "$root/dev" \
    "$root/proc" "$root/sys" "$root/tmp" "$root/run/pinnace" "$root/models"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
chmod 1777 "$root/tmp"
cp "$binary" "$root/usr/bin/pinnace"
strip --strip-unneeded "$root/usr/bin/pinnace"
copy_libraries
describe_packages
cp /etc/os-release "$root/etc/os-release"
printf 'root:x:0:0:root:/:/nonexistent\npinnace:x:10001:10001:pinnace:/:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\npinnace:x:10001:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
