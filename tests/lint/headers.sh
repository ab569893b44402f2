#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Each header compiles alone, twice over (include guards), without a warning.
#
#   headers.sh BUILD_FOLDER
set -euo pipefail
build=${1:?build folder}
cd "$(dirname "$0")/../.."

cc=${CC:-gcc}
flags=(-std=c17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude)
private=(-D_GNU_SOURCE -Isrc -Itests)
for folder in "$build"/gen "$build"/gen/*/; do
    [ -d "$folder" ] && private+=(-isystem "$folder")
done
private+=(-isystem "/usr/include/$("$cc" -dumpmachine)/openblas-serial")
private+=(-isystem "/usr/include/$("$cc" -print-multiarch)/openblas-serial")

failed=0
alone() {
    local name=$1
    shift
    printf '#include "%s"\n#include "%s"\nextern int lint_not_empty;\n' "$name" "$name" |
        "$cc" "${flags[@]}" "$@" -x c - || { echo "$name: does not compile alone"; failed=1; }
}

while IFS= read -r header; do
    alone "${header#include/}"
done < <(find include -name '*.h' | sort)
# Headers for one instruction set compile where the compiler knows it.
while IFS= read -r header; do
    isa=()
    case $header in
    *_avx2.h) isa=(-mavx2 -mfma -mf16c) ;;
    *_avx512.h) isa=(-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c) ;;
    esac
    if [ ${#isa[@]} -gt 0 ] && [ "$(uname -m)" != x86_64 ]; then
        continue
    fi
    header=${header#src/}
    alone "${header#tests/}" "${private[@]}" "${isa[@]}"
done < <(find src tests/lib -name '*.h' | sort)
exit $failed
