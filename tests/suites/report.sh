#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
#
# report - events, report and verify as commands: exit statuses, one sentence, files whole or not at
# all, no colours where nobody asked
set -u
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { n=$((n + 1)); echo "$2" | sed 's/^/# /'; echo "not ok $n - $1"; }
holds() { # WORDS COMMAND…
	local words=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$words"; else bad "$words" "$out"; fi
}
fails() { # STATUS WORDS COMMAND…: with this status and one line on stderr, nothing on stdout
	local want=$1 words=$2 status lines
	shift 2
	"$@" >out.txt 2>err.txt </dev/null
	status=$?
	lines=$(wc -l <err.txt)
	if [ $status = "$want" ] && [ "$lines" = 1 ] && [ ! -s out.txt ]; then
		ok "$words: status $want and one sentence"
	else
		bad "$words: status $want and one sentence" "status $status; $(cat err.txt out.txt | head -5)"
	fi
}

mkdir j && "$BELLJAR_BUILD/tests/report/report_story" j hostile || bad "a journal can be made" "story"
J=j/journal.db

for sub in events report verify; do
	fails 111 "$sub of a box that is not there" "$BELLJAR" $sub no-such-box
	fails 111 "$sub of a file that is not there" "$BELLJAR" $sub ./no/such/journal.db
	fails 116 "$sub of a name that no box can have" "$BELLJAR" $sub $'a\nb'
	head -c 5000 /dev/urandom >rubbish.db
	fails 114 "$sub of a file that is no journal" "$BELLJAR" $sub ./rubbish.db
done
for sub in events report; do
	fails 2 "$sub without a name" "$BELLJAR" $sub
done
# shellcheck disable=SC2086 # several words on purpose
for args in "--kind nonsense" "--pid x" "--pid 0" "--seq 9-3" "--seq -" "--since yesterday" "--until 12:61" \
	"--run 0" "--kind file --sql SELECT"; do
	fails 2 "events $args" "$BELLJAR" events $args $J
done
# shellcheck disable=SC2086
for args in "--format pdf" "--rows 0" "--run x"; do
	fails 2 "report $args" "$BELLJAR" report $args $J
done
fails 111 "report of a run that is not there" "$BELLJAR" report --run 77 $J
fails 2 "events --sql that writes" "$BELLJAR" events $J --sql "DELETE FROM file"
fails 117 "report -o into a folder that is not there" "$BELLJAR" report $J -o no/such/folder/x.html
mkdir folder
fails 117 "report -o onto a folder" "$BELLJAR" report $J -o folder
[ -z "$(ls -A folder)" ] && ok "nothing is left in that folder" || bad "nothing is left in that folder" "$(ls -A folder)"

# a file is whole or stays as it was
echo before >keep.html
fails 111 "report -o of no box" "$BELLJAR" report no-such-box -o keep.html
[ "$(cat keep.html)" = before ] && ok "the file that was there stays as it was" || bad "the file that was there stays as it was" "$(head -c 200 keep.html)"
holds "report -o replaces it when it succeeds" "$BELLJAR" report --html $J -o keep.html
[ "$(head -1 keep.html)" = "<!DOCTYPE html>" ] && [ "$(tail -1 keep.html)" = "</html>" ] && ok "by a whole page" || bad "by a whole page" "$(head -c 200 keep.html)"
"$BELLJAR" report --html $J >stdout.html
cmp -s keep.html stdout.html && ok "the same bytes as on stdout" || bad "the same bytes as on stdout" "they differ"
[ -z "$(find . -name '.belljar-report*')" ] && ok "no temporary file is left" || bad "no temporary file is left" "$(find .)"
holds "report -o to a device" "$BELLJAR" report $J -o /dev/null
"$BELLJAR" report $J >/dev/full 2>err.txt
[ $? = 115 ] && [ "$(wc -l <err.txt)" = 1 ] && ok "a full disk gives status 115 and one sentence" || bad "a full disk gives status 115 and one sentence" "$(cat err.txt)"

# colours: on a terminal only, and not with NO_COLOR
esc=$(printf '\033')
"$BELLJAR" report $J | grep -q "$esc" && bad "no colour into a pipe" "" || ok "no colour into a pipe"
if command -v script >/dev/null; then
	script -qec "$BELLJAR events $J --kind socket" /dev/null | grep -q "$esc\[" && ok "colour on a terminal" || bad "colour on a terminal" ""
	NO_COLOR=1 script -qec "$BELLJAR events $J --kind socket" /dev/null | grep -q "$esc\[" && bad "none with NO_COLOR" "" || ok "none with NO_COLOR"
fi

# filters
count() { "$BELLJAR" events $J --json "$@" | wc -l; }
total=$(count)
same() { [ "$2" = "$3" ] && ok "$1" || bad "$1" "$2 is not $3"; }
same "all kinds one by one are all events" "$total" "$(sed -n 's/^KIND [0-9]* [A-Z_]* //p' "$BELLJAR_SRC/tests/journal/numbers.txt" |
	while read -r k; do count --kind "$k"; done | awk '{ n += $1 } END { print n }')"
same "--seq A-B" "$(count --seq 10-19)" 10
same "--seq A- and -B share one event" "$(($(count --seq -50) + $(count --seq 50-)))" "$((total + 1))"
same "--since the start is everything" "$(count --since 0)" "$total"
same "--until and --since meet" "$(($(count --until 0.9999999s) + $(count --since 1000ms)))" "$total"
same "wall time and time since the start agree" "$(count --since 19:24:02.123456789)" "$(count --since 1s)"
same "a date is as good as a time of day" "$(count --since 2026-11-23T20:24:02.123456789+01:00)" "$(count --since 1s)"
same "--sql counts the same" "$("$BELLJAR" events $J --json --sql 'SELECT count(*) AS n FROM events')" "{\"n\":$total}"

# verify
holds "verify finds an untouched journal whole" "$BELLJAR" verify $J
"$BELLJAR" verify --json $J | grep -q '"ok":true' && ok "and says so in JSON" || bad "and says so in JSON" ""
cp -r j touched
printf 'formXX' | dd of=touched/journal.db bs=1 conv=notrunc status=none \
	seek="$(grep -obUa form07 touched/journal.db | head -1 | cut -d: -f1)"
"$BELLJAR" verify touched/journal.db >out.txt 2>&1
same "one changed name: status 1" $? 1
[ "$(wc -l <out.txt)" = 1 ] && ok "and one sentence" || bad "and one sentence" "$(cat out.txt)"

# an examination's first page: what stays by name, whom it asked for names, what still ran and when
cat >exam.txt <<'R'
process proc=1 op=exec pid=2 image=/usr/bin/dpkg cause=install
mark t=1 name=experiment experiment=install step=begin
mark t=1 name=experiment experiment=install step=act target=1 path=/root/Downloads/names.deb
process proc=1 t=2 op=exit pid=2 exit_status=0
mark t=2 name=experiment experiment=install step=end
autostart op=added class=systemd-system place=/usr/lib/systemd/system/namesd.service name=namesd.service program=/usr/sbin/namesd
autostart op=started class=systemd-system place=/usr/lib/systemd/system/namesd.service name=namesd.service program=/usr/sbin/namesd
autostart op=added class=systemd-system place=/usr/lib/systemd/system/agent.service name=agent.service program=/usr/sbin/agent
autostart op=added class=systemd-system place=/usr/lib/systemd/system/each@.service name=each@.service program=/usr/sbin/each
autostart op=added class=systemd-system place=/usr/lib/systemd/system/alias.service name=alias.service program=/usr/sbin/namesd
mark t=2 name=experiment experiment=restart step=begin
mark t=3 name=experiment experiment=restart step=end
process proc=5 t=3 op=exec pid=5 image=/usr/sbin/namesd cause='systemd-system /etc/systemd/system/namesd.service:namesd.service'
flow proc=5 t=4 op=begin flow=1 protocol=udp dst=198.51.100.4 dst_port=53 answer=allowed reason='asks for names: the box resolver answers'
dns proc=5 t=4 op=query flow=1 name=. type=NS
flow proc=5 t=5 op=begin flow=2 protocol=udp dst=10.0.2.3 dst_port=53 answer=allowed reason='asks for names: the box resolver answers'
dns proc=5 t=5 op=query flow=2 name=only.asked.test. type=A
dns proc=5 t=6 op=query flow=2 name=only.asked.test. type=A
dns proc=5 t=6 op=query flow=2 name=vendor.test. type=A
dns proc=5 t=6 op=query flow=2 name=thishost type=A
flow proc=5 t=7 op=begin flow=3 protocol=tcp dst=240.0.0.1 dst_port=443 name=vendor.test answer=sinkhole
mark t=10 name=experiment experiment=uninstall step=begin
mark t=11 name=experiment experiment=uninstall step=end
mark t=12 name=experiment experiment=look-0 step=begin
mark t=13 name=experiment experiment=look-0 step=look
residue t=13 experiment=look-0 grade=R4 what=added path=/var/cache/names/cache
residue t=13 experiment=look-0 grade=R4 what=changed path=/etc/shared.conf
residue t=13 experiment=look-0 grade=R4 what=removed path=/etc/gone.conf
residue t=13 experiment=look-0 grade=R6 what=added path=/var/log/dpkg.log explained='the log of dpkg'
mark t=14 name=experiment experiment=look-0 step=end
R
mkdir exam && "$BELLJAR_BUILD/tests/judge/journal_of" exam . <exam.txt || bad "a record of an examination can be made" "$?"
"$BELLJAR" report exam/journal.db >page.txt 2>&1
page=$(tr -s ' \n' ' ' <page.txt)
says() { # WORDS TEXT
	case $page in *"$2"*) ok "$1" ;; *) bad "$1" "$(head -n 40 page.txt)" ;; esac
}
says "a name server of its own choice is somebody whom it talks to, and was not reached" \
	"Name servers of its own choice, in whose place the box's own answered, and how often: 198.51.100.4 (1) [#"
says "a name that was only asked for is told, not one that a connection followed, and none without a dot" \
	"without a connection there: only.asked.test (2) [#"
says "what it leaves has a name; a file that was there before is told from one that it brought" \
	"leaves: /var/cache/names/cache, /etc/shared.conf (was there, has changed) [#"
says "a service that nothing started is told, as what it does is not on record" \
	"so that what they do is not on record: /usr/lib/systemd/system/agent.service [#"
"$BELLJAR" report $J >page.txt
case $(cat page.txt) in *"WHO IT TALKS TO"*) bad "no such page without an examination" ;; *) ok "no such page without an examination" ;; esac
exit 0
