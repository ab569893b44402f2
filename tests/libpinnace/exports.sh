#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# libpinnace exports exactly the functions that the public headers mark with PN_API.
#
#   exports.sh LIBRARY HEADER_FOLDER
set -euo pipefail
library=${1:?library} headers=${2:?folder of the public headers}

exported=$(nm -D --defined-only "$library" | awk '{print $3}' | sort)
marked=$(cat "$headers"/*.h | tr '\n' ' ' | grep -o 'PN_API [^;{]*(' |
    grep -o 'pn_[a-z0-9_]* *(' | tr -d ' (' | sort -u)

if [ -z "$marked" ]; then
    echo "no PN_API function found in $headers"
    exit 1
fi
# Sanitizers and coverage add symbols of their own, never ours.
exported=$(grep -vE '^(__asan|__ubsan|__tsan|__gcov|__sanitizer|_init$|_fini$)' <<<"$exported")
diff <(echo "$marked") <(echo "$exported") |
    sed -n 's/^< /marked but not exported: /p; s/^> /exported but not marked: /p' | tee /dev/stderr |
    { ! grep -q .; }
