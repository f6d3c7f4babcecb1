#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Exactly as many rows as calls: forks × threads × files × connects, from several boxes at once, on a
# machine that is busy; and programs that come and go by the hundred, or are cut off, leave nobody waiting.
# users: root range single
# timeout: 900
. "$BELLJAR_SRC/tests/lib/tap.sh"

flood=$BELLJAR_BUILD/tests/escape/flood
burners=()
for _ in 1 2 3 4; do # more than there are processors here, mostly
	(while :; do :; done) &
	burners+=($!)
done
trap 'kill "${burners[@]}" 2>/dev/null' EXIT

flood_box() { # BOX FORKS THREADS FILES CONNECTS
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" --copy "$flood" --env BELLJAR=1 -- ./flood "$@" >"$box.out" 2>&1
	echo "$?" >"$box.rc"
}
exact() { # BOX FORKS THREADS FILES CONNECTS
	local box=$1 forks=$2 files=$(($2 * $3 * $4)) connects=$(($2 * $3 * $4 * $5))
	local by="proc IN (SELECT proc FROM process WHERE op='fork' AND parent=1)"

	equal "$box: the program did it all" "$(cat "$box.rc") $(cat "$box.out")" \
		"0 $files made, $connects connected, $((files / 2)) removed, 0 bad"
	equal "$box: $forks births, each with one end" \
		"$(sql "$box" "SELECT count(*) FROM process a WHERE op='fork' AND parent=1 AND (SELECT
			count(*) FROM process b WHERE b.op='exit' AND b.proc=a.proc)=1")" "$forks"
	equal "$box: $files files made, all different" \
		"$(sql "$box" "SELECT count(*)||' '||count(DISTINCT path) FROM file WHERE op='create' AND
			path GLOB '*/f-*' AND $by")" "$files $files"
	equal "$box: $((files / 2)) removed" \
		"$(sql "$box" "SELECT count(DISTINCT path) FROM file WHERE op='unlink' AND path GLOB '*/f-*' AND
			$by")" "$((files / 2))"
	equal "$box: $connects connections, evenly from each process" \
		"$(sql "$box" "SELECT sum(n)||' '||min(n)||' '||max(n) FROM (SELECT count(*) n FROM socket WHERE
			op='connect' AND address='192.0.2.77' AND $by GROUP BY proc)")" \
		"$connects $((connects / forks)) $((connects / forks))"
	equal "$box: what is left is a change, and what is gone is none" \
		"$(sql "$box" "SELECT count(*)||' '||count(writer) FROM change WHERE op='added' AND
			path GLOB '*/f-*'")" "$((files / 2)) $((files / 2))"
	equal "$box: nothing unseen, nothing unexplained, no number left out" \
		"$(sql "$box" "SELECT (SELECT count(*) FROM gap)||' '||(SELECT count(*) FROM mismatch)||' '||
			(SELECT max(seq)-count(*) FROM events)")" "0 0 0"
}

boxes=()
flood_box wide 150 2 10 2 &
boxes+=($!)
flood_box deep 4 32 30 2 &
boxes+=($!)
flood_box narrow 1 1 2000 1 &
boxes+=($!)
wait "${boxes[@]}"
exact wide 150 2 10 2
exact deep 4 32 30 2
exact narrow 1 1 2000 1

# ---- hundreds of short runs and of programs in one run ------------------------------------------
late=0
for i in $(seq 100); do
	within 120 "$BELLJAR" run -q -- /bin/true || late=$((late + 1))
done
equal "a hundred runs on a busy machine all end" "$late" 0
equal "five hundred programs one after the other, each born, become and ended" \
	"$(within 300 "$BELLJAR" run -q -b many -- /bin/sh -c 'i=0; while [ $i -lt 500 ]; do /bin/true;
		i=$((i + 1)); done'; sql many "SELECT sum(op='fork')||' '||sum(op='exec')||' '||sum(op='exit')
		FROM process")" "501 501 501"

# ---- processes that are cut off in the middle of making another ----------------------------------
for how in exit exec kill; do
	equal "$how: whom a process was making when it was cut off runs on, and ends" \
		"$(within 300 "$BELLJAR" run -q -b "cut-$how" --net off --copy "$BELLJAR_BUILD/tests/escape/orphans" \
			--env BELLJAR=1 -- ./orphans "$how" 300)" "$how 300 of 300"
	equal "$how: each has a parent and one end" \
		"$(sql "cut-$how" "SELECT (SELECT count(*) FROM process WHERE op='fork' AND parent IS NULL)||' '||
			(SELECT count(*) FROM process a WHERE op='fork' AND (SELECT count(*) FROM process b
			WHERE b.op='exit' AND b.proc=a.proc)<>1)")" "1 0"
	equal "$how: all that is not seen is who the parent is, of those whose parent was gone" \
		"$(sql "cut-$how" "SELECT count(*) FROM gap g WHERE source<>'trace' OR detail NOT GLOB
			'the parent of this process was killed while it made it*' OR NOT EXISTS (SELECT 1
			FROM process p WHERE p.op='fork' AND p.proc=g.proc)")" 0
done
check "some were cut off: the above was put to the test" \
	test "$(sql cut-kill "SELECT count(*) FROM gap")" -gt 0
