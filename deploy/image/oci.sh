#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Add the image of a root file system to an OCI layout; print the descriptor of its manifest.
#
#   deploy/image/oci.sh LAYOUT ROOT ARCH VERSION REVISION EPOCH
#
# ROOT is packed as one layer, all of root but for /run/pinnace, its files as old as EPOCH
# (seconds). The configuration says what deploy/Dockerfile does, the health check included:
# OCI has no word for it, so docker heeds it and others pass it over.
set -eu

[ $# -eq 6 ] || {
    printf '%s\n' "usage: oci.sh LAYOUT ROOT ARCH VERSION REVISION EPOCH" >&2
    exit 1
}
layout=$1
root=$2
arch=$3
version=$4
revision=$5
epoch=$6
platform="\"architecture\":\"$arch\",\"os\":\"linux\""
[ "$arch" != arm64 ] || platform="$platform,\"variant\":\"v8\""
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
file=$root.part

digest() { sha256sum "$1" | cut -d ' ' -f 1; }

# Move $file among the blobs; print what refers to it as a TYPE.
add_blob() {
    printf '"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s' \
        "$1" "$(digest "$file")" "$(stat -c %s "$file")"
    mv "$file" "$layout/blobs/sha256/$(digest "$file")"
}

pack() {
    tar --directory="$root" --sort=name --mtime="@$epoch" --numeric-owner --file="$file" "$@"
}

mkdir -p "$layout/blobs/sha256"
pack --owner=0 --group=0 --exclude=./run/pinnace --create .
pack --owner=10001 --group=10001 --append ./run/pinnace
diff_id=$(digest "$file")
gzip -9 --no-name "$file"
mv "$file.gz" "$file"
layer=$(add_blob layer.v1.tar+gzip)

cat >"$file" <<END
{
  "created": "$created",
  $platform,
  "config": {
    "User": "10001:10001",
    "WorkingDir": "/",
    "Entrypoint": ["/usr/bin/pinnace"],
    "Cmd": ["serve", "/models"],
    "ExposedPorts": {"8001/tcp": {}, "8002/tcp": {}},
    "StopSignal": "SIGTERM",
    "Healthcheck": {
      "Test": ["CMD", "/usr/bin/pinnace", "health"],
      "Interval": 10000000000,
      "Timeout": 3000000000
    },
    "Labels": {
      "org.opencontainers.image.title": "pinnace",
      "org.opencontainers.image.description": "gRPC model-serving sidecar",
      "org.opencontainers.image.version": "$version",
      "org.opencontainers.image.revision": "$revision",
      "org.opencontainers.image.created": "$created",
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.base.name": "scratch"
    }
  },
  "rootfs": {"type": "layers", "diff_ids": ["sha256:$diff_id"]},
  "history": [{"created": "$created", "created_by": "deploy/image.sh"}]
}
END
config=$(add_blob config.v1+json)

cat >"$file" <<END
{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {$config},
  "layers": [{$layer}]
}
END
printf '{%s,"platform":{%s}}\n' "$(add_blob manifest.v1+json)" "$platform"
