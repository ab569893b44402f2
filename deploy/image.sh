#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds Pinnace's container image without a daemon: an OCI archive that docker, podman,
# containerd and skopeo load.
#
#   deploy/image.sh [--arch=ARCH[,ARCH]] [--binary=FILE] [--tag=TAG] [OUTPUT]
#
# ARCH is amd64 or arm64: this machine's if not given; both make one archive for a mixed
# cluster. FILE is build/release/pinnace if not given, and for arm64 on another machine what
# deploy/image/cross.sh builds. OUTPUT is build/pinnace-VERSION-ARCH.oci.tar if not given.
#
# The root file system is the one of deploy/Dockerfile (deploy/image/root.sh makes both). The
# same binary and packages give the same bytes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
archs=
binary=
tag=
output=
scratch=

say() { printf '%s\n' "==> $*"; }
die() {
    printf '%s\n' "image.sh: $*" >&2
    exit 1
}
tidy() {
    status=$?
    trap - EXIT INT TERM
    [ -z "$scratch" ] || rm -rf "$scratch"
    exit "$status"
}

while [ $# -gt 0 ]; do
    case $1 in
    --arch=*) archs=${1#*=} ;;
    --arch)
        [ $# -gt 1 ] || die "--arch wants amd64, arm64 or amd64,arm64"
        archs=$2
        shift
        ;;
    --binary=*) binary=${1#*=} ;;
    --tag=*) tag=${1#*=} ;;
    --help | -h)
        sed -n 's/^# \{0,1\}//p' "$0" | sed -n '3,14p'
        exit 0
        ;;
    -*) die "unknown option $1; --help tells the options" ;;
    *) output=$1 ;;
    esac
    shift
done
command -v readelf >/dev/null 2>&1 || die "readelf is missing (Debian: apt-get install binutils)"
case $tag in *[!A-Za-z0-9._-]*) die "--tag=$tag: expected letters, digits, dots, dashes and underscores" ;; esac
native=$(dpkg --print-architecture)
archs=${archs:-$native}
case $archs in
amd64 | arm64) ;;
amd64,arm64 | arm64,amd64) [ -z "$binary" ] || die "--binary is of one architecture: give one --arch with it" ;;
*) die "--arch=$archs: expected amd64, arm64 or amd64,arm64" ;;
esac

# The binary for architecture $1.
binary_of() {
    if [ -n "$binary" ]; then
        printf '%s\n' "$binary"
    elif [ "$1" = "$native" ]; then
        printf '%s\n' "$root/build/release/pinnace"
    else
        printf '%s\n' "$root/build/$1/release/pinnace"
    fi
}

# Where the libraries for architecture $1 are: nothing for this machine's own.
sysroot_of() { [ "$1" = "$native" ] || printf '%s\n' "$root/build/$1/root"; }

for arch in $(echo "$archs" | tr , ' '); do
    if [ "$arch" != "$native" ] && [ -z "$binary" ]; then
        [ "$arch" = arm64 ] || die "--arch=$arch: from this machine only arm64 is cross-built"
        say "building for $arch"
        sh "$root/deploy/image/cross.sh" >&2
    fi
    [ -x "$(binary_of "$arch")" ] || die "$(binary_of "$arch") is missing: cmake --workflow --preset release"
done


trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d)
layout=$scratch/layout
# All files are as old as the commit that they were built from.
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}

# VERSION and REVISION of the binary for architecture $1; one that does not run here was built
# from this tree a moment ago.
told_by() {
    if told=$("$(binary_of "$1")" version 2>/dev/null); then
        printf '%s\n' "$told" | awk '$1 == "pinnace" { v = $2 } $1 == "revision" { print v, $2 }'
    else
        printf '%s %s\n' "$(sed -n 's/^project(pinnace VERSION \([0-9.]*\) .*/\1/p' "$root/CMakeLists.txt")" \
            "$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)"
    fi
}

manifests=
for arch in $(echo "$archs" | tr , ' '); do
    say "assembling the image for $arch"
    sh "$root/deploy/image/root.sh" "$(binary_of "$arch")" "$scratch/$arch" "$(sysroot_of "$arch")"
    told=$(told_by "$arch")
    version=${told% *}
    manifest=$(sh "$root/deploy/image/oci.sh" "$layout" "$scratch/$arch" "$arch" "$version" "${told#* }" "$epoch")
    manifests=$manifests${manifests:+,}$manifest
done

# An image of several architectures is an index of its own, which the layout's names.
tag=${tag:-$version}
case $archs in *,*)
    printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}\n' \
        application/vnd.oci.image.index.v1+json "$manifests" >"$scratch/index"
    digest=$(sha256sum "$scratch/index" | cut -d ' ' -f 1)
    manifests=$(printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' \
        application/vnd.oci.image.index.v1+json "$digest" "$(stat -c %s "$scratch/index")")
    mv "$scratch/index" "$layout/blobs/sha256/$digest"
    ;;
esac
printf '{"imageLayoutVersion":"1.0.0"}\n' >"$layout/oci-layout"
printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s,"annotations":{"%s":"%s"}}]}\n' \
    application/vnd.oci.image.index.v1+json "${manifests%\}}" \
    org.opencontainers.image.ref.name "$tag" >"$layout/index.json"

output=${output:-$root/build/pinnace-$version-$(echo "$archs" | tr , -).oci.tar}
mkdir -p "$(dirname "$output")"
tar --directory="$layout" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
    --create --file="$output" .
say "$output: $(($(stat -c %s "$output") / 1024)) KiB"
