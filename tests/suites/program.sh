#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root
# timeout: 60
#
# program - what a start has to load and relocate before it begins: each library, and each page of
# tables with addresses in it, is paid by every run (doc/DESIGN.md, "What a start costs")
set -u
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { n=$((n + 1)); echo "$2" | sed 's/^/# /'; echo "not ok $n - $1"; }
is() { if [ -z "$2" ]; then ok "$1"; else bad "$1" "$2"; fi; }

if ! command -v readelf >/dev/null; then
	echo "ok 1 - belljar is cheap to load # SKIP no readelf (package binutils)"
	exit 0
fi
needed=$(readelf -dW "$BELLJAR" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
is "belljar loads no library at all" "$needed"
is "and no interpreter: it is linked statically" "$(readelf -lW "$BELLJAR" | grep INTERP)"
is "it lies at another place each time all the same" \
	"$(readelf -hW "$BELLJAR" | grep Type: | grep -v 'DYN ')"
record=$(dirname "$BELLJAR")/belljar-record
[ -x "$record" ] || record=$(dirname "$BELLJAR")/../libexec/belljar/belljar-record
is "belljar-record loads no library but glibc's" \
	"$(readelf -dW "$record" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		grep -vE '^(libc|libm|ld-linux.*)\.so')"
# OpenSSL alone has 400 KiB, and each page of them is a fault at each start
relro=$(readelf -SW "$BELLJAR" | awk '$2 == ".data.rel.ro" { print $6 }
	$3 == ".data.rel.ro" { print $7 }')
[ "$((16#${relro:-0}))" -gt 0 ] || bad "belljar has tables to relocate" "readelf shows none"
is "belljar's tables with addresses stay below 128 KiB: who needs more is a program of its own" \
	"$([ "$((16#${relro:-0}))" -lt $((128 << 10)) ] || echo "0x$relro bytes in .data.rel.ro")"

# a file made and removed costs as much as a library: a quiet run without a name has no folder where its layer is of
# memory. Before Linux 6.6 that keeps no attributes of users, and the layer lies in a folder as long as the run.
memory=$(mktemp /dev/shm/belljar-test.XXXXXX)
python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.probe", b"1")' "$memory" 2>/dev/null && folders=0 || folders=1
rm "$memory"
there() { find "$BELLJAR_HOME/anon" "$BELLJAR_HOME/boxes" -mindepth 1 -maxdepth 1; }
mkfifo go
"$BELLJAR" run -q --net off -- sh -c 'echo up; read -r line' <go >out 2>&1 &
exec 7>go
for _ in $(seq $((300 * ${BELLJAR_TEST_SLOW:-1}))); do
	! grep -q up out || break
	sleep 0.1
done
is "a quiet run without a name and a network has no folder, or the one of a layer on disk" \
	"$(grep -v '^up$' out; [ "$(there | wc -l)" = "$folders" ] || there)"
echo go >&7
exec 7>&-
wait
is "and leaves none" "$(there)"
