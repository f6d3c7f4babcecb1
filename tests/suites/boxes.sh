#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 600
#
# boxes - the subcommands that list, show, freeze, roll back, move and remove boxes
set -u
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { n=$((n + 1)); echo "$2" | sed 's/^/# /'; echo "not ok $n - $1"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got '$2', expected '$3'"; fi; }
has() { if grep -qF -e "$3" <<<"$2"; then ok "$1"; else bad "$1" "no '$3' in: $2"; fi; }
status() { "$@" >out 2>err </dev/null; echo $?; }
# one sentence on the error output, and nothing raw in it
fails() { # WHAT STATUS COMMAND…
	local what=$1 want=$2
	shift 2
	is "$what: status $want" "$(status "$@")" "$want"
	is "$what: one sentence" "$(wc -l <err)$(grep -c '^belljar' err)$(tr -d '\n[:print:]' <err | LC_ALL=C tr -d '\200-\377' | wc -c)" "110"
}

b=$BELLJAR
in_box() { "$b" run -q -b "$@"; }
root=$PWD/rootfs
chmod 755 . && mkdir -p "$root"

is "no boxes are no error" "$(status "$b" list)" 0
has "and it says how to make one" "$(cat out)" "run -b"
in_box one -- /bin/sh -c 'echo 1 >/root/a; rm /etc/fstab; ln /root/a /root/b; chown 33:33 /root/a'
is "snapshot" "$(status "$b" snapshot one first)" 0
in_box one -- /bin/sh -c 'echo 2 >/root/c; rm -r /root/a'
is "both runs are listed" "$("$b" list --json | tr -d ' \n' | grep -o '"runs":[0-9]*')" '"runs":2'
shown=$("$b" show one)
has "show has the snapshot" "$shown" "first"
has "show has the run" "$shown" "rm -r /root/a"
"$b" show one --json | python3 -c 'import json,sys; j=json.load(sys.stdin); assert j["layers"]==2 and len(j["runs"])==2 and len(j["machine_id"])==32' && ok "show --json is JSON" || bad "show --json is JSON" "$("$b" show one --json)"

is "export" "$(status "$b" export one -o one.belljar)" 0
is "the export is nobody else's to read" "$(stat -c %a one.belljar)" 600
is "import" "$(status "$b" import two one.belljar)" 0
look='cat /root/b /root/c; test -e /root/a || echo no-a; test -e /etc/fstab || echo no-fstab; stat -c %u:%g /root/b'
is "the imported box is the same" "$(in_box two -- /bin/sh -c "$look" 2>&1)" "$(in_box one -- /bin/sh -c "$look" 2>&1)"
is "its record came with it, unchanged" "$(status "$b" verify two)" 0
is "rollback to the snapshot" "$(status "$b" rollback one first)" 0
is "what came after is gone" "$(in_box one -- /bin/sh -c 'cat /root/a; test -e /root/c || echo no-c')" "1
no-c"
is "rollback to the start" "$(status "$b" rollback one)" 0
is "nothing is left of any run" "$(in_box one -- /bin/sh -c 'ls /root | grep -v ^Documents; test -e /etc/fstab && echo fstab')" "fstab"
has "the record says so" "$("$b" events one --kind mark)" "rollback"
is "the other box is untouched" "$(in_box two -- /bin/sh -c 'cat /root/c')" 2

# below /var, as root's own home is: an overlay cannot show a folder that it lies in, so /var is shown in parts
below=$(mktemp -d /var/tmp/belljar-home.XXXXXX)
is "boxes that are kept below /var have the host's links there" \
	"$(BELLJAR_HOME=$below "$b" run -q --net off -- sh -c 'for i in run lock; do readlink /var/$i; done' 2>&1)" \
	"$(for i in run lock; do readlink /var/$i; done)"
rm -rf "$below" 2>/dev/null || unshare --map-root-user --map-auto rm -rf "$below"

fails "show of no box" 111 "$b" show none
fails "snapshot of no box" 111 "$b" snapshot none x
fails "rollback to no snapshot" 111 "$b" rollback two none
fails "a snapshot twice" 118 "$b" snapshot two first
fails "a name with a slash" 116 "$b" snapshot two a/b
fails "a box name with a newline" 116 "$b" show $'a\nb'
fails "a box name with ESC" 116 "$b" remove $'a\e[31m'
fails "an import over a box" 118 "$b" import two one.belljar
head -c 2000 one.belljar >cut.belljar
fails "an import that ends early" 114 "$b" import three cut.belljar
fails "an import of something else" 114 "$b" import three "$b"
fails "an import of no file" 117 "$b" import three none.belljar
fails "an export to no folder" 117 "$b" export two -o none/x
is "an export to a full disk: status 115" "$(status "$b" export two -o /dev/full)" 115
is "no name" "$(status "$b" remove)" 2
is "nothing of these came to be" "$("$b" list | awk 'NR > 1 { printf "%s ", $1 }')" "one two "
is "no unfinished file stays" "$(find . -maxdepth 1 -name "*belljar-export*" | wc -l)" 0

"$b" run -q -b two -- /bin/sh -c 'echo up; exec sleep 600' >up &
run=$!
for _ in $(seq 300); do grep -q up up && break; sleep 0.1; done
has "a box with a program is running" "$("$b" list | grep ^two)" running
fails "remove while it runs" 112 "$b" remove two
fails "snapshot while it runs" 112 "$b" snapshot two x
fails "export while it runs" 112 "$b" export two -o x.belljar
fails "a second run" 112 "$b" run -b two -- /bin/true
is "show while it runs" "$(status "$b" show two)" 0
kill -9 $run
wait $run 2>/dev/null
for _ in $(seq 100); do "$b" list | grep '^two' | grep -q 'at rest' && break; sleep 0.1; done
is "after kill -9 it can be removed" "$(status "$b" remove two)" 0
is "remove goes on after one that is not there" "$(status "$b" remove none one)" 111
is "all are gone" "$("$b" list --json | tr -d ' \n')" "[]"

status "$b" doctor --json >st
python3 -c 'import json; j=json.load(open("out")); assert len(j) > 15 and all(p["state"] in ("ok","weaker","missing") and p["found"] for p in j); assert all(p["remedy"] for p in j if p["state"] != "ok")' && ok "doctor --json has what was found and what to do" || bad "doctor --json has what was found and what to do" "$(cat out)"
is "doctor finds nothing missing where boxes run" "$(cat st)" 0

if [ "$(id -u)" = 0 ]; then # others cannot hide them
	bare() { env -u SSL_CERT_FILE unshare -m sh -c 'mount -t tmpfs none /etc/ssl/certs && exec "$@"' sh "$@"; }
	is "a machine without trusted certificates has boxes with a network still" \
		"$(bare "$b" run -q -- curl -sS -m 20 -o /dev/null -w '%{http_code}' http://vendor.example/ 2>&1)" 200
	is "and doctor says what is lost" "$(bare "$b" doctor | grep -c '^weaker *trusted certificates')" 1
fi
echo "1..$n"
