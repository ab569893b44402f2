#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Build deploy/Dockerfile without a registry, and run the container's tests on the image: buildah
# builds as docker does, from a Debian that mmdebstrap makes in the place of debian:12-slim.
#
#   tests/image/dockerfile.sh
#
# Takes minutes, so no part of tests/run.sh runs it; `tests/run.sh image` must have run once.
# Needs root and the Debian packages buildah and mmdebstrap.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

images() {
    buildah --root "$scratch/images" --runroot "$scratch/run" --storage-driver vfs "$@"
}

mmdebstrap --quiet --variant=minbase bookworm "$scratch/debian.tar"
base=$(images from scratch)
images add --quiet "$base" "$scratch/debian.tar" /
images commit --quiet --rm "$base" docker.io/library/debian:12-slim
rm "$scratch/debian.tar"
images bud --isolation chroot --pull-never --format docker \
    --file "$root/deploy/Dockerfile" --tag pinnace "$root"
images inspect --type image --format '{{.Docker.Config.Healthcheck.Test}}' pinnace |
    grep -F 'CMD /usr/bin/pinnace health'
images push --quiet pinnace "oci-archive:$scratch/pinnace.oci.tar:it"
PINNACE_IMAGE=$scratch/pinnace.oci.tar "$root/build/venv/bin/python" -m pytest -q "$root/tests/image" \
    -k 'size or nothing_but or libraries or serves or without_models'
