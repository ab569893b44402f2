#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Install libpinnace into an empty folder, build a user's program there through pkg-config
# alone, run it.
#
#   installed.sh BUILD_FOLDER EXAMPLE.c MODEL.onnx
set -euo pipefail
build=${1:?build folder} example=${2:?source} model=${3:?model}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

cmake --install "$build" --prefix "$tree" --component libpinnace
pc=$(dirname "$(find "$tree" -name pinnace.pc)")
export PKG_CONFIG_PATH=$pc
echo "pinnace $(pkg-config --modversion pinnace): $(pkg-config --cflags --libs pinnace)"
# shellcheck disable=SC2046
"${CC:-cc}" -std=c17 -Wall -Wextra -Werror "$example" -o "$tree/example" \
    $(pkg-config --cflags --libs pinnace) -lm
LD_LIBRARY_PATH=$(pkg-config --variable=libdir pinnace) "$tree/example" "$model"
