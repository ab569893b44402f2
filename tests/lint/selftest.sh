#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The laws can be broken: each lint finds what was planted for it, and nothing in a good tree.
set -euo pipefail
lint=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
mkdir -p src/base src/tensor src/rpc src/app include/pinnace tests
cat >CMakeLists.txt <<'T'
# SPDX-License-Identifier: Apache-2.0
pn_room(base)
pn_room(tensor MAY base)
pn_room(rpc MAY tensor
    base USES grpc)
T
good() {
    printf '/* SPDX-License-Identifier: Apache-2.0 */\n#include "base/a.h"\n#include <stdio.h>\n' \
        >src/tensor/t.c
    printf '/* SPDX-License-Identifier: Apache-2.0 */\n#include <grpc/grpc.h>\n#include "tensor/b.h"\n' \
        >src/rpc/r.c
    printf '/* SPDX-License-Identifier: Apache-2.0 */\n#include "rpc/c.h"\n' >src/app/main.c
}
failed=0
# must_fail LINT WORDS: it exits non-zero and its output has WORDS.
must_fail() {
    local said
    if said=$("$lint/$1" "$tree" 2>&1); then
        echo "$1 missed: $2"
        failed=1
    elif ! grep -qF -- "$2" <<<"$said"; then
        echo "$1 did not say '$2' but: $said"
        failed=1
    fi
    good
}

good
for each in layers.sh banned.sh sizes.sh tracked.sh; do
    "$lint/$each" "$tree" || { echo "$each refuses a good tree"; failed=1; }
done

breach() { printf '#include %s\n' "$2" >>"$1"; }
breach src/base/x.c '"tensor/b.h"' && must_fail layers.sh 'base may not include tensor'
rm src/base/x.c
breach src/tensor/t.c '"../base/a.h"' && must_fail layers.sh 'not rooted'
breach src/tensor/t.c '"t.h"' && must_fail layers.sh 'not rooted'
breach src/tensor/t.c '<grpc/grpc.h>' && must_fail layers.sh 'grpc/grpc.h belongs to rpc'
breach src/rpc/r.c '<protobuf-c/protobuf-c.h>' && must_fail layers.sh 'belongs to model, wire'
breach src/rpc/r.c '<check.h>' && must_fail layers.sh 'belongs to no room of src'
breach src/rpc/r.c '"health.pb-c.h"' && must_fail layers.sh 'generated for model and wire'
breach src/tensor/t.c '"app/main.h"' && must_fail layers.sh 'app/ is no room below'
breach include/pinnace/p.h '"base/a.h"' && must_fail layers.sh 'public header'
rm include/pinnace/p.h

ban() { echo "$1" >>src/tensor/t.c && must_fail banned.sh "$2"; }
ban 'char *p = malloc(3);' 'heap memory'
ban '    free(p);' 'heap memory'
ban 'strcpy(a, b);' 'without a limit'
ban 'if (atoi(text))' 'junk from zero'
ban '    printf("x");' 'stdout'
ban 'exit (1);' 'ends the process'
echo '    /* free(p) is told: */ pn_free(p); x->free(p); fprintf(f, "x"); pn_exit(1);' >>src/tensor/t.c
"$lint/banned.sh" "$tree" || { echo "banned.sh sees calls where there are none"; failed=1; }
good

seq 601 | sed 's/.*/int x;/' >src/base/long.c && must_fail sizes.sh '601 lines'
rm src/base/long.c
echo 'int x;' >src/base/t.c && must_fail sizes.sh 'two files have the name t.c'
must_fail tracked.sh 'src/base/t.c: no SPDX'
rm src/base/t.c
echo "/* see /wor""k/main */" >>src/tensor/t.c && must_fail tracked.sh 'path of one machine'
# shellcheck disable=SC2016
printf '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\nrm -rf $1/*\n' >tests/bad
must_fail tracked.sh 'SC2'
exit $failed
