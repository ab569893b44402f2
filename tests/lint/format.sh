#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# clang-format agrees with every C file (.clang-format).
set -euo pipefail
cd "$(dirname "$0")/../.."
find src include tests -type f \( -name '*.[ch]' -o -name '*.inc' \) -print0 |
    xargs -0 clang-format-14 --dry-run -Werror
