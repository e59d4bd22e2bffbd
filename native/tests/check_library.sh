#!/bin/sh
# check_library.sh LIBRARY HEADER|FUNCTION: the shared library exports exactly the functions that the header declares, or the one function,
# needs nothing but glibc and libgcc_s, and no symbol of them newer than glibc 2.35 and GCC 4.2.
set -eu
library=$1
expected=$2
failed=0
fail() {
    echo "$1"
    failed=1
}

if [ -f "$expected" ]; then
    declared=$(grep -oE '^NQ_API [^(]*nq_[a-z0-9_]+\(' "$expected" | grep -oE 'nq_[a-z0-9_]+\($' | tr -d '(' | sort)
    [ -n "$declared" ] || fail "no declaration found in $expected"
else
    declared=$expected
fi
exported=$(nm --dynamic --defined-only "$library" | awk '{ print $3 }' | sort)
[ "$declared" = "$exported" ] || fail "declared and exported functions differ:
declared: $(echo $declared)
exported: $(echo $exported)"

for needed in $(readelf --dynamic --wide "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $needed in
        libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | libgcc_s.so.1 | ld-linux-x86-64.so.2) ;;
        *) fail "needs $needed, expected glibc and libgcc_s alone" ;;
    esac
done

for version in $(readelf --version-info --wide "$library" | grep -oE 'Name: [A-Za-z]+_[0-9.]+' | cut -d' ' -f2 | sort -u); do
    case $version in
        GLIBC_2.[0-9] | GLIBC_2.[0-9].* | GLIBC_2.[12][0-9] | GLIBC_2.3[0-5]) ;;
        GCC_3.* | GCC_4.[0-2].*) ;;
        *) fail "needs $version, expected at most GLIBC_2.35 and GCC_4.2.0" ;;
    esac
done

[ $failed = 0 ] && echo "$(echo "$exported" | wc -l) functions exported, glibc and libgcc_s alone, no symbol newer than 2.35"
exit $failed
