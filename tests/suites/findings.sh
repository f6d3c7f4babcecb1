#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root
# timeout: 900
#
# findings - each behaviour of the specimen alone is found, all together are a finding, and none of
# them and honest software that resembles it are none
#
# What needs an experiment goes through `belljar examine`, with times made shorter in the specimen
# and in the experiments alike; the rest through a run.
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"
# shellcheck source=tests/lib/specimens.sh
. "$BELLJAR_SRC/tests/lib/specimens.sh"
AT_ONCE=5
S=0.0003 # a day is 26 seconds

pack --with all --scale $S --answers answers -o p
pack --with none --scale $S -o p
"$BELLJAR_SRC/specimen/pack-lookalike" --build "$BELLJAR_BUILD" --scale $S --answers answers -o p >/dev/null
for r in 1 4 5 6 15; do pack --with $r --scale $S -o p; done

jobs_of $AT_ONCE examines all p/taxclient_all.deb $S
for r in 4 5 6 15 1; do jobs_of $AT_ONCE examines "row$r" p/taxclient_$r.deb $S --days 0.3; done
jobs_of $AT_ONCE examines none p/taxclient_none.deb $S --days 0.3
for l in $LOOKALIKES; do jobs_of $AT_ONCE examines "honest-$l" "p/honest-$l.deb" $S --days 0.5; done

# ---- in a run; where times matter they are whole, in a box whose clock jumps ----------------------

for r in 2 10 11 12 13 14; do pack --with $r --scale 0.001 -o q; done
for r in 3 7 8 9 16; do pack --with $r -o q; done
pack --with 17 --customer a --scale $S -o q/a
pack --with 17 --customer b --scale $S -o q/b
pack --with 18 --scale $S -o q
for r in 2 10 11 12 13 14; do jobs_of $AT_ONCE runs "row$r" q/taxclient_$r.deb 2; done
for r in 3 7 8 9 16; do jobs_of $AT_ONCE runs "row$r" q/taxclient_$r.deb 86400 --speed lapse; done
jobs_of $AT_ONCE runs row17 q/a/taxclient_17.deb 1
jobs_of $AT_ONCE runs other17 q/b/taxclient_17.deb 1
wait
# a box's identity decides who gets the second stage: the first of each kind
chosen='' passed=''
for i in $(seq 1 16); do
	runs "host$i" q/taxclient_18.deb 2
	if grep -q downloaded-and-run "host$i.json"; then chosen=host$i; else passed=host$i; fi
	[ -z "$chosen" ] || [ -z "$passed" ] || break
done
judged row17 other17
[ -z "$chosen" ] || [ -z "$passed" ] || judged "$chosen" "$passed"

# ---- what was found ------------------------------------------------------------------------------

for r in $(seq 1 17); do
	check "row $r alone is found (${RULES[r]})" found "row$r" "${RULES[r]}"
done
check "row 18 alone is found (${RULES[18]})" found "${chosen:-none}" "${RULES[18]}"
for r in 1 2 4 5 6 10 11 12 13 14 16 17; do
	check "and one row alone is no finding: $r" no_finding "row$r"
done
for r in 1 2 3 4 5 6 7 8 10 11 12 13 14 16; do
	check "all together: row $r is found (${RULES[r]})" found all "${RULES[r]}"
done
equal "all together are a finding" "$(fires all several-signs)" finding
check "the product without any of them is none" no_finding none
for l in $LOOKALIKES; do check "honest $l is none" no_finding "honest-$l"; done
