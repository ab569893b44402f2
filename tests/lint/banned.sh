#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Functions that the code does not call.
#
#   banned.sh [ROOT]
#
# A line that must call one says why in a comment on it: "lint: allow NAME".
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
failed=0

# forbid WHY NAMES EXCEPT…: no call of NAMES in src/, but for the files EXCEPT.
forbid() {
    local why=$1 names=$2 found
    shift 2
    found=$(grep -rnE "(^|[^[:alnum:]_.>\"/])($names)[[:space:]]*\(" src include \
        --include='*.c' --include='*.h' --include='*.inc' |
        grep -vE '^[^:]*:[0-9]+:[[:space:]]*(\*|/\*|//)' | grep -vE 'lint: allow' || true)
    for except in "$@"; do
        found=$(grep -v "^$except" <<<"$found" || true)
    done
    [ -n "$found" ] || return 0
    printf '%s\n' "$found" "^ $why"
    failed=1
}

# http/page.c frees a text that jansson made.
forbid "heap memory comes from base/mem.h, which checks sizes and can be made to fail" \
    'malloc|calloc|realloc|reallocarray|free|strdup|strndup|aligned_alloc|posix_memalign|asprintf|vasprintf' \
    src/base/mem.c src/http/page.c
forbid "writes without a limit" 'gets|strcpy|stpcpy|strcat|sprintf|vsprintf|alloca'
forbid "shares one static buffer or one state among all threads" \
    'strtok|localtime|gmtime|ctime|asctime|rand|srand|random|setenv|putenv|unsetenv|setlocale|getpwnam|getpwuid|gethostbyname|ttyname|tmpnam|mktemp'
forbid "runs a shell" 'system|popen'
forbid "cannot tell junk from zero; see base/str.h" 'atoi|atol|atoll|atof'
# serve/life.c stops at a move of a model version that its table forbids: a bug of our own.
forbid "ends the process; only app/ may" 'exit|_exit|quick_exit|abort' src/app/ src/serve/life.c
forbid "writes to stdout; only app/ may" 'printf|puts|putchar' src/app/
exit $failed
