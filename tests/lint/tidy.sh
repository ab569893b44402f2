#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# clang-tidy over src/ (checks: .clang-tidy), every core at work.
#
#   tidy.sh BUILD_FOLDER [FILE…]
#
# A file whose preprocessed text, flags and checks were clean before is not read again: its
# mark lies in BUILD_FOLDER/tidy.
set -euo pipefail
build=$(cd "${1:?build folder}" && pwd)
shift
cd "$(dirname "$0")/../.."
export build
export marks=$build/tidy
mkdir -p "$marks"

# ipa=none: the analyzer reads one function at a time. Reading into the callees it followed
# failing calls (whose code comes from another file) as if they had succeeded.
one() {
    local file=$1 command mark
    local arguments=(--extra-arg=-Wno-unknown-warning-option)
    arguments+=(--extra-arg=-Xclang --extra-arg=-analyzer-config)
    arguments+=(--extra-arg=-Xclang --extra-arg=ipa=none)
    command=$(python3 -c '
import json, sys
for c in json.load(open(sys.argv[1] + "/compile_commands.json")):
    if c["file"] == sys.argv[2]:
        print(c["command"].split(" -o ")[0])
        break
' "$build" "$PWD/$file")
    [ -n "$command" ] || { echo "$file: not in compile_commands.json, passed over"; return 0; }
    mark=$marks/$({ cat .clang-tidy; echo "$command"
        cd "$build" && bash -c "$command -E '$OLDPWD/$file'"; } | sha256sum | cut -c1-32)
    [ -e "$mark" ] && return 0
    clang-tidy-14 --quiet -p "$build" "${arguments[@]}" "$file" \
        2>/dev/null || return 1
    touch "$mark"
}
export -f one

[ -e "$build/compile_commands.json" ] || { echo "no compile_commands.json in $build"; exit 1; }
if [ $# -gt 0 ]; then printf '%s\0' "$@"; else find src -name '*.c' -print0; fi |
    xargs -0 -n 1 -P "$(nproc)" bash -c 'one "$@"' tidy
