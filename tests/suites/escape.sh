#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Attempts to get out of a box: each must be stopped, must leave the host as it was, and must be
# on record. The attempts are tests/escape/escape.c; here is what the host and the record say.
# users: root range single
# timeout: 900
. "$BELLJAR_SRC/tests/lib/tap.sh"

tools=$BELLJAR_BUILD/tests/escape
mark=bj-$$-$RANDOM
dir=$TMPDIR/host
chmod 711 "$TMPDIR"
mkdir -m 0777 "$dir" "$dir/ro" "$dir/rw" "$dir/plain"
for f in victim ro/victim ro/lock plain/victim secret; do
	echo "as it was" >"$dir/$f"
	chmod 666 "$dir/$f"
done
mkfifo -m 0666 "$dir/ro/fifo"
ln -s "$dir/victim" "$dir/ro/way-out"
cp "$BELLJAR" "$dir/belljar"

# The host's processes that a box could reach if a wall were missing: ours, and one with the very
# id that a box of root has outside.
sleep 1000 &
canary=$!
root_canary=
if [ "$(id -u)" = 0 ]; then
	setpriv --reuid 1879048192 --regid 1879048192 --clear-groups sleep 1000 &
	root_canary=$!
fi
cleanup() {
	kill "$canary" $root_canary 2>/dev/null
	wait 2>/dev/null
}
trap cleanup EXIT

listing() { # everything about the host's folder that an attempt could change, but for rw/
	(cd "$dir" && find . -path ./rw -prune -o ! -type d ! -name port ! -name socket -printf '%p %m %U %G %s %T@ %y %l\n' | sort &&
		find . -path ./rw -prune -o -type d -printf '%p %m %U %G\n' | sort &&
		find . -path ./rw -prune -o -type f ! -name port -exec sha256sum {} +)
}

# Hold the FIFO open for reading, so that a write into it would succeed and be seen.
exec 8<>"$dir/ro/fifo"
before=$(listing)
settings=$(cat /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/overcommit_memory)
nodes() { stat -c '%n %a %u %Z' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; }
devices=$(nodes)

# shellcheck disable=SC2016  # the inner shell expands these
ESCAPE_CANARY=$mark "$tools/outside" "$dir" "$mark" "/$mark" bash -c '
	ln -f "$0/socket" "$0/ro/socket" 2>/dev/null
	exec "$BELLJAR" run -q -b esc --ro "$0/ro" --rw "$0/rw" --copy "$1/escape" \
		--env BELLJAR=1 --env ESCAPE_DIR="$0" --env ESCAPE_RO="$0/ro" --env ESCAPE_RW="$0/rw" \
		--env ESCAPE_ABSTRACT="$2" --env ESCAPE_PORT="$(cat "$0/port")" --env ESCAPE_PID="$3" \
		--env ESCAPE_SHM="$ESCAPE_SHM" --env ESCAPE_SEM="$ESCAPE_SEM" \
		--env ESCAPE_POSIX="/$2" --env ESCAPE_KEY=belljar-escape -- ./escape all' \
	"$dir" "$tools" "$mark" "$canary" >"$TMPDIR/said" 2>"$TMPDIR/errors" &
run=$!

# While ro-lock holds its lock inside (or at the latest when all is over), it must be free outside.
locked() { grep -q '^ro-lock' "$TMPDIR/said" || ! kill -0 "$run" 2>/dev/null; }
wait_for 120 locked
check "a lock that the box takes on a file of --ro does not hold outside" \
	flock -n -x "$dir/ro/lock" true
wait "$run"
status=$?
check "the attempts ran to their end" test -s "$TMPDIR/said"
[ "$status" -lt 98 ] || sed 's/^/# /' "$TMPDIR/errors"
equal "nobody reached a listener or shared memory of the host" \
	"$(grep '^reached' "$TMPDIR/said")" ""

# name of the attempt | condition on the record; ACT: keys of the attempt's processes
act="(WITH RECURSIVE k(p) AS (SELECT proc FROM process WHERE op='exec' AND command_line='escape one NAME'
	UNION SELECT b.proc FROM process b JOIN k ON b.parent=k.p WHERE b.op='fork') SELECT p FROM k)"
a() { # an ATTEMPT by CALL
	echo "EXISTS(SELECT 1 FROM attempt WHERE call='$1' AND answer='refused' AND proc IN ACT)"
}
f() { # a FILE call on a path like GLOB
	echo "EXISTS(SELECT 1 FROM file WHERE path GLOB '$1' AND proc IN ACT)"
}
s() { # a SOCKET call
	echo "EXISTS(SELECT 1 FROM socket WHERE $1 AND proc IN ACT)"
}
while IFS='|' read -r name condition; do
	line=$(grep "^$name " "$TMPDIR/said")
	case $line in
	"$name stopped "*) ok "$name is stopped" ;;
	*)
		not_ok "$name is stopped"
		echo "# ${line:-it did not finish}"
		;;
	esac
	[ -n "$condition" ] || continue
	condition=${condition//ACT/$act}
	check "$name is on record" recorded esc "${condition//NAME/$name}"
done <<TABLE
host-path|$(f "$dir/victim")
proc-links|$(f "/proc/1/root$dir/victim")
dot-dot|EXISTS(SELECT 1 FROM file WHERE path GLOB '*$dir/victim' AND proc IN ACT)
file-handles|$(a open_by_handle_at)
fd-leak|
stdio-is-host|
environment|
ro-write|$(f "$dir/ro/victim")
ro-change|EXISTS(SELECT 1 FROM file WHERE op='unlink' AND path='$dir/ro/victim' AND proc IN ACT)
ro-reopen|EXISTS(SELECT 1 FROM file WHERE op='write' AND proc IN ACT)
ro-remount|$(a mount)
ro-fifo|$(f "$dir/ro/fifo")
ro-socket|$(s "op='connect' AND address='$dir/ro/socket'")
ro-lock|
rw-above|$(f '*/victim')
rw-move|EXISTS(SELECT 1 FROM file WHERE op='rename' AND path='$dir/rw/below' AND proc IN ACT)
rw-device|EXISTS(SELECT 1 FROM file WHERE op='mknod' AND path='$dir/rw/device' AND proc IN ACT)
signal-host|EXISTS(SELECT 1 FROM signal WHERE signal=9 AND target_pid=$canary AND proc IN ACT)
signal-keeper|(SELECT count(*) FROM signal WHERE target_pid=1 AND proc IN ACT)>60
trace-keeper|$(a ptrace)
keeper-name|
self-exe|
namespaces|
nested-userns|$(a unshare) AND $(a clone)
nested-clone3|$(a clone3)
x32-calls|EXISTS(SELECT 1 FROM attempt WHERE proc IN ACT)
i386-calls|
set-user-id|EXISTS(SELECT 1 FROM attempt WHERE category='privilege' AND proc IN ACT)
set-id-program|EXISTS(SELECT 1 FROM file WHERE op='chmod' AND mode=3565 AND proc IN ACT)
abstract-socket|$(s "op='connect' AND address='@$mark'")
path-socket|$(s "op='connect' AND address='$dir/socket'")
loopback|$(s "op='connect' AND address='127.0.0.1'")
vsock|$(s "family='vsock'")
packet|$(s "family='packet'")
other-families|(SELECT count(DISTINCT family) FROM socket WHERE proc IN ACT)>20
netlink|$(s "family='netlink'")
keyring|$(a request_key)
sysv-shm|
sysv-sem|
posix-shm|$(f "/dev/shm/$mark")
posix-queue|
kernel-settings|$(f /proc/sys/kernel/core_pattern) AND $(f /proc/sysrq-trigger)
device-tree|$(f /sys/fs/cgroup/release_agent)
devices|$(f /dev/mem)
modules|$(a init_module) AND $(a finit_module)
mounts|(SELECT count(*) FROM attempt WHERE call IN ('mount', 'umount2') AND proc IN ACT)=8
new-mount-api|$(a open_tree) AND $(a fsopen)
io-uring|$(a io_uring_setup)
bpf|$(a bpf)
terminal|(SELECT count(*) FROM attempt WHERE category='tty' AND proc IN ACT)>=200
other-pairs|(SELECT count(*) FROM socket WHERE op='socket' AND answer='refused' AND proc IN ACT)>=60
line-discipline|(SELECT count(*) FROM attempt WHERE category='module' AND call='ioctl' AND answer='refused' AND proc IN ACT)=31
new-calls|(SELECT count(*) FROM attempt WHERE call='unknown' AND answer='refused' AND errno='ENOSYS' AND proc IN ACT)=50
device-times|(SELECT count(*) FROM file WHERE op='chmod' AND path IN ('/dev/null', '/dev/tty') AND proc IN ACT)>=3
hidden-memory|(SELECT count(DISTINCT call) FROM attempt WHERE category='memory' AND errno='EFAULT' AND reason LIKE 'what it points at could not be read%' AND proc IN ACT)=6
TABLE
rm -f "$dir/ro/socket" "$dir/socket"

# ---- the host, afterwards ------------------------------------------------------------------------
equal "the host's folder is as it was, --ro included" "$(listing)" "$before"
equal "the kernel's settings are as they were" \
	"$(cat /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/overcommit_memory)" "$settings"
equal "so are its devices, their times included" "$(nodes)" "$devices"
check "the host's process lives" kill -0 "$canary"
[ -z "$root_canary" ] || check "a process with the box's own outside id lives" kill -0 "$root_canary"
check "belljar's own program is as it was" cmp -s "$BELLJAR" "$dir/belljar"
if read -r -t 0.1 -u 8 line; then
	not_ok "nothing came out of the FIFO in --ro"
	echo "# $line"
else
	ok "nothing came out of the FIFO in --ro"
fi
exec 8>&-

# ---- what is shown, of every shape ---------------------------------------------------------------
# A folder with mounts below ("/" has some anywhere) cannot be one overlay, a file is none at all.
python3 - "$dir/plain/socket" >"$TMPDIR/heard" 2>&1 <<'END' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen(5)
while True:
    s.accept(); print("reached", flush=True)
END
listener=$!
wait_for 30 test -S "$dir/plain/socket"
cat >"$TMPDIR/reach.py" <<'END'
import fcntl, os, socket, sys, time
root, one = sys.argv[1:]
try: socket.socket(socket.AF_UNIX).connect(root + "/socket"); print("connected")
except OSError: pass
f = open(one); fcntl.flock(f, fcntl.LOCK_EX)
try: open(one, "w").write("changed"); print("changed")
except OSError: pass
print("locked", flush=True)
time.sleep(float(open(root + "/seconds").read()))
END
echo 600 >"$dir/plain/seconds"
"$BELLJAR" run -q -b shown --copy "$TMPDIR/reach.py" --ro /:/mnt/host --ro "$dir/plain/victim:/victim" -- \
	python3 reach.py "/mnt/host$dir/plain" /victim >"$TMPDIR/reached" 2>&1 &
shown=$!
wait_for 60 grep -q locked "$TMPDIR/reached"
equal "a folder that --ro shows has all that is in it" \
	"$("$BELLJAR" run -q --ro "$dir/plain:/shown" -- ls -A /shown)" "$(ls -A "$dir/plain")"
check "a lock on a file that --ro shows does not hold outside" flock -n -x "$dir/plain/victim" true
kill "$shown"
wait "$shown" 2>/dev/null
equal "nobody listens in a folder of --ro with mounts below, and the file is not changed" \
	"$(cat "$TMPDIR/reached" "$TMPDIR/heard")" locked
kill "$listener"
wait "$listener" 2>/dev/null
rm -f "$dir/plain/socket" "$dir/plain/seconds"
# shellcheck disable=SC2016  # the inner shell expands these
equal "the home of all boxes is empty in what --ro and --rw show" \
	"$("$BELLJAR" run -q --ro "${BELLJAR_HOME%/*}:/mnt/a" --rw "${BELLJAR_HOME%/*}:/mnt/b" -- sh -c '
		for d in a b; do ls -A "/mnt/$d/$1"; mkdir "/mnt/$d/$1/x" 2>/dev/null && echo made; done' \
		- "${BELLJAR_HOME##*/}" 2>&1)" ""
"$BELLJAR" run -q --ro "$BELLJAR_HOME" -- true 2>"$TMPDIR/said"
equal "and is not shown itself" "$? $(grep -c 'is where the boxes are kept' "$TMPDIR/said")" "2 1"

# ---- files that belljar itself will read or write ------------------------------------------------
echo "payload" >"$TMPDIR/payload"
"$BELLJAR" run -q -b trap -- /bin/sh -c "ln -s '$dir/plain/victim' payload; ln -s / rootlink
	ln -s /etc/shadow stolen.sh; mkfifo -m 777 pipe.sh; mkdir -p /etc/systemd/system
	mkfifo /etc/systemd/system/evil.service; rm -f /etc/crontab; mkfifo /etc/crontab
	truncate -s 1T huge.sh; chmod 755 huge.sh
	ln -s $dir/plain /etc/cron.d.way; i=0; while [ \$i -lt 300 ]; do mkdir d; cd d; i=\$((i+1)); done" \
	>"$TMPDIR/trap" 2>&1
equal "a run that leaves FIFOs, huge files and links out ends" "$?" 0
within 60 "$BELLJAR" run -q -b trap --copy "$TMPDIR/payload" -- /bin/true >"$TMPDIR/trap" 2>&1
check "--copy does not follow a link that the box laid" grep -qx "as it was" "$dir/plain/victim"
check "changes of such a box ends" within 60 "$BELLJAR" changes trap
check "nothing of the host is in the list of changes" \
	bash -c "! '$BELLJAR' changes trap | grep -F rootlink/"
if [ "$(id -u)" = 0 ]; then
	shadow=$(sha256sum </etc/shadow | cut -d' ' -f1)
	check "bytes of the host's files are not kept as objects of the box" \
		recorded trap "NOT EXISTS(SELECT 1 FROM object WHERE sha256='$shadow')"
fi

# ---- what outlives ---------------------------------------------------------------------------
"$BELLJAR" run -q --copy "$tools/bombs" --env BELLJAR=1 -- ./bombs stay "$mark-a" >/dev/null 2>&1
check "a daemon that ignores all signals ends with the run" wait_for 10 none_with_mark "$mark-a"
"$BELLJAR" run -q -b stay --copy "$tools/bombs" --env BELLJAR=1 -- \
	/bin/sh -c "./bombs stay $mark-b; exec ./bombs deaf $mark-b" >/dev/null 2>&1 &
run=$!
daemon_up() { [ "$(with_mark "deaf $mark-b" | wc -l)" -ge 1 ] && [ "$(with_mark "stay $mark-b" | wc -l)" -ge 1 ]; }
wait_for 60 daemon_up
kill -KILL "$run"
wait "$run" 2>/dev/null
check "kill -9 of the supervisor ends the box" wait_for 10 none_with_mark "$mark-b"
within 60 "$BELLJAR" run -q --time 2s --copy "$tools/bombs" --env BELLJAR=1 -- \
	./bombs deaf "$mark-c" >/dev/null 2>&1
equal "--time ends a program that ignores signals" "$?" 124
check "and nothing of it is left" wait_for 10 none_with_mark "$mark-c"

# ---- bombs -----------------------------------------------------------------------------------
bomb() { # NAME OPTIONS…: what the bomb says
	local name=$1
	shift
	within 120 "$BELLJAR" run -q -b "bomb-$name" "$@" --copy "$tools/bombs" --env BELLJAR=1 -- \
		./bombs "$name" 2>&1
}
limit() { # NAME WHAT
	recorded "bomb-$1" "EXISTS(SELECT 1 FROM \"limit\" WHERE what='$2')"
}
said=$(bomb forks --pids 60)
check "a fork bomb stops at --pids" bash -c "set -- $said; [ \"\$1\" = forks ] && [ \"\$2\" -lt 60 ]"
check "and that is on record" limit forks pids
said=$(bomb ids --pids 60)
check "one whose children take many identities stops at --pids as well" \
	bash -c "set -- $said; [ \"\$1\" = ids ] && [ \"\$2\" -gt 1 ] && [ \"\$2\" -le 61 ]"
said=$(bomb threads --pids 60)
check "a bomb of threads stops at --pids" bash -c "set -- $said; [ \"\$1\" = threads ] && [ \"\$2\" -lt 60 ]"
said=$(bomb memory --memory 128M)
check "a memory bomb stops at --memory" bash -c "! grep -q 'NO LIMIT' <<<'$said'"
check "and that is on record" limit memory memory
said=$(bomb shared --memory 128M)
check "one of shared memory stops at --memory as well" bash -c "! grep -q 'NO LIMIT' <<<'$said'"
check "and that is on record" limit shared memory
said=$(bomb watchers)
check "one of watches leaves the user half of them" \
	bash -c "set -- $said; [ \"\$2\" -gt 0 ] && [ \"\$2\" -le \$((\$(cat /proc/sys/fs/inotify/max_user_instances) / 2)) ]"
for b in "disk --disk 24M" "file --disk 24M" "inodes --inodes 2000"; do
	# shellcheck disable=SC2086
	set -- $b
	said=$(bomb "$@")
	check "filling up ($1) stops at $2" bash -c "! grep -q 'NO LIMIT' <<<'$said'"
	check "and that is on record" limit "$1" "${2#--}"
done

# ---- the terminal ----------------------------------------------------------------------------
if command -v script >/dev/null; then
	mkfifo "$TMPDIR/typed" # by nobody, and without an end
	exec 8<>"$TMPDIR/typed"
	SHELL=/bin/bash within 120 script -qec "'$BELLJAR' run -q -b tty --copy '$tools/escape' --env BELLJAR=1 -- ./escape one terminal; read -r -t 1 x; echo \"after: <\$x>\"" /dev/null \
		<"$TMPDIR/typed" >"$TMPDIR/tty" 2>&1 8>&-
	exec 8>&-
	check "nothing can be typed into our terminal from inside" grep -q 'after: <>' "$TMPDIR/tty"
	check "in a terminal the attempt is stopped as well" grep -q 'terminal stopped' "$TMPDIR/tty"
else
	skip "nothing can be typed into our terminal from inside" "no script(1)"
fi
"$BELLJAR" run -q -b names -- /bin/sh -c '
	e=$(printf "\033"); : >"$e[31mred"; : >"$e]0;title$(printf "\007")"; : >"a
b"; : >"$(printf "c\233d\r\177")"; exec sh -c "exit 0" "$e[2J" "x
y"' 2>/dev/null
for what in "report names" "changes names" "events names" "show names" "list"; do
	# shellcheck disable=SC2086
	said=$("$BELLJAR" $what 2>&1 | LC_ALL=C tr -d '\n\t' | LC_ALL=C grep -cP '[\x00-\x08\x0b-\x1f\x7f]')
	equal "no control byte of the box comes through '$what'" "$said" 0
done
