#!/usr/bin/env bash
# check.sh CUOBJDUMP FOLDER [DOCUMENT]: registers, memory and instructions of the kernels in FOLDER/*.fatbin, as a table. Fails if a kernel
# spills or uses local memory, or lacks an instruction that expected.txt wants of it. The table replaces the one in DOCUMENT.
set -euo pipefail
cuobjdump=$1 folder=$2 document=${3:-}
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for image in "$folder"/*.fatbin; do
    { "$cuobjdump" -res-usage "$image"; "$cuobjdump" -sass "$image"; } | awk -f "$here/resources.awk"
done | sort -k1,1 -k2,2n >"$work/resources"
[[ -s $work/resources ]] || { echo "check.sh: no kernel in $folder"; exit 1; }

failed=0
fail() { echo "$*"; failed=1; }

# A kernel that an architecture does not run is empty there: no registers to speak of and 128 bytes of code.
readonly EMPTY=128
while read -r kernel architecture _ _ local_bytes code _; do
    allowed=$(awk -v kernel="$kernel" '$1 == "local" && $2 == kernel { print $3 }' "$here/expected.txt")
    [[ $local_bytes -le ${allowed:-0} || $code -le $EMPTY ]] || fail "$kernel for sm_$architecture: $local_bytes bytes of local memory, expected ${allowed:-none}"
done <"$work/resources"

while read -r pattern first wanted; do
    [[ -z $pattern || $pattern == '#'* || $pattern == local ]] && continue
    found=0
    while read -r kernel architecture _ _ _ code instructions; do
        # shellcheck disable=SC2053  # a pattern
        [[ $kernel == $pattern && $architecture -ge $first && $code -gt $EMPTY ]] || continue
        found=1
        for instruction in $wanted; do
            [[ ,$instructions, == *,$instruction,* ]] || fail "$kernel for sm_$architecture: no $instruction"
        done
    done <"$work/resources"
    [[ $found -eq 1 ]] || fail "no kernel is called $pattern"
done <"$here/expected.txt"

awk -f "$here/table.awk" "$work/resources" >"$work/table"
if [[ -n $document ]]; then
    awk -v table="$work/table" '
        /^<!-- resources -->$/ { print; while ((getline line < table) > 0) print line; skip = 1; next }
        /^<!-- end of resources -->$/ { skip = 0 }
        !skip' "$document" >"$work/document"
    cp "$work/document" "$document"
else
    cat "$work/table"
fi
echo "$(awk '{ print $1 }' "$work/resources" | sort -u | wc -l) kernels, $(wc -l <"$work/resources") pieces of machine code"
exit $failed
