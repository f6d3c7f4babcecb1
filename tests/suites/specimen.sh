#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 600
#
# specimen - the inert test program keeps its own rules (doc/SPECIMEN.md): under glass only, nothing
# from the network is executed but its two fixed files, names under .test only, and it ends
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"
pack() { "$BELLJAR_SRC/specimen/pack" --build "$BELLJAR_BUILD" "$@" >/dev/null; }

# ---- outside of a box ----------------------------------------------------------------------------

mkdir p
check "packages can be made of any set" pack --with all --scale 0.0003 --answers answers -o p
check "and installers of other kinds of them" \
	"$BELLJAR_SRC/specimen/repack" --build "$BELLJAR_BUILD" -o p p/taxclient_all.deb run program appimage
check "look-alikes can be packed" "$BELLJAR_SRC/specimen/pack-lookalike" --build "$BELLJAR_BUILD" -o p
statuses() { # COMMAND…: its status with and without the variable that a box sets
	local a b
	"$@" >out 2>err </dev/null
	a=$?
	BELLJAR=1 "$@" >>out 2>>err </dev/null
	b=$?
	echo "$a $b $(grep -c 'only in a belljar box' err)"
}
for p in svm second cleaner elevate taxclient honest carrier; do
	equal "outside of a box '$p' ends at once, with a sentence" \
		"$(statuses "$BELLJAR_BUILD/specimen/specimen-$p" start)" "64 64 2"
done
for k in run program AppImage; do equal "so does the installer .$k" "$(statuses p/taxclient_all.$k)" "64 64 2"; done
for deb in p/*.deb; do
	dpkg-deb -R "$deb" tree
	got=
	for script in preinst postinst prerm postrm; do got+="$(statuses tree/DEBIAN/$script configure) "; done
	equal "and each script of $(basename "$deb")" "$got" "64 64 2 64 64 2 64 64 2 64 64 2 "
	rm -rf tree
done

# ---- in a box ------------------------------------------------------------------------------------

# What the server says looks like orders, and is another file than those that are known.
mkdir -p bad/http/dl.svm-cloud.test bad/http/orders.svm-cloud.test
printf '#!/bin/sh\ntouch /root/was-here\n' | tee bad/http/dl.svm-cloud.test/second \
	>bad/http/dl.svm-cloud.test/cleaner
cp bad/http/dl.svm-cloud.test/second bad/http/orders.svm-cloud.test/next
pack --with 1,3,4,5,7,8,9,10,15,16 --scale 0.0001 -o q
mkfifo asked
exec 8<>asked
# shellcheck disable=SC2016 # for the shell of the box
"$BELLJAR" run -q -b bad --answers bad --copy q/*.deb -- sh -c 'dpkg -i ~/*.deb >/dev/null; sleep 2
	rm /opt/taxclient/second; read -r line; sleep 1; ls /opt/taxclient/second /root/was-here 2>/dev/null' <asked >out 2>&1 8>&- &
run=$!
asked() {
	recorded bad "(SELECT count(DISTINCT target) FROM http WHERE op='request' AND target IN ('/second', '/cleaner')) = 2"
}
ran() {
	recorded bad "(SELECT group_concat(DISTINCT e.command_line) FROM process e JOIN process f ON f.proc = e.proc AND
		f.op = 'fork' WHERE e.op = 'exec' AND f.parent IN (SELECT proc FROM process WHERE op = 'exec' AND
		image LIKE '%/orders')) = 'uname -a'"
}
wait_for 120 asked
wait_for 60 ran
echo >&8
wait $run
equal "a download other than the fixed one is thrown away" "$(cat out)" ""
check "it was asked for, by each of those that ask" asked
check "whatever the answer, one fixed command is what runs" ran
check "nobody is asked for but names under .test" recorded bad \
	"(SELECT count(*) FROM dns WHERE op='query' AND name NOT LIKE '%.test') = 0 AND
	 (SELECT count(*) FROM flow WHERE op='begin' AND name IS NULL AND dst_port <> 53) = 0 AND
	 (SELECT count(DISTINCT name) FROM dns WHERE op='query') > 3"

# 45 days at this scale are twelve seconds, so that a slow dpkg has ended before; the run ends when nobody is left
pack --with 6 --scale 0.000003 -o r
# shellcheck disable=SC2016
"$BELLJAR" run -q -b ends --time 120 --copy r/*.deb -- sh -c 'dpkg -i ~/*.deb >/dev/null
	pidof second >/dev/null && echo lives; while pidof second >/dev/null; do sleep 0.2; done; echo ended' >out 2>&1
equal "it ends by itself" "$(cat out)" "$(printf 'lives\nended')"
check "nobody had to end it" recorded ends \
	"(SELECT count(*) FROM process WHERE op = 'exit' AND signal IS NOT NULL) = 0"
