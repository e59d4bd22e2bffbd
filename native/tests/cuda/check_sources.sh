#!/bin/sh
# check_sources.sh FOLDER: no code of the CUDA library throws or catches (see cuda/fail.h). Comments may speak of it.
set -eu
found=$(find "$1" -name '*.cpp' -o -name '*.h' -o -name '*.cu' | sort | while read -r file; do
    sed 's://.*::' "$file" | grep -nE '\b(throw|try|catch)\b' | sed "s:^:$file\::" || true
done)
[ -z "$found" ] && echo "nothing throws or catches" && exit 0
echo "$found"
exit 1
