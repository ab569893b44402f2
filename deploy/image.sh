#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds Pinnace's container image without a daemon: an OCI archive that docker, podman,
# containerd and skopeo load.
#
#   deploy/image.sh [--binary=FILE] [--tag=TAG] [OUTPUT]
#
# OUTPUT is build/pinnace-VERSION-ARCH.oci.tar if not given. The root file system is the one of
# deploy/Dockerfile (deploy/image/root.sh makes both). The same binary and packages give the
# same layer.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
binary=$root/build/release/pinnace
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

for argument in "$@"; do
    case $argument in
    --binary=*) binary=${argument#*=} ;;
    --tag=*) tag=${argument#*=} ;;
    --help | -h)
        sed -n 's/^# \{0,1\}//p' "$0" | sed -n '3,12p'
        exit 0
        ;;
    -*) die "unknown option $argument; --help tells the options" ;;
    *) output=$argument ;;
    esac
done
for tool in umoci strip dpkg-query; do
    command -v "$tool" >/dev/null 2>&1 || die "$tool is missing (Debian: apt-get install umoci binutils)"
done
[ -x "$binary" ] || die "$binary is missing: cmake --workflow --preset release"

trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d)
version=$("$binary" version | awk '$1 == "pinnace" { print $2 }')
revision=$("$binary" version | awk '$1 == "revision" { print $2 }')
arch=$(dpkg --print-architecture)
tag=${tag:-$version}
output=${output:-$root/build/pinnace-$version-$arch.oci.tar}
# All files are as old as the commit that they were built from.
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

say "assembling the root file system"
sh "$root/deploy/image/root.sh" "$binary" "$scratch/root"
pack() {
    tar --directory="$scratch/root" --sort=name --mtime="@$epoch" --numeric-owner "$@"
}
pack --owner=0 --group=0 --exclude=./run/pinnace --create --file="$scratch/layer.tar" .
pack --owner=10001 --group=10001 --append --file="$scratch/layer.tar" ./run/pinnace

say "writing the image"
layout=$scratch/image
umoci init --layout="$layout"
umoci new --image="$layout:$tag"
umoci raw add-layer --image="$layout:$tag" --history.created="$created" \
    --history.created_by="deploy/image.sh" "$scratch/layer.tar"
umoci config --image="$layout:$tag" --no-history --created="$created" \
    --architecture="$arch" --os=linux --config.user=10001:10001 --config.workingdir=/ \
    --config.entrypoint=/usr/bin/pinnace --config.cmd=serve --config.cmd=/models \
    --config.exposedports=8001/tcp --config.exposedports=8002/tcp --config.stopsignal=SIGTERM \
    --config.label=org.opencontainers.image.title=pinnace \
    --config.label=org.opencontainers.image.description="gRPC model-serving sidecar" \
    --config.label=org.opencontainers.image.version="$version" \
    --config.label=org.opencontainers.image.revision="$revision" \
    --config.label=org.opencontainers.image.created="$created" \
    --config.label=org.opencontainers.image.licenses=Apache-2.0 \
    --config.label=org.opencontainers.image.base.name=scratch
umoci gc --layout="$layout"
mkdir -p "$(dirname "$output")"
tar --directory="$layout" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
    --create --file="$output" .
say "$output: $(($(stat -c %s "$output") / 1024)) KiB, $(du -sk "$scratch/root" | cut -f 1) KiB unpacked"
