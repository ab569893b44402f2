#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The layer law: what each room's files may include.
#
#   layers.sh [ROOT]
#
# The table of rooms is the pn_room() list of ROOT/CMakeLists.txt; third parties and their
# rooms stand below. Prints each breach as FILE:LINE: sentence.
set -euo pipefail
root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$root"

# An #include that begins so may stand in these rooms only ("app" stands above all rooms).
third_parties() {
    cat <<'TABLE'
grpc/          rpc
google/        -
protobuf-c/    model wire
microhttpd     http
hwloc          sys
cblas          kernel
lapacke        -
openblas       kernel
jansson        http app table
xxhash         table
check.h        -
TABLE
}

# "room may1 may2 …" lines out of CMakeLists.txt.
rooms() {
    tr '\n' ' ' <CMakeLists.txt | grep -oE 'pn_room\([^)]*\)' |
        sed -E 's/pn_room\(//; s/\)//; s/USES .*//; s/ MAY / /; s/ +/ /g'
}

python=$(command -v python3)
{ rooms; echo "--"; third_parties; echo "--"
  grep -rnE '^[[:space:]]*#[[:space:]]*include' src include \
      --include='*.c' --include='*.h' --include='*.inc' || true
} | "$python" -c '
import re, sys

rooms, parties, bad = {}, [], 0
part = 0
for line in sys.stdin:
    line = line.rstrip("\n")
    if line == "--":
        part += 1
    elif part == 0:
        words = line.split()
        rooms[words[0]] = set(words[1:])
    elif part == 1:
        start, *homes = line.split()
        parties.append((start, [h for h in homes if h != "-"]))
    else:
        path, number, text = line.split(":", 2)
        where = f"{path}:{number}"
        home = path.split("/")[1] if path.startswith("src/") else "include"
        match = re.search(r"include\s*([<\"])([^>\"]+)[>\"]", text)
        if not match:
            if path.endswith(".inc"):
                continue  # a template is told by its user what to take in
            print(f"{where}: an include must name its file")
            bad += 1
            continue
        quote, name = match.groups()
        said = None
        for start, homes in parties:
            if name.startswith(start) and home not in homes:
                said = f"{name} belongs to " + (", ".join(homes) or "no room of src")
        first = name.split("/")[0]
        if quote == "\"" and not said:
            if name.endswith(".pb-c.h"):
                if home not in ("model", "wire"):
                    said = f"{name} is generated for model and wire only"
            elif "/" not in name or first in (".", "..") or "/../" in name:
                said = f"{name} is not rooted at src/ or include/"
            elif first == "pinnace":
                pass
            elif home == "include":
                said = f"a public header may include pinnace/ only, not {name}"
            elif first not in rooms:
                said = f"{first}/ is no room below" if first != home else None
            elif home != "app" and first != home and first not in rooms.get(home, ()):
                said = f"{home} may not include {first}"
        if said:
            print(f"{where}: {said}")
            bad += 1
if not rooms:
    print("no pn_room() in CMakeLists.txt")
    bad += 1
sys.exit(1 if bad else 0)
'
