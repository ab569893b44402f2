#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What every tracked file keeps to: no path of somebody's machine; shell scripts pass
# the shellcheck tool; C, CMake, shell and Python files name the licence.
#
#   tracked.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
failed=0

files() {
    git ls-files 2>/dev/null || # no repository, or somebody else's
        find . \( -path ./build -o -name .git -o -name .venv -o -name .pytest_cache \) -prune -o -type f -printf '%P\n'
}

# Spelt so that this file does not find itself.
paths="/wor""k/|/tmp/""w/|/home/""[a-z]|/root""/"
if files | grep -vE '\.(onnx|pb|npz|safetensors)$' | tr '\n' '\0' |
    xargs -0 -r grep -d skip -nIE "$paths"; then
    echo "a path of one machine must not stand in a tracked file"
    failed=1
fi

scripts=()
while IFS= read -r file; do
    [ -f "$file" ] || continue
    case $file in
    *.sh) scripts+=("$file") ;;
    *.*) ;;
    *) head -c 64 "$file" | head -n 1 | grep -qaE '^#!.*\b(ba|da)?sh\b' && scripts+=("$file") ;;
    esac
done < <(files)
[ ${#scripts[@]} -eq 0 ] || shellcheck -S warning "${scripts[@]}" || failed=1

while IFS= read -r file; do
    [ -f "$file" ] || continue
    if ! head -n 5 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0'; then
        echo "$file: no SPDX-License-Identifier: Apache-2.0 in its first lines"
        failed=1
    fi
done < <(files | grep -E '(\.(c|h|inc|cmake|sh|py|proto)|CMakeLists\.txt)$')
exit $failed
