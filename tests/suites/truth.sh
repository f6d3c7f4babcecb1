#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the file system holds, against what calls said: paths swapped under a held call, folders too
# deep to name, claimed owners; and `belljar changes` since the beginning and since snapshots.
# users: root range single
# timeout: 600
. "$BELLJAR_SRC/tests/lib/tap.sh"

swap=$BELLJAR_BUILD/tests/escape/swap
in_box() { # BOX COMMAND…
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" -- "$@"
}
rows() { # BOX QUERY-FOR-ONE-TEXT-COLUMN-x
	"$BELLJAR" events "$1" --json --sql "$2" | sed -n 's/^{"x":"\(.*\)"}$/\1/p' | LC_ALL=C sort
}
changes() { # BOX [--since SNAPSHOT]: OP TYPE PATH [from PATH2] by PROGRAM a line, belljar's own set-up left out
	"$BELLJAR" changes "$@" --json | python3 -c '
import json, sys
for c in json.load(sys.stdin)["files"]:
	if not c.get("set_up"):
		by = c["by"].get("image", "nobody").split("/")[-1]
		print(c["op"], c["type"], c["path"], *(["from", c["from"]] if "from" in c else []), "by", by)'
}

# ---- a swapped path: what is made is announced, or it is a mismatch -----------------------------
swapped=0
attack() { # OP BOX
	local op=$1 box=$2 on_disk told
	equal "$op: all calls go well in spite of the swaps" \
		"$("$BELLJAR" run -q -b "$box" --copy "$swap" --env BELLJAR=1 -- ./swap "$op" 400)" \
		"$op 400 of 400"
	# what is there, by the box's own account; in a run of its own, as the last
	on_disk=$(in_box "$box" find /root -name '[ab]-[0-9]*' | LC_ALL=C sort)
	equal "$op: all of it is there" "$(wc -l <<<"$on_disk")" 400
	told=$(rows "$box" "SELECT path AS x FROM file WHERE op IN ('create','mkdir','symlink') AND
		path GLOB '/root/[ab]-*' UNION SELECT path FROM mismatch WHERE what='truth-without-intent'")
	equal "$op: nothing is there that neither a call nor a mismatch names" \
		"$(LC_ALL=C comm -23 <(echo "$on_disk") <(echo "$told"))" ""
	equal "$op: each is a change" \
		"$(rows "$box" "SELECT path AS x FROM change WHERE run=1 AND op='added' AND path GLOB '/root/[ab]-*'")" \
		"$on_disk"
	equal "$op: a mismatch is what no call names, and nothing else" \
		"$(rows "$box" "SELECT path AS x FROM mismatch WHERE what='truth-without-intent'")" \
		"$(rows "$box" "SELECT path AS x FROM change WHERE run=1 AND path GLOB '/root/[ab]-*'
			AND path NOT IN (SELECT path FROM file WHERE run=1 AND path IS NOT NULL)")"
	equal "$op: the other name, announced and not there, is told as often" \
		"$(sql "$box" "SELECT count(*) FROM mismatch WHERE what='intent-without-truth'")" \
		"$(sql "$box" "SELECT count(*) FROM mismatch WHERE what='truth-without-intent'")"
	swapped=$((swapped + $(sql "$box" "SELECT count(*) FROM mismatch")))
}
for op in open mkdir symlink; do
	attack "$op" "swap-$op"
done
for i in 1 2 3 4 5; do # a machine may be too busy to let a swap win
	[ "$swapped" = 0 ] || break
	attack mkdir "swap-again-$i"
done
check "swaps did win: the above was put to the test" test "$swapped" -gt 0

# ---- folders deeper than PATH_MAX ---------------------------------------------------------------
equal "60 folders of 200 bytes in each other can be made" \
	"$("$BELLJAR" run -q -b deep --copy "$swap" --env BELLJAR=1 -- ./swap deep 60)" "deep 60 of 60"
equal "all of them and the file are changes, and have their writer" \
	"$(sql deep "SELECT count(*) FROM change WHERE writer>0 AND path GLOB '/root/dd*'")" 61
check "paths of 8 KiB are on record whole" recorded deep \
	"EXISTS(SELECT 1 FROM file WHERE op='mkdir' AND length(path)>7500 AND path GLOB '/root/dd*')"
equal "none of it is a mismatch" "$(sql deep "SELECT count(*) FROM mismatch")" 0

# ---- command lines that no event can hold --------------------------------------------------------
equal "a command line of 5 MiB is cut, and a gap says by how much" \
	"$(in_box long python3 -c 'import os, resource
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, 64 << 20))
os.execv("/bin/true", ["true"] + ["a" * 131000] * 40)' && sql long "SELECT length(p.command_line)||' '||g.count
		FROM process p JOIN gap g ON g.proc = p.proc WHERE p.op='exec' AND p.image GLOB '*/true'")" \
	"4194304 $((4 + 40 * 131001 - 4194304))"

# ---- owners -------------------------------------------------------------------------------------
# shellcheck disable=SC2016  # the inner shell expands these
"$BELLJAR" run -q -b owner --idmap single -- /bin/sh -c \
	'echo x >/srv/f; mkdir /srv/d; chown 101:102 /srv/f /srv/d /etc/hostname; chmod 600 /etc/hostname'
equal "a claimed owner is the owner of what was made" "$(rows owner \
	"SELECT path||' '||uid||':'||gid AS x FROM change WHERE path GLOB '/srv/*'")" \
	$'/srv/d 101:102\n/srv/f 101:102'
check "a claimed owner is told with the one before" recorded owner \
	"EXISTS(SELECT 1 FROM change WHERE path='/etc/hostname' AND writer>0 AND
		detail='mode 0644→0600; owner 0:0→101:102')"
check "how it is kept is no change" recorded owner \
	"NOT EXISTS(SELECT 1 FROM change WHERE detail LIKE '%belljar%')"
check "changes tells the same" grep -q 'owner 0:0→101:102' <("$BELLJAR" changes owner)

# ---- who wrote it, and who only touched it --------------------------------------------------------
"$BELLJAR" run -q -b wrote -- /bin/bash -c 'echo "echo hello" >/etc/profile.d/hello.sh; chmod 755 /etc/profile.d/hello.sh
	cp /bin/true /usr/local/bin/mine; chmod 4755 /usr/local/bin/mine; chmod 600 /etc/hostname; true'
wrote() { # TABLE PATH-COLUMN PATH
	sql wrote "SELECT p.image FROM $1 c JOIN process p ON p.proc = c.writer AND p.op = 'exec' WHERE c.$2 = '$3' ORDER BY p.seq DESC LIMIT 1"
}
equal "who wrote an entry is named, not who changed its mode after that" \
	"$(wrote change path /etc/profile.d/hello.sh) $(wrote autostart place /etc/profile.d/hello.sh)" "/usr/bin/bash /usr/bin/bash"
equal "but who gave a program rights is" "$(wrote autostart place /usr/local/bin/mine)" /usr/bin/chmod
equal "and who changed the mode of what was there" "$(wrote change path /etc/hostname)" /usr/bin/chmod

# ---- since a snapshot, and after a rollback ------------------------------------------------------
in_box s /bin/sh -c 'cd /srv; echo one >one; echo stay >stay; echo gone >gone; seq 100 >walks; mkdir old'
check "first snapshot" "$BELLJAR" snapshot s first
in_box s /bin/sh -c 'cd /srv; echo two >two; echo other >one; rm gone; mv walks walked; rmdir old; chmod 700 stay'
check "second snapshot" "$BELLJAR" snapshot s second
in_box s /bin/sh -c 'cd /srv; rm two; mv walked walks; echo three >three'
equal "since the beginning: only what is left at the end" "$(changes s)" "added file /srv/one by dash
added file /srv/stay by chmod
added file /srv/three by dash
added file /srv/walks by mv"
equal "since the first snapshot" "$(changes s --since first | LC_ALL=C sort)" "added file /srv/three by dash
changed file /srv/one by dash
meta file /srv/stay by chmod
removed dir /srv/old by rmdir
removed file /srv/gone by rm"
equal "since the second snapshot" "$(changes s --since second | LC_ALL=C sort)" "added file /srv/three by dash
moved file /srv/walks from /srv/walked by mv
removed file /srv/two by rm"
equal "the run between the snapshots is told as it was" \
	"$(rows s "SELECT op||' '||path||coalesce(' '||path2,'') AS x FROM change WHERE run=2")" \
	"added /srv/two
changed /srv/one
meta /srv/stay
moved /srv/walked /srv/walks
removed /srv/gone
removed /srv/old"
check "rollback" "$BELLJAR" rollback s first
equal "after it there is nothing since that snapshot" "$(changes s --since first)" ""
equal "nor more than the first run made, and it is that run's work" "$(changes s)" "added file /srv/gone by dash
added dir /srv/old by mkdir
added file /srv/one by dash
added file /srv/stay by dash
added file /srv/walks by dash"
in_box s /bin/sh -c 'echo again >/srv/two'
equal "the next run tells what it did, not what was taken back" \
	"$(rows s "SELECT op||' '||path AS x FROM change WHERE run=4")" "added /srv/two"
equal "and so does changes" "$(changes s --since first)" "added file /srv/two by dash"
equal "snapshots and rollback are marks, in their order" \
	"$("$BELLJAR" events s --json --sql "SELECT name AS x FROM mark WHERE name IN ('snapshot','rollback') ORDER BY seq" |
		sed 's/.*"x":"\([a-z]*\)".*/\1/' | tr '\n' ' ')" "snapshot snapshot rollback "
equal "none of this is a mismatch" "$(sql s "SELECT count(*) FROM mismatch")" 0
"$BELLJAR" changes s --since nowhere >/dev/null 2>said
equal "since a snapshot that is not there: status" "$?" 111
equal "since a snapshot that is not there: one sentence" "$(wc -l <said)" 1

# ---- what belljar sets up after a run that was killed -----------------------------------------------
# shellcheck disable=SC2016  # the inner shell expands these
"$BELLJAR" run -q -b killed --net off -- sh -c 'touch /srv/f; exec sleep 1000"$1"' sh "$$" &
pid=$!
sleeps() { [ -n "$(with_mark "sleep 1000$$")" ]; }
wait_for 60 sleeps
kill -KILL $pid
wait $pid 2>/dev/null
in_box killed touch /srv/g
equal "it is no change and no mismatch, and what the killed run made is one" "$(rows killed "SELECT path AS x FROM change WHERE run=2
	UNION SELECT what||' '||path FROM mismatch")" $'/srv/f\n/srv/g'
check "though something was set up: the box's authority, for the run with a network" in_box killed \
	test -e /usr/local/share/ca-certificates/belljar-box.crt

# ---- boxes kept below /var, as root's are by default: the rest of /var is then of several layers ----
home=$(mktemp -d /var/tmp/belljar-test.XXXXXX)
chmod 755 "$home"
mkdir "$home/boxes"
chmod 755 "$home/boxes"
(
	export BELLJAR_HOME=$home/boxes
	in_box var /bin/sh -c 'touch /var/lib/dpkg/info/mine; echo more >>/var/lib/dpkg/status; rm /var/lib/dpkg/info/dpkg.list'
	changes var >var.changes
	sql var "SELECT count(*) FROM mismatch" >var.mismatch
)
equal "what is changed below folders that nobody has touched is a change" "$(cat var.changes)" \
	"removed file /var/lib/dpkg/info/dpkg.list by rm
added file /var/lib/dpkg/info/mine by touch
changed file /var/lib/dpkg/status by dash"
equal "and no mismatch" "$(cat var.mismatch)" 0
chmod -R u+rwx "$home" 2>/dev/null # a box can hold folders that are closed to its owner
rm -rf "$home" 2>/dev/null || unshare --map-root-user --map-auto rm -rf "$home"
