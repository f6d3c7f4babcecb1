#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What does things by the clock, in a box with time-lapse: cron, anacron, at, logrotate and
# systemd-tmpfiles as Debian has them. What should happen in days of the box's time must happen
# exactly as often, and with the box's dates.
# users: root range single
# timeout: 1800
. "$BELLJAR_SRC/tests/lib/tap.sh"
. "$BELLJAR_SRC/tests/lib/packages.sh"
cache=${BELLJAR_DEBS:-$TMPDIR/debs}
mkdir -p "$cache"

# PACKAGE SCRIPT: in a box in which a day has gone by and the package was installed then
in_box() {
	within 600 "$BELLJAR" run -q --net off --speed lapse --ro "$cache/$1:/debs" -- sh -c "
		sleep 86400; export DEBIAN_FRONTEND=noninteractive
		dpkg -i --force-depends /debs/*.deb >/root/said 2>&1 || tail -n 3 /root/said
		cd /root; $2"
}
with() { # PACKAGE WORDS: it can be had
	command -v apt-get >/dev/null || { skip "$2" "this is no Debian"; return 1; }
	! has "$1" || { skip "$2" "this machine has $1"; return 1; }
	(fetch "$1") >"$TMPDIR/log" 2>&1 || { skip "$2" "it cannot be downloaded: $(tail -n 1 "$TMPDIR/log")"; return 1; }
}

words="cron: three days of a job each ten minutes, each hour and each day: each as often as it should, at its minute"
with cron "$words" && equal "$words" "$(in_box cron '
	echo "*/10 * * * * root date \"+\\%F \\%R\" >>/root/ten
17 * * * * root date \"+\\%F \\%R\" >>/root/hour
30 2 * * * root date \"+\\%F \\%R\" >>/root/day" >/etc/cron.d/t
	cron
	for i in $(seq 72); do sleep 3600; done
	for f in ten hour day; do echo $f $(wc -l <$f) $(cut -d: -f2 $f | sort -u) $(uniq -d $f); done')" "ten 432 00 10 20 30 40 50
hour 72 17
day 3 30"

words="at: jobs in three hours, two days and a week run then, in a shell of their own"
with at "$words" && equal "$words" "$(in_box at '
	began=$(date +%s); atd
	for t in "3 hours" "2 days" "1 week"; do echo "echo \$(((\$(date +%s) - $began + 60) / 3600)) >>/root/done" | at now + $t 2>/dev/null; done
	sleep 691200; cat done')" "3
48
168"

words="anacron: ten days of a daily and a weekly job"
with anacron "$words" && equal "$words" "$(in_box anacron '
	printf "1 5 d date +%%s >>/root/day\n7 9 w date +%%s >>/root/week\n" | sed "s/%/%/g" >/etc/anacrontab
	for i in $(seq 10); do anacron -d -s 2>/dev/null; sleep 86400; done
	echo $(wc -l <day) $(wc -l <week) $((($(tail -n 1 day) - $(head -n 1 day)) / 86400))')" "10 2 9"

words="logrotate: a week of daily rotation leaves a file for each day, dated by it, with what was written then"
with logrotate "$words" && equal "$words" "$(in_box logrotate '
	mkdir log; printf "/root/log/a {\n daily\n rotate 9\n dateext\n dateyesterday\n create\n}\n" >t.conf; chmod 644 t.conf
	touch log/a; logrotate -s /root/state t.conf
	sleep $((86400 - $(date +%s) % 86400 + 60))
	for d in 1 2 3 4 5 6 7; do
		for h in 1 2 3 4 5 6; do date +%Y%m%d >>log/a; sleep 14400; done
		logrotate -s /root/state t.conf
	done
	for f in log/a-*; do echo $(sort $f | uniq -c) ${f#*-}; done | while read n said named; do [ $said = $named ] && echo $n; done')" "6
6
6
6
6
6
6"

words="systemd-tmpfiles: what is older than two days goes, and not before"
if command -v systemd-tmpfiles >/dev/null; then
	equal "$words" "$(within 200 "$BELLJAR" run -q --net off --speed lapse -- sh -c 'cd; mkdir /tmp/t
		echo "d /tmp/t 1777 root root 2d" >t.conf; touch /tmp/t/a; sleep 86400; touch /tmp/t/b
		for i in 1 2 3; do systemd-tmpfiles --clean $PWD/t.conf; echo $(ls /tmp/t); sleep 90000; done')" "a b
b"
else
	skip "$words" "no systemd-tmpfiles here"
fi

words="what dpkg and apt-get write down of an installation has the box's date"
with logrotate "$words" && equal "$words" "$(in_box logrotate '
	cut -c 1-10 /var/log/dpkg.log | sort -u | grep -c "^$(date +%F)"
	cd /tmp && touch new && find /var/lib/dpkg/status -newer /bin/sh -mmin -5 | wc -l')" "1
1"

echo "1..$n"
exit $failed
