#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Small files with names of their own: no .c file over 600 lines (but for those listed with
# a reason in large-files.txt), no two files of src/ with one name.
#
#   sizes.sh [ROOT]
set -euo pipefail
reasons=$(cd "$(dirname "$0")" && pwd)/large-files.txt
cd "${1:-$(dirname "$0")/../..}"
failed=0

while read -r lines file; do
    if [ "$file" != total ] && [ "$lines" -gt 600 ] && ! grep -q "^$file " "$reasons"; then
        echo "$file: $lines lines, at most 600 (or a reason in tests/lint/large-files.txt)"
        failed=1
    fi
done < <(find src tests -name '*.c' -print0 | xargs -0 wc -l)

while read -r name; do
    echo "two files have the name $name:" && find src -name "$name"
    failed=1
done < <(find src -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
exit $failed
