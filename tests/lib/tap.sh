# SPDX-License-Identifier: Apache-2.0
# tap.sh - what the suites share: numbered results, and ways to look at a box; sourced by bash
set -u
n=0
failed=0 # 1: something was not ok
# how many times slower than usual this machine is: ends to waiting are that much later
slow=${BELLJAR_TEST_SLOW:-1}

ok() {
	n=$((n + 1))
	echo "ok $n - $*"
}

not_ok() {
	n=$((n + 1))
	failed=1
	echo "not ok $n - $*"
}

skip() { # WORDS WHY
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

check() { # WORDS COMMAND…: the command must succeed; what it said is shown when it did not
	local words=$1 said
	shift
	if said=$("$@" 2>&1); then
		ok "$words"
	else
		not_ok "$words"
		[ -z "$said" ] || printf '%s\n' "$said" | head -n 20 | sed 's/^/#   /'
	fi
}

equal() { # WORDS GOT WANTED
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		printf '# got    %q\n# wanted %q\n' "$2" "$3"
	fi
}

# One value of a box's record.
sql() { # BOX QUERY-FOR-ONE-VALUE
	"$BELLJAR" events "$1" --json --sql "SELECT ($2) AS x" 2>&1 |
		sed -n 's/^{"x":\(.*\)}$/\1/p' | sed 's/^"\(.*\)"$/\1/'
}

recorded() { # BOX CONDITION-IN-SQL
	local x
	x=$(sql "$1" "$2")
	[ "$x" = 1 ] || { echo "the record says '$x' to: $2"; return 1; }
}

# A small disk that can hold boxes, root's to make: of memory, or before Linux 6.6, where that keeps no attributes of
# users, an image.
small_disk() { # FOLDER MEGABYTES
	mkdir "$1" || return
	if mount -t tmpfs -o size="$2m" small "$1" 2>/dev/null; then
		python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.probe", b"1")' "$1" 2>/dev/null && return
		umount "$1"
	fi
	truncate -s "$2M" "$1.img" && mke2fs -q -F -t ext4 -O ^has_journal -m 0 "$1.img" >/dev/null 2>&1 &&
		mount -o loop "$1.img" "$1" 2>/dev/null
}

# Process ids of this machine whose command line holds MARK.
with_mark() { # MARK
	local f
	for f in /proc/[0-9]*/cmdline; do
		[ "$f" != "/proc/$$/cmdline" ] || continue
		if { tr '\0' ' ' <"$f"; } 2>/dev/null | grep -qF -- "$1"; then
			f=${f#/proc/}
			echo "${f%/cmdline}"
		fi
	done
}

# Until COMMAND succeeds, at most about SECONDS; not a measure of speed, only an end to waiting.
wait_for() { # SECONDS COMMAND…
	local i=0 end=$(($1 * 20 * slow))
	shift
	until "$@" >/dev/null 2>&1; do
		i=$((i + 1))
		[ "$i" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# COMMAND, ended after about SECONDS: a fault's end, and not a measure of speed either.
within() { # [-s SIGNAL] SECONDS COMMAND…
	local signal=TERM
	[ "$1" != -s ] || { signal=$2; shift 2; }
	timeout -s "$signal" $(($1 * slow)) "${@:2}"
}

none_with_mark() { # MARK
	[ -z "$(with_mark "$1")" ]
}

# The servers of tests/lib/gate_world.py, in the network that a suite with `net: own` has to itself: sets $world, $server,
# and whose certificates count. Where there is no such network, the rest of the suite is skipped.
world_up() { # WORDS
	if [ -z "${BELLJAR_OWN_NET:-}" ]; then
		skip "$1" "only root can make a network namespace for this user"
		exit
	fi
	world=$TMPDIR/world
	mkdir "$world"
	python3 "$BELLJAR_SRC/tests/lib/gate_world.py" "$world" >world.log 2>&1 &
	server=$!
	wait_for 60 test -e "$world/ready" || { cat world.log; not_ok "the servers of the test start"; exit 1; }
	export SSL_CERT_FILE=$world/ca.pem
}
