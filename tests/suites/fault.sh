#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the supervisor at many moments, and a disk that fills up while the record is written:
# nothing of the box lives on, the record opens, is whole to its last whole block and says what is
# missing, and the box can be used again.
# users: root range single
# timeout: 900
. "$BELLJAR_SRC/tests/lib/tap.sh"
b=$BELLJAR
mark=bj-$$-$RANDOM
work="i=0; while [ \$i -lt 100000 ]; do echo \$i >f-\$i; /bin/true $mark; i=\$((i+1)); done"

mounts() { # of this machine that have to do with the home
	grep -cF "$BELLJAR_HOME" /proc/self/mountinfo
}
cgroups() {
	find /sys/fs/cgroup -mindepth 1 -maxdepth 3 -path '*belljar*' -type d 2>/dev/null | sort
}
"$b" run -q -b warm -- /bin/true 2>/dev/null
mounts_before=$(mounts)
cgroups_before=$(cgroups)

# Counts of what went wrong over all moments; one line of result for each promise.
moments=0 survivors="" unopened="" unverified="" silent="" unusable="" lost="" unasked=""
kill_at() { # MILLISECONDS BOX OPTIONS…
	local ms=$1 box=$2 pid
	shift 2
	moments=$((moments + 1))
	if [ -n "$box" ]; then set -- -b "$box" "$@"; fi
	"$b" run -q "$@" -- /bin/sh -c "$work" >/dev/null 2>&1 </dev/null &
	pid=$!
	sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	wait_for 10 none_with_mark "$mark" || survivors="$survivors ${box:-anonymous}@$ms"
}

for ms in 0 1 2 3 5 8 12 18 25 35 50 70 100 140 200 300 450 700 1000 1500; do
	box=k$ms
	kill_at "$ms" "$box"
	[ -e "$BELLJAR_HOME/boxes/$box/journal.db" ] || continue
	said=$("$b" events "$box" --json 2>&1)
	case $? in 0) ;; *) unopened="$unopened $box:${said:0:80}" ;; esac
	said=$("$b" verify "$box" 2>&1)
	case $? in 0 | 1) ;; *) unverified="$unverified $box:${said:0:80}" ;; esac
	# a run that began and was cut has no end, and verify or report must say so
	if [ "$(sql "$box" "SELECT count(*) FROM run_begin")" != "$(sql "$box" "SELECT count(*) FROM run_end")" ]; then
		"$b" report "$box" 2>&1 | grep -Eiq 'cut|no end|missing|killed|incomplete|ended without' || silent="$silent $box"
		# every file that is on the disk was on record before it was made
		files=$(find "$BELLJAR_HOME/boxes/$box/layers" -name 'f-*' 2>/dev/null | wc -l)
		rows=$("$b" events "$box" --kind file --json | grep -c '"op":"create".*/f-')
		[ "$rows" -ge "$files" ] || lost="$lost $box:$rows<$files"
		seen=$(sql "$box" "SELECT count(*) FROM file WHERE op='create' AND path GLOB '*/f-*'")
		[ "$seen" = "$rows" ] || unasked="$unasked $box:$seen of $rows"
	fi
	"$b" run -q -b "$box" -- /bin/sh -c 'echo again >again' >/dev/null 2>&1 || unusable="$unusable $box:$?"
	"$b" verify "$box" >/dev/null 2>&1 || unverified="$unverified $box:after"
done
equal "kill -9 at $moments moments: no process of the box lives on" "$survivors" ""
equal "its record can be read" "$unopened" ""
equal "its record verifies, and again after the next run" "$unverified" ""
equal "the report says that the record was cut" "$silent" ""
equal "no file is on the disk that is not on record" "$lost" ""
equal "SQL over the cut record sees every event of it" "$unasked" ""
equal "the box can be used again" "$unusable" ""

"$b" run -q -b cut -- sh -c 'echo "* * * * * root /bin/true" >/etc/cron.d/late; echo made; sleep 600' >"$TMPDIR/made" 2>&1 &
pid=$!
wait_for 60 grep -q made "$TMPDIR/made"
kill -9 $pid
wait $pid 2>/dev/null
"$b" report cut >"$TMPDIR/report"
"$b" report cut --format html >>"$TMPDIR/report"
check "the report of a cut run does not say that nothing was changed or starts by itself" bash -c \
	"grep -q 'left on disk.*was not looked at' '$TMPDIR/report' &&
	[ \$(grep -c 'Not looked at: the recording was cut off' '$TMPDIR/report') -ge 6 ] &&
	! grep -qE 'Nothing was (set up|added)|0 files were added' '$TMPDIR/report'"
equal "its changes are what the program did, beside what belljar set up" "$("$b" changes cut --json |
	python3 -c 'import json, sys; print(*[f["path"] for f in json.load(sys.stdin)["files"] if not f.get("set_up")])')" \
	/etc/cron.d/late

survivors=""
for ms in 0 4 10 30 60 120 250 500 900; do
	kill_at "$ms" ""
done
equal "an anonymous box: no process lives on" "$survivors" ""
"$b" run -q -- /bin/true 2>/dev/null
equal "and the next run clears away what it left" "$(ls "$BELLJAR_HOME/anon")" ""
equal "no mount is left" "$(mounts)" "$mounts_before"
"$b" list >/dev/null 2>&1
equal "no cgroup is left" "$(comm -13 <(echo "$cgroups_before") <(cgroups))" ""

# pid 1 of the box, killed from outside
"$b" run -q -b keeper -- /bin/sh -c "$work" >/dev/null 2>"$TMPDIR/err" &
run=$!
going() { [ -n "$(with_mark "$mark")" ]; }
wait_for 60 going
pid1=$(ps -o pid= --ppid "$run" | while read -r p; do
	[ "$(readlink "/proc/$p/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] || echo "$p"
done | head -n 1)
if [ -n "$pid1" ]; then
	kill -KILL "$pid1"
	ended() { ! kill -0 "$run" 2>/dev/null; }
	if wait_for 20 ended; then
		ok "the supervisor ends when pid 1 of the box is killed"
	else
		not_ok "the supervisor ends when pid 1 of the box is killed"
		kill -KILL "$run"
	fi
	wait "$run" 2>/dev/null
	check "and the record of that run is whole" "$b" verify keeper
else
	kill -KILL "$run"
	wait "$run" 2>/dev/null
	skip "the supervisor ends when pid 1 of the box is killed" "pid 1 cannot be told from here"
fi

# supervisors race for one box; who has it holds it until the others have been told
mkfifo "$TMPDIR/go"
exec 8<>"$TMPDIR/go"
for i in 1 2 3 4; do
	"$b" run -q -b race -- /bin/sh -c 'read -r line' <"$TMPDIR/go" >/dev/null 2>&1 8>&- &
	pids[i]=$!
done
one_left() { [ "$(for i in 1 2 3 4; do kill -0 "${pids[i]}" && echo; done 2>/dev/null | wc -l)" -le 1 ]; }
wait_for 120 one_left
printf 'go\ngo\ngo\ngo\n' >&8
won=0 busy=0
for i in 1 2 3 4; do
	wait "${pids[i]}"
	case $? in 0) won=$((won + 1)) ;; 112) busy=$((busy + 1)) ;; esac
done
equal "of four runs at once in one box, one runs and three are told so" "$won+$busy" "1+3"

# any byte of a sealed block
"$b" run -q -b sealed -- /bin/sh -c 'i=0; while [ $i -lt 200 ]; do echo $i >f; i=$((i+1)); done' 2>/dev/null
if command -v python3 >/dev/null; then
	bad=""
	for what in "UPDATE process SET command_line='/bin/false' WHERE op='exec'" \
		"DELETE FROM file WHERE rowid=(SELECT max(rowid) FROM file)" \
		"UPDATE file SET proc=proc+1 WHERE rowid=(SELECT min(rowid) FROM file)" \
		"UPDATE file SET t=t+1 WHERE rowid=(SELECT min(rowid) FROM file)" \
		"INSERT INTO mark(seq,t,run,proc,name) SELECT max(seq)+1,0,1,0,'forged' FROM events"; do
		cp "$BELLJAR_HOME/boxes/sealed/journal.db" "$TMPDIR/keep.db"
		python3 -c 'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()' \
			"$BELLJAR_HOME/boxes/sealed/journal.db" "$what" || bad="$bad cannot:$what"
		"$b" verify sealed >/dev/null 2>&1 && bad="$bad unseen:$what"
		rm -f "$BELLJAR_HOME"/boxes/sealed/journal.db-*
		cat "$TMPDIR/keep.db" >"$BELLJAR_HOME/boxes/sealed/journal.db"
	done
	equal "a row that was changed, removed or added is found" "$bad" ""
	check "the untouched record is still whole" "$b" verify sealed
else
	skip "a row that was changed, removed or added is found" "no python3 to change it with"
fi

# hashes that are remembered from run to run: right the first time, right when they come from there,
# and not believed when the file is damaged
hash_of_bash() { # BOX
	"$b" run -q -b "$1" -- /bin/bash -c : 2>/dev/null
	sql "$1" "SELECT sha256 FROM process WHERE op='exec' AND image GLOB '*/bash'"
}
right=$(sha256sum /bin/bash | cut -d' ' -f1)
rm -f "$BELLJAR_HOME/hashes"
equal "a program's hash is right" "$(hash_of_bash hash-1)" "$right"
if [ -s "$BELLJAR_HOME/hashes" ]; then # not where this bash is new, small, or a user's
	equal "and when it is remembered" "$(hash_of_bash hash-2)" "$right"
	damaged=""
	for at in 0 8 40 50 71 72 79; do # key, hash, check
		printf '\xff\xfe' | dd of="$BELLJAR_HOME/hashes" bs=1 seek="$at" conv=notrunc status=none
		[ "$(hash_of_bash "hash-at-$at")" = "$right" ] || damaged="$damaged $at"
		rm -f "$BELLJAR_HOME/hashes"
		hash_of_bash hash-1 >/dev/null
	done
	printf 'half a record' >>"$BELLJAR_HOME/hashes"
	[ "$(hash_of_bash hash-cut)" = "$right" ] || damaged="$damaged cut"
	equal "and when what is remembered is damaged" "$damaged" ""
else
	skip "and when it is remembered" "this bash is not remembered"
fi

# a disk that fills up while the record is written
if [ "$(id -u)" = 0 ] && small_disk "$TMPDIR/small" 160; then
	chmod 755 "$TMPDIR/small"
	export BELLJAR_HOME=$TMPDIR/small/home
	"$b" run -q -b full -- /bin/true 2>/dev/null
	# leave some MB; the program itself writes hardly anything, the record of it does
	free=$(df --output=avail -k "$TMPDIR/small" | tail -n 1)
	dd if=/dev/zero of="$TMPDIR/small/ballast" bs=1024 count=$((free - 6000)) 2>/dev/null
	within -s KILL 120 "$b" run -q -b full -- /bin/sh -c \
		'i=0; while [ $i -lt 200000 ]; do : >f; i=$((i+1)); done' >/dev/null 2>"$TMPDIR/err"
	equal "a disk that fills up while recording ends the run with its own status" $? 115
	equal "and with one sentence" "$(grep -c '^belljar: ' "$TMPDIR/err")" 1
	check "no process is left" none_with_mark "$mark"
	rm -f "$TMPDIR/small/ballast"
	check "once there is room, the record opens" "$b" events full --kind run_begin
	check "it is whole to its last event" "$b" verify full
	check "the box can be used again" "$b" run -q -b full -- /bin/true
	"$b" remove full
	umount "$TMPDIR/small" || umount -l "$TMPDIR/small"
else
	skip "a disk that fills up while recording ends the run with its own status" "no small disk that can hold boxes can be made"
fi
