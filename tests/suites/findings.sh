#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 900
#
# findings - each behaviour of the specimen alone is found, all together are a finding, and none of
# them and honest software that resembles it are none
#
# Each is examined from its install until after its removal, in the time of its box: all times are
# whole, a day is a day. What needs two records (rows 17 and 18) goes through runs.
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"
# shellcheck source=tests/lib/specimens.sh
. "$BELLJAR_SRC/tests/lib/specimens.sh"
AT_ONCE=3

# Rules read a record whoever made it. What differs with the user is what is on it: owners, rights and
# services are another matter without ids. So plain users have a few of each kind.
if [ "${BELLJAR_USER_KIND:-root}" != root ]; then
	few="4 6 13"
	pack --with none -o p
	for r in $few; do pack --with "$r" --answers answers -o p; done
	"$BELLJAR_SRC/specimen/pack-lookalike" --build "$BELLJAR_BUILD" --answers answers -o p >/dev/null
	for r in $few; do jobs_of $AT_ONCE examines "row$r" "p/taxclient_$r.deb"; done
	jobs_of $AT_ONCE examines none p/taxclient_none.deb
	for l in updater daemon; do jobs_of $AT_ONCE examines "honest-$l" "p/honest-$l.deb"; done
	wait
	for r in $few; do
		check "row $r alone is found (${RULES[r]})" found "row$r" "${RULES[r]}"
		check "and one row alone is no finding: $r" no_finding "row$r"
	done
	for b in none honest-updater honest-daemon; do check "$b is none" no_finding "$b"; done
	exit
fi

pack --with all --answers answers -o p
pack --with none -o p
"$BELLJAR_SRC/specimen/pack-lookalike" --build "$BELLJAR_BUILD" --answers answers -o p >/dev/null
for r in $(seq 1 16); do pack --with "$r" -o p; done
pack --with 17 --customer a -o p/a
pack --with 17 --customer b -o p/b
pack --with 18 -o p

jobs_of $AT_ONCE examines all p/taxclient_all.deb
for r in $(seq 1 16); do jobs_of $AT_ONCE examines "row$r" "p/taxclient_$r.deb"; done
jobs_of $AT_ONCE examines none p/taxclient_none.deb
for l in $LOOKALIKES; do jobs_of $AT_ONCE examines "honest-$l" "p/honest-$l.deb"; done
jobs_of $AT_ONCE runs row17 p/a/taxclient_17.deb
jobs_of $AT_ONCE runs other17 p/b/taxclient_17.deb
wait
# a box's identity decides who gets the second stage: the first of each kind
chosen='' passed=''
for i in $(seq 1 16); do
	runs "host$i" p/taxclient_18.deb
	if grep -q downloaded-and-run "host$i.json"; then chosen=host$i; else passed=host$i; fi
	[ -z "$chosen" ] || [ -z "$passed" ] || break
done
judged row17 other17
[ -z "$chosen" ] || [ -z "$passed" ] || judged "$chosen" "$passed"

# ---- what was found ------------------------------------------------------------------------------

for r in $(seq 1 17); do
	check "row $r alone is found (${RULES[r]})" found "row$r" "${RULES[r]}"
done
check "row 14 is the trust store as well" found row14 trust-anchor-added
for r in 7 15; do
	equal "row $r alone shows nothing of row 8" "$(fires "row$r" regular-contacts | grep concern)" ""
done
check "row 18 alone is found (${RULES[18]})" found "${chosen:-none}" "${RULES[18]}"
for r in $(seq 1 17); do
	check "and one row alone is no finding: $r" no_finding "row$r"
done
for r in 1 2 3 4 5 6 7 8 10 11 12 13 14 16; do
	check "all together: row $r is found (${RULES[r]})" found all "${RULES[r]}"
done
equal "all together are a finding" "$(fires all several-signs)" finding
check "each sign names what it is about, and nothing of another one of its kind" \
	grep -q 'certificates (/etc/ssl/[^()]*); Where names lead to was changed (/etc/hosts)' all.json
check "the product without any of them is none" no_finding none
for l in $LOOKALIKES; do check "honest $l is none" no_finding "honest-$l"; done
