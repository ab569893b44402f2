#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Unpack Debian packages of another architecture, and all that they depend on, into a folder to
# build and link against. apt works with lists and a status of its own, so this machine's apt
# and dpkg hear nothing of that architecture; root is not needed.
#
#   deploy/image/sysroot.sh ARCH ROOT PACKAGE...
#
# Packages come from where this machine's do (/etc/apt). Nothing is done when ROOT holds these
# packages already; remove it for newer ones. ROOT/var/lib/dpkg tells dpkg-query what is there.
set -eu

die() {
    printf '%s\n' "sysroot.sh: $*" >&2
    exit 1
}

[ $# -ge 3 ] || die "usage: sysroot.sh ARCH ROOT PACKAGE..."
arch=$1
root=$2
shift 2
if [ -e "$root.packages" ] && [ "$(cat "$root.packages")" = "$arch $*" ]; then
    exit 0
fi
mkdir -p "$(dirname "$root")"
root=$(cd "$(dirname "$root")" && pwd)/$(basename "$root")
apt=$root.apt
dpkg=$root/var/lib/dpkg

unpack() {
    dpkg-deb --fsys-tarfile "$1" >"$apt/files.tar"
    tar --directory="$root" --keep-directory-symlink --no-same-owner --extract --file="$apt/files.tar"
    tar --list --file="$apt/files.tar" | sed -e 's,^\.,,' -e 's,\(.\)/$,\1,' -e 's,^/$,/.,' \
        >"$dpkg/info/$(dpkg-deb --field "$1" Package).list"
    { dpkg-deb --field "$1" && printf 'Status: install ok installed\n\n'; } >>"$dpkg/status"
}

rm -rf "$root" "$root.packages" "$apt"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/log"
: >"$apt/status"
# Hooks are for this machine's own packages.
cat >"$apt/conf" <<END
#clear APT::Update;
#clear DPkg;
APT::Architecture "$arch";
APT::Architectures "$arch";
APT::Sandbox::User "";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Log "$apt/log";
END
apt-get -qq --config-file="$apt/conf" update
apt-get -qq --config-file="$apt/conf" install --download-only --yes --no-install-recommends "$@"

mkdir -p "$dpkg/info" "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
printf '%s\n' "$arch" >"$dpkg/arch"
for folder in bin sbin lib lib64; do
    ln -s "usr/$folder" "$root/$folder"
done
for package in "$apt"/cache/archives/*.deb; do
    unpack "$package"
done
# Absolute links would lead to this machine's files.
find "$root" -type l -lname '/*' | while read -r link; do
    ln -sfnr "$root$(readlink "$link")" "$link"
done
rm -rf "$apt"
printf '%s\n' "$arch $*" >"$root.packages"
