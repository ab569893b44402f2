#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The arm64 build as a program of this machine: qemu runs it with the libraries of its root.
build=$(cd "$(dirname "$0")/../../build/arm64" && pwd)
exec qemu-aarch64-static -L "$build/root" "$build/release/pinnace" "$@"
