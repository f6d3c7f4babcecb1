#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 600
#
# examine - the protocol of experiments: what is done is on record as marks, what the box answers can
# be told from it, what was taken away is back, and the report says it
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"
examine() { "$BELLJAR" examine -q "$@" </dev/null; }

# ---- kinds of installers, and refusals -----------------------------------------------------------

mkdir in
printf 'no installer\n' >in/notes.txt
examine -b x in/notes.txt 2>err
equal "a file that is no installer is refused" "$? $(grep -c 'no installer of a known kind' err)" "2 1"
check "and leaves no box" test ! -e "$BELLJAR_HOME/boxes/x/journal.db"

# ---- a program whose parts guard each other ------------------------------------------------------

check "the specimen is packed" "$BELLJAR_SRC/specimen/pack" --build "$BELLJAR_BUILD" --with 4,5,6 \
	--answers answers -o in
examine -b twins --answers answers -o out in/taxclient_4-5-6.deb 2>err
equal "an examination that finds something ends with status 1" "$? $(cat err)" "1 "
check "each experiment has its begin and its end, once" recorded twins \
	"(SELECT count(*) FROM (SELECT experiment FROM mark WHERE experiment IS NOT NULL GROUP BY experiment
	  HAVING sum(step = 'begin') = 1 AND sum(step = 'end') = 1)) = 18"
check "the installer's process is the target of the install" recorded twins \
	"(SELECT count(*) FROM mark m JOIN process p ON p.proc = m.target AND p.op = 'exec' AND p.cause = 'install'
	  WHERE m.experiment = 'install' AND m.step = 'act') >= 1"
check "an act is on record before it is done: the killed die after their mark" recorded twins \
	"(SELECT count(*) FROM mark m WHERE m.experiment = 'kill' AND m.step = 'act' AND m.detail IS NULL AND EXISTS
	  (SELECT 1 FROM process p WHERE p.proc = m.target AND p.op = 'exit' AND p.seq < m.seq)) = 0"
check "whoever was killed died of it, by no signal from inside" recorded twins \
	"(SELECT count(*) FROM mark m WHERE m.experiment = 'kill' AND m.step = 'act' AND m.detail IS NULL) > 0 AND
	 (SELECT count(*) FROM mark m WHERE m.experiment = 'kill' AND m.step = 'act' AND m.detail IS NULL AND NOT EXISTS
	  (SELECT 1 FROM process p WHERE p.proc = m.target AND p.op = 'exit' AND p.signal = 9)) = 0"
check "each twin was started again by the other one" recorded twins \
	"(SELECT count(DISTINCT m.path) FROM mark m JOIN process p ON p.op = 'exec' AND p.image = m.path AND p.seq > m.seq AND p.cause IS NULL
	  WHERE m.experiment = 'kill' AND m.step = 'act' AND m.detail IS NULL AND m.path IN ('/opt/svm/svm', '/opt/svm/svmm')) = 2"
check "files were deleted, and are back: by the program, or by belljar" recorded twins \
	"(SELECT count(*) FROM mark WHERE experiment = 'delete' AND step = 'act' AND sha256 IS NOT NULL AND detail IS NULL) > 0 AND
	 (SELECT count(*) FROM mark WHERE experiment = 'delete' AND detail = 'put back') > 0"
check "what was put back has the bytes that it had" recorded twins \
	"(SELECT count(*) FROM mark p JOIN mark d ON d.path = p.path AND d.experiment = 'delete' AND d.detail IS NULL
	  WHERE p.experiment = 'delete' AND p.detail = 'put back' AND p.sha256 <> d.sha256) = 0"
check "nothing of ours ran in the box but for a cause that is on record" recorded twins \
	"(SELECT count(*) FROM process WHERE op = 'exec' AND cause IS NOT NULL AND cause NOT LIKE '% %' AND
	  cause NOT IN ('install', 'prepare', 'put-back', 'uninstall')) = 0"
check "its own time has gone by: a day left alone, and a month at the end" recorded twins \
	"(SELECT (SELECT t FROM mark WHERE experiment = 'idle' AND step = 'end') - t FROM mark WHERE experiment = 'idle'
	  AND step = 'begin') >= 86400000000000 AND
	 (SELECT (SELECT t FROM mark WHERE experiment = 'month-ahead' AND step = 'end') - t FROM mark WHERE
	  experiment = 'month-ahead' AND step = 'begin') >= 2592000000000000"
check "the network was cut: names were asked for and got no answer" recorded twins \
	"(SELECT count(*) FROM dns q JOIN mark b ON b.experiment = 'network-cut' AND b.step = 'act' AND b.run = q.run AND b.seq < q.seq
	  JOIN mark e ON e.experiment = 'network-cut' AND e.step = 'end' AND e.seq > q.seq WHERE q.op = 'answer') = 0"
check "what runs after the uninstall is left, grade R1" recorded twins \
	"(SELECT count(*) FROM residue WHERE experiment = 'look-3h' AND grade = 'R1' AND what = 'process' AND path LIKE '/opt/svm/%') > 0"
check "the package manager's own traces are explained" recorded twins \
	"(SELECT count(*) FROM residue WHERE path LIKE '/var/lib/dpkg/%' AND explained IS NULL) = 0"
check "the record is whole" "$BELLJAR" verify twins

page() { python3 - "$@" <<'P'
import json, sys
d = json.load(open("out/report.json"))["examination"]
keys = ["stays", "talks_to", "controlled_by", "defends_itself", "took_along", "ask_the_vendor"]
assert list(d["page"]) == keys, list(d["page"])
assert all(d["page"][k] for k in keys), "an empty answer"
rules = {f["rule"] for f in d["findings"] if f["grade"] in ("concern", "finding")}
for want in sys.argv[1:]:
    assert want in rules, (want, rules)
assert len(d["experiments"]) == 18 and all(e["ended"] for e in d["experiments"])
P
}
check "the report's page answers six questions, and names what the specimen does" \
	page revive-each-other restored-after-deletion survives-uninstall
check "in text they come first" \
	test "$(grep -cE '^(WHAT STAYS ON THE MACHINE|WHAT TO ASK THE VENDOR|FINDINGS|EXPERIMENTS)$' out/report.txt)" = 4
check "in HTML experiments are marked in the picture of their run" \
	grep -q '<title>kill-pair</title></rect>' out/report.html
check "the page loads nothing" test "$(grep -cE 'src=|href="http' out/report.html)" = 0
examine -b twins in/taxclient_4-5-6.deb 2>err
equal "a box with a record is not examined again by mistake" "$? $(grep -c -- --resume err)" "118 1"

# ---- one that does only what it says -------------------------------------------------------------

mkdir -p tar/product
cat >tar/product/install.sh <<'S'
#!/bin/sh
mkdir -p /opt/product && cp tool uninstall.sh /opt/product/ && chmod 755 /opt/product/*
S
printf '#!/bin/sh\necho works\n' >tar/product/tool
printf '#!/bin/sh\nrm -rf /opt/product\n' >tar/product/uninstall.sh
tar -C tar -czf in/product.tar.gz product
examine -b product --use '/opt/product/tool' -o quiet in/product.tar.gz 2>err
equal "an archive with an install script; nothing of concern: status 0" "$? $(head -c 300 err)" \
	"0 "
check "the uninstall script that it left was found" recorded product \
	"(SELECT count(*) FROM mark WHERE experiment = 'uninstall' AND detail = '/opt/product/uninstall.sh') = 1"
check "nothing of it is left" recorded product \
	"(SELECT count(*) FROM residue WHERE explained IS NULL AND path LIKE '/opt/product%') = 0"
check "the program was used" recorded product \
	"(SELECT count(*) FROM process WHERE op = 'exec' AND script = '/opt/product/tool') >= 1"

examine -b folder tar/product/ 2>err
equal "a folder is an archive" "$? $(cat err) $(sql folder "SELECT count(*) FROM change WHERE path = '/opt/product/tool' AND run = 2")" "0  1"

# ---- a package of npm's ---------------------------------------------------------------------------

if command -v npm >/dev/null; then
	mkdir package
	printf '{"name":"belltest","version":"1.0.0","bin":{"belltest":"cli.js"}}\n' >package/package.json
	printf '#!/usr/bin/env node\nconsole.log(1)\n' >package/cli.js
	tar -czf in/belltest-1.0.0.tgz package
	examine -b npm --use belltest in/belltest-1.0.0.tgz 2>err
	check "an npm package is installed by npm, used, and removed again" recorded npm \
		"(SELECT count(*) FROM process WHERE op = 'exec' AND cause IS NULL AND script LIKE '%/bin/belltest') > 0 AND
		 (SELECT count(*) FROM change WHERE op = 'added' AND path LIKE '%/node_modules/belltest/cli.js') = 1 AND
		 (SELECT count(*) FROM residue WHERE explained IS NULL AND path LIKE '%belltest%') = 0"
	mkdir package/node_modules
	touch package/node_modules/stays-out
	examine -b npm-folder package 2>err
	equal "a folder with a package.json is one of npm's as well" "$? $(cat err) $(sql npm-folder "SELECT count(*) FROM change
		WHERE op = 'added' AND (path LIKE '%/lib/node_modules/belltest/cli.js' OR path LIKE '%stays-out%') AND type = 'file'")" "0  1"
else # Debian's npm is three hundred packages, which is too much to ask of a machine for this
	echo "# no npm package is tried: there is no npm here"
fi

# ---- services, and a package that came along ----------------------------------------------------

package() { # NAME DEPENDS: a service of that name, which its prerm stops where systemd runs
	local d=deb-$1
	mkdir -p "$d/DEBIAN" "$d/usr/sbin" "$d/lib/systemd/system" "$d/etc/rc2.d"
	printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@x.test>\nDescription: test\n%s' \
		"$1" "${2:+Depends: $2
}" >"$d/DEBIAN/control"
	printf '#!/bin/sh\nif [ "$1" = remove ] && [ -d /run/systemd/system ]; then\n\tdeb-systemd-invoke stop %s.service\nfi\n' "$1" \
		>"$d/DEBIAN/prerm"
	printf '#!/bin/sh\n[ ! -x /usr/sbin/policy-rc.d ] || touch /etc/forbidden\necho "setting=1" >/etc/%s.conf\n%s' "$1" \
		"ln -s /dev/null /etc/systemd/system/$1-never.service" >"$d/DEBIAN/postinst"
	printf '#!/bin/sh\nwhile :; do sleep 100000; done\n' >"$d/usr/sbin/$1"
	chmod 755 "$d/DEBIAN/prerm" "$d/DEBIAN/postinst" "$d/usr/sbin/$1"
	printf '[Service]\nExecStart=/usr/sbin/%s\n[Install]\nWantedBy=multi-user.target\n' "$1" >"$d/lib/systemd/system/$1.service"
	mkdir -p "$d/etc/systemd/system/multi-user.target.wants"
	ln -s "/lib/systemd/system/$1.service" "$d/etc/systemd/system/multi-user.target.wants/"
	dpkg-deb --root-owner-group -b "$d" "in/$1.deb" >/dev/null
}
package bellmain bellalong
package bellalong
examine -b services -o served in/bellmain.deb -- in/bellalong.deb 2>err
equal "what an ordinary service leaves is nothing of concern" "$? $(head -c 300 err)" "0 "
check "it was started as a service manager would, and stopped as its package asks" recorded services \
	"(SELECT count(*) FROM process WHERE op = 'exec' AND script = '/usr/sbin/bellmain') > 0 AND
	 (SELECT count(*) FROM mark WHERE experiment = 'uninstall' AND path = '/usr/sbin/bellmain' AND
	  detail LIKE 'stopped as a service manager would%') = 1 AND
	 (SELECT count(*) FROM residue WHERE what = 'process' AND path = '/usr/sbin/bellmain') = 0"
check "a script that was killed is started again as one: by the name that it is known by" recorded services \
	"(SELECT count(*) FROM process WHERE op = 'exec' AND script = '/usr/sbin/bellmain' AND proc IN (SELECT proc FROM process WHERE cause = 'put-back')) > 0 AND
	 (SELECT count(*) FROM process WHERE op = 'exec' AND script IS NULL AND command_line LIKE '/bin/sh /usr/sbin/bellmain%') = 0"
check "a package that came along runs on, and that is explained" recorded services \
	"(SELECT count(DISTINCT experiment) FROM residue WHERE what = 'process' AND path = '/usr/sbin/bellalong' AND
	  explained LIKE 'part of the package bellalong,%') = 3"
check "so are its entries, and the settings that its script made" recorded services \
	"(SELECT count(*) FROM residue WHERE explained IS NULL AND path LIKE '%bellalong%') = 0 AND
	 (SELECT count(*) FROM residue WHERE path = '/etc/bellalong.conf') > 0"
check "what the removal forgot is not" recorded services \
	"(SELECT count(*) FROM residue WHERE explained IS NULL AND path = '/etc/bellmain.conf') > 0"
check "a masked unit that it forgot is left there, and starts nothing" recorded services \
	"(SELECT count(*) FROM residue WHERE path = '/etc/systemd/system/bellmain-never.service' AND what = 'added') > 0 AND
	 (SELECT count(*) FROM residue WHERE path = '/etc/systemd/system/bellmain-never.service' AND (what = 'autostart' OR grade = 'R1')) = 0"
check "the host's policy about services does not hold in the box" recorded services \
	"(SELECT count(*) FROM file WHERE path = '/etc/forbidden') = 0"
check "on the page the package that stays is named" grep -q 'still installed: bellalong' served/report.txt
check "belljar's own stand-in was run, and is told as nobody's program" recorded services \
	"EXISTS(SELECT 1 FROM process WHERE op = 'exec' AND image = '/usr/bin/systemctl' AND sha256 IS NOT NULL)"
"$BELLJAR" judge services --json >judged 2>&1
equal "no rule is about it" "$? $(grep -c '"subject":"/usr/bin/systemctl"' judged)" "0 0"

# ---- scripts that ask the service manager --------------------------------------------------------

cat >in/asks.run <<'S'
#!/bin/sh
set -e
mkdir -p /opt/asks
cat >/opt/asks/daemon <<'D'
#!/bin/sh
[ "$1" != deaf ] || trap '' TERM
(while :; do sleep 4000; done) &
while :; do sleep 5000; done
D
cat >/opt/asks/uninstall.sh <<'U'
#!/bin/sh
set -e
systemctl stop one
! systemctl is-active -q one
systemctl disable one.service
service two stop
systemctl disable --now deaf
rm -f /etc/systemd/system/*/two.service /etc/systemd/system/*/forgotten.service
rm -f /etc/systemd/system/*/slow.service /etc/systemd/system/slow.service
rm -f /etc/systemd/system/one.service /etc/systemd/system/two.service /etc/systemd/system/deaf.service
systemctl daemon-reload
rm -rf /opt/asks
U
chmod 755 /opt/asks/*
for u in one two deaf forgotten; do
	printf '[Service]\nExecStart=/opt/asks/daemon %s\n[Install]\nWantedBy=multi-user.target\n' $u >/etc/systemd/system/$u.service
done
systemctl daemon-reload
systemctl enable one two deaf forgotten
systemctl start one
systemctl is-active -q one
systemctl restart one
printf '[Service]\nType=oneshot\nExecStart=/usr/bin/sleep 20\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/slow.service
systemctl enable slow
systemctl start slow
S
examine -b asks -o asked in/asks.run 2>err
equal "an installer that calls the service manager succeeds" "$? $(cat err)" "0 "
check "of what runs on, the tool of the system that the daemon waits with is not held against it" recorded asks \
	"(SELECT group_concat(DISTINCT path || COALESCE(': ' || substr(explained, 1, 20), '')) FROM (SELECT * FROM residue WHERE
	  experiment = 'look-0' AND what = 'process' ORDER BY path)) = '/opt/asks/daemon,/usr/bin/sleep: a tool of the system'"
equal "what stands for the manager is counted apart, and is not a program that was brought and run" \
	"$(grep -c 'belljar itself brought or replaced' asked/report.txt) $(grep -cE '^ +- /usr/s?bin/(systemctl|service)' asked/report.txt)" "1 0"
check "its end is seen, while belljar waits for a service that it has asked for" recorded asks \
	"EXISTS(SELECT 1 FROM mark WHERE experiment = 'install' AND detail = 'ended with status 0') AND
	 (SELECT max(t) FROM mark WHERE experiment = 'install') < 600000000000"
check "who is asked to start is started, for whom is on record" recorded asks \
	"(SELECT count(*) FROM mark m JOIN process p ON p.proc = m.target2 AND p.op = 'exec' AND p.command_line IN
	  ('systemctl start one', 'systemctl restart one') WHERE m.experiment = 'install' AND
	  m.detail = 'started as a service manager would, for it was asked to start ''one''') = 2 AND
	 (SELECT count(*) FROM process p JOIN mark m ON m.experiment = 'install' WHERE p.op = 'exec' AND m.run = p.run AND
	  m.step = 'end' AND p.seq < m.seq AND p.command_line = '/bin/sh /opt/asks/daemon one') = 2"
check "so is who is asked to stop, with all that it started" recorded asks \
	"(SELECT count(DISTINCT m.target) FROM mark m JOIN process p ON p.proc = m.target2 AND p.op = 'exec' AND
	  p.command_line = 'systemctl stop one' WHERE m.experiment = 'uninstall' AND m.path = '/opt/asks/daemon' AND EXISTS
	  (SELECT 1 FROM process x WHERE x.proc = m.target AND x.op = 'exit' AND x.signal = 15 AND x.seq > m.seq)) = 2"
check "by service(8) as well" recorded asks \
	"(SELECT count(*) FROM mark m JOIN process p ON p.proc = m.target2 AND p.op = 'exec' AND p.command_line = 'service two stop'
	  WHERE m.experiment = 'uninstall' AND m.path = '/opt/asks/daemon') = 2"
check "whoever does not listen is killed a while later" recorded asks \
	"(SELECT count(*) FROM mark m JOIN process p ON p.proc = m.target2 AND p.op = 'exec' AND
	  p.command_line = 'systemctl disable --now deaf' JOIN process x ON x.proc = m.target AND x.op = 'exit' AND x.signal = 9
	  WHERE m.experiment = 'uninstall' AND x.t - m.t >= 30000000000) > 0"
check "the removal succeeded; of those nothing runs, starts or lies there" recorded asks \
	"(SELECT count(*) FROM mark WHERE experiment = 'uninstall' AND detail = 'ended with status 0') = 1 AND
	 (SELECT count(*) FROM residue WHERE detail LIKE '%daemon one%' OR detail LIKE '%daemon two%' OR detail LIKE '%daemon deaf%' OR
	  path LIKE '/etc/systemd/system/%one%') = 0"
check "whom nobody asked to stop runs on" recorded asks \
	"(SELECT count(*) FROM residue WHERE experiment = 'look-0' AND what = 'process' AND detail LIKE '%daemon forgotten') > 0"
check "what stands for the manager was there before the install" recorded asks \
	"(SELECT count(*) FROM residue WHERE path LIKE '%/systemctl%' OR path LIKE '%/sbin/service%') = 0 AND
	 (SELECT count(*) FROM change WHERE (path LIKE '%/bin/systemctl%' OR path LIKE '%/sbin/service%') AND (writer IS NOT 0 OR run > 1)) = 0 AND
	 (SELECT count(*) FROM autostart WHERE run = 1) = 0"

# ---- scripts that ask whether a service manager runs -----------------------------------------------

# by systemd's folder (sd_booted(3)): only then they leave a daemon that never ran to it
if [ -x /usr/lib/systemd/systemd ]; then
	mkdir -p deb-bellfails/DEBIAN deb-bellfails/etc/init.d deb-bellfails/lib/systemd/system
	printf 'Package: bellfails\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@x.test>\nDescription: test\n' >deb-bellfails/DEBIAN/control
	cat >deb-bellfails/DEBIAN/postinst <<'S'
#!/bin/sh
set -e
systemctl is-system-running
systemctl enable bellfails.service
systemctl start bellscript
{
	systemctl is-active bellscript
	! systemctl is-failed bellscript
	systemctl show -p LoadState --value bellfails.service
	systemctl show --property=SourcePath,LoadState bellscript
	systemctl show --value -pLoadState no-such
	systemctl is-enabled bellfails
} >/root/said
S
	cat >deb-bellfails/DEBIAN/prerm <<'S'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl stop bellfails.service bellscript.service
	systemctl disable bellfails.service
else
	/etc/init.d/bellfails stop
fi
S
	printf '#!/bin/sh\nrm -f /etc/rc?.d/[SK]??bellfails\n' >deb-bellfails/DEBIAN/postrm
	printf '#!/bin/sh\n### BEGIN INIT INFO\n# %s\n# %s\n# %s\n# %s\n# %s\n### END INIT INFO\nexit 255\n' 'Provides: bellfails' \
		'Required-Start:' 'Required-Stop:' 'Default-Start: 2 3 4 5' 'Default-Stop: 0 1 6' >deb-bellfails/etc/init.d/bellfails
	# as lsb's functions do it: who calls the script is sent to systemctl, which calls it again
	cat >deb-bellfails/etc/init.d/bellscript <<'S'
#!/bin/sh
[ "$(systemctl -p LoadState --value show bellscript)" = loaded ] || exit 5
systemctl show bellscript >/dev/null
[ -n "$SYSTEMCTL_SKIP_REDIRECT" ] || exec systemctl "$1" bellscript
case $1 in
start) sleep 1000000 & echo $! >/run/bellscript ;;
stop) [ ! -e /run/bellscript ] || kill "$(cat /run/bellscript)" ;;
status) kill -0 "$(cat /run/bellscript)" ;;
esac
S
	printf '[Service]\nExecStart=/etc/init.d/bellfails start\n[Install]\nWantedBy=multi-user.target\n' \
		>deb-bellfails/lib/systemd/system/bellfails.service
	chmod 755 deb-bellfails/DEBIAN/p* deb-bellfails/etc/init.d/*
	dpkg-deb --root-owner-group -b deb-bellfails in/bellfails.deb >/dev/null
	examine -b managed -o managed in/bellfails.deb 2>err
	equal "a package whose daemon never runs is installed and removed" \
		"$? $(cat err) $(grep -c 'DID NOT SUCCEED' managed/report.txt)" "0  0"
	equal "the page says that it did not run, and that nothing is left that starts by itself" \
		"$(grep -c 'A SERVICE OF IT DID NOT RUN: /etc/init.d/bellfails' managed/report.txt) $(tr -s ' \n' ' ' <managed/report.txt |
			grep -c 'Nothing that was set up to start by itself is still there') $(grep -c 'from now on' managed/report.txt)" "1 1 0"
	equal "what it is told about units is so" "$("$BELLJAR" run -q -b managed -- cat /root/said | tr '\n' ' ')" \
		"active active loaded LoadState=loaded SourcePath=/etc/init.d/bellscript not-found enabled "
	check "a service that is a script is started and stopped by it, and by nobody else" recorded managed \
		"(SELECT group_concat(DISTINCT replace(command_line, '/bin/sh /etc/init.d/bellscript ', '')) FROM (SELECT * FROM process
		  WHERE op = 'exec' AND script = '/etc/init.d/bellscript' ORDER BY seq)) = 'start,status,stop' AND
		 (SELECT count(*) FROM mark WHERE detail LIKE '%bellscript%') = 0"
fi

# ---- a program that wakes all the time -----------------------------------------------------------

cat >in/wakes.run <<'S'
#!/bin/sh
mkdir -p /opt/wakes
cat >/opt/wakes/daemon <<'D'
#!/bin/sh
end=$(($(date +%s) + 50000))
while [ "$(date +%s)" -lt $end ]; do sleep 0.2; done
D
printf '#!/bin/sh\nrm -r /opt/wakes\n' >/opt/wakes/uninstall.sh
chmod 755 /opt/wakes/*
/opt/wakes/daemon &
S
examine -b wakes -o wakes in/wakes.run 2>err
equal "a program that wakes five times a second is examined, with all its box time" "$? $(cat err)" "0 "
check "its day is gone over when patience ends, before the examination has to put the clock forward" recorded wakes \
	"EXISTS(SELECT 1 FROM clock WHERE cause = 'busy') AND
	 NOT EXISTS(SELECT 1 FROM mark WHERE experiment = 'idle' AND detail LIKE 'programs of the box work all the time%')"
check "and the page says how much of it went by at once" python3 - <<'P'
import json
e = json.load(open("wakes/report.json"))["examination"]["experiments"]
once = {x["name"]: x["at_once_ns"] for x in e}
assert once["idle"] > 40000e9 and once["look-3h"] == 0, once
text = open("wakes/report.txt").read()
assert "of which" in text and "went by at once" in text
P

# ---- guards: whom a supervisor starts again, and whom cron does ---------------------------------

cat >in/guarded.run <<'S'
#!/bin/sh
mkdir -p /opt/guarded
printf '#!/bin/sh\nwhile :; do /opt/guarded/worker; sleep 5; done\n' >/opt/guarded/boss
printf '#!/bin/sh\nwhile :; do sleep 5000; done\n' >/opt/guarded/worker
cp /opt/guarded/worker /opt/guarded/spare
cat >/opt/guarded/check <<'C'
#!/bin/sh
[ -e /opt/guarded/worker ] || cp -p /opt/guarded/spare /opt/guarded/worker
pgrep -f /opt/guarded/boss >/dev/null || setsid /opt/guarded/boss >/dev/null 2>&1 &
C
chmod 755 /opt/guarded/*
echo '* * * * * root /opt/guarded/check' >/etc/cron.d/guarded
setsid /opt/guarded/boss >/dev/null 2>&1 &
S
examine -b guarded -o guarded in/guarded.run 2>err
check "a worker is killed while its supervisor lives, which starts it again each time" recorded guarded \
	"(SELECT count(*) FROM mark m WHERE m.experiment = 'kill' AND m.step = 'act' AND m.detail IS NULL AND m.path = '/opt/guarded/worker') >= 2 AND
	 (SELECT count(*) FROM mark m WHERE m.experiment = 'kill' AND m.step = 'act' AND m.detail IS NULL AND m.path = '/opt/guarded/worker'
	  AND NOT EXISTS (SELECT 1 FROM process p JOIN process f ON f.proc = p.proc AND f.op = 'fork' JOIN process b ON b.proc = f.parent AND
	  b.script = '/opt/guarded/boss' WHERE p.op = 'exec' AND p.script = m.path AND p.seq > m.seq AND p.t - m.t < 10000000000)) = 0"
check "its supervisor, which nobody watches, is started again by belljar" recorded guarded \
	"(SELECT count(*) FROM mark WHERE experiment = 'kill' AND detail = 'started again' AND path = '/opt/guarded/boss') >= 2 AND
	 (SELECT count(*) FROM mark WHERE experiment = 'kill' AND detail = 'started again' AND path <> '/opt/guarded/boss') = 0"
equal "when all are killed cron runs, and the page says whom that brings back" \
	"$(tr -s ' \n' ' ' <guarded/report.txt | grep -o '/opt/guarded/boss was killed with all the rest, and what cron or a timer runs brought it back: /etc/cron.d/guarded' | wc -l)" 1
check "when a file is deleted cron runs as well, and what it restores nobody puts back" recorded guarded \
	"(SELECT count(*) FROM mark WHERE experiment = 'delete' AND path = '/opt/guarded/worker' AND detail IS NULL) = 1 AND
	 (SELECT count(*) FROM mark WHERE experiment = 'delete' AND path = '/opt/guarded/worker' AND detail = 'put back') = 0"
equal "the page says that it came back, and the rule that it was written and run again" \
	"$(tr -s ' \n' ' ' <guarded/report.txt | grep -c '/opt/guarded/worker was deleted 1 time and came back 1 time') $("$BELLJAR" judge guarded --json |
		grep -c 'restored-after-deletion.*/opt/guarded/worker\|/opt/guarded/worker.*restored-after-deletion')" "1 1"
check "a worker is not started beside the one that its supervisor starts" recorded guarded \
	"(SELECT count(*) FROM mark WHERE experiment = 'kill-pair' AND detail = 'started again' AND path = '/opt/guarded/worker') = 0"

# ---- removals that fail --------------------------------------------------------------------------

stubborn() { # NAME STOP: started by init.d; its removal fails unless the shell command STOP succeeds
	local d=deb-$1
	mkdir -p "$d/DEBIAN" "$d/usr/sbin" "$d/etc/init.d" "$d/etc/rc2.d"
	printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@x.test>\nDescription: test\n' "$1" >"$d/DEBIAN/control"
	printf '#!/bin/sh\n/etc/init.d/%s stop\n' "$1" >"$d/DEBIAN/prerm"
	printf '#!/bin/sh\necho $$ >/run/%s.pid\nwhile :; do sleep 100000; done\n' "$1" >"$d/usr/sbin/$1"
	printf '#!/bin/sh\ncase $1 in start) /usr/sbin/%s & ;; stop) %s ;; esac\n' "$1" "$2" >"$d/etc/init.d/$1"
	chmod 755 "$d/DEBIAN/prerm" "$d/usr/sbin/$1" "$d/etc/init.d/$1"
	ln -s "../init.d/$1" "$d/etc/rc2.d/S01$1"
	dpkg-deb --root-owner-group -b "$d" "in/$1.deb" >/dev/null
}
stubborn bellstuck '! kill -0 "$(cat /run/bellstuck.pid)"'
examine -b stuck --watch-scale 0.0001 -o stuck in/bellstuck.deb 2>err
equal "a removal that fails while the service runs is made again when that was stopped" "$? $(head -c 300 err)" "0 "
check "both attempts are on record, and why the second one was made" recorded stuck \
	"(SELECT group_concat(what, ' ') FROM (SELECT CASE WHEN detail LIKE 'stopped as %' THEN 'stopped' WHEN detail LIKE 'ended %'
	  THEN substr(detail, -1) ELSE 'command' END AS what FROM mark WHERE experiment = 'uninstall' AND step = 'act' AND
	  COALESCE(path, '') <> '/usr/bin/sleep' ORDER BY seq)) = 'command 1 stopped command 0' AND
	 (SELECT count(*) FROM residue WHERE what = 'process' AND path = '/usr/sbin/bellstuck') = 0"
equal "the page does not say that it failed" "$(grep -c 'DID NOT SUCCEED' stuck/report.txt)" 0
stubborn bellrefuses 'exit 3'
examine -b refuses --watch-scale 0.0001 -o refuses in/bellrefuses.deb 2>err
equal "one that fails for another reason has failed" \
	"$(sed -n '/^WHAT STAYS/{n;p;q}' refuses/report.txt | grep -c 'THE REMOVAL DID NOT SUCCEED: it ended with status 1')" 1

# ---- interrupted, and resumed --------------------------------------------------------------------

cat >in/slow.run <<'S'
#!/bin/sh
mkdir -p /opt/slow && touch /opt/slow/file
S
# to which half the signal comes makes no difference; nothing is left of either, and it can go on
slowly() { # [OPTION…]
	: >err # of the one before, which said the same
	# whoever started the tests may have a signal ignored (nohup), and so would this
	env --default-signal "$BELLJAR" examine -b slow --watch-scale 0.001 --days 20 "$@" in/slow.run -o partly </dev/null >/dev/null 2>err &
	pid=$!
	wait_for 60 idle_or_ended
}
idle_or_ended() { grep -q idle err || ! kill -0 "$pid"; }
left() { # PID…: those that live, and what is mounted of the box
	local p
	for p in "$@"; do ! kill -0 "$p" 2>/dev/null || echo "$p lives"; done
	grep -F "$BELLJAR_HOME" /proc/mounts
}
gone() { [ -z "$(left "$@")" ]; }
slowly
mapfile -t parts < <(pgrep -P $pid)
kill -TERM $pid # a terminal's signal would come to both; this one is for one alone
wait $pid
equal "a signal to the half that waits ends it in order, and there is a report" \
	"$? $(test -s partly/report.json && echo report) $(grep -c 'ended early (interrupted) in .idle' err)" "130 report 1"
equal "and leaves nothing" "$(left "${parts[@]}")" ""
check "what was under way has no end" recorded slow \
	"(SELECT group_concat(DISTINCT experiment) FROM mark m WHERE step = 'begin' AND NOT EXISTS
	  (SELECT 1 FROM mark e WHERE e.experiment = m.experiment AND e.step = 'end')) = 'idle'"
rm -rf partly
slowly --resume
mapfile -t parts < <(pgrep -P $pid)
kill -HUP "${parts[@]}"
wait $pid
equal "so does one to the half that acts" "$? $(test -s partly/report.json && echo report) $(left "${parts[@]}")" "130 report "
echo mine >partly/report.txt
slowly --resume
mapfile -t parts < <(pgrep -P $pid)
kill -KILL "${parts[@]}"
wait $pid
equal "when the half that acts is killed, the other one says so" "$? $(grep -c 'ended by signal 9.*--resume goes on' err)" "137 1"
check "and nothing is left" wait_for 20 gone "${parts[@]}"
slowly --resume
mapfile -t parts < <(pgrep -P $pid)
kill -KILL $pid
wait $pid 2>/dev/null
check "when the half that waits is killed, the other one ends" wait_for 60 gone "${parts[@]}"
check "and says in the record what was under way" recorded slow \
	"(SELECT detail FROM mark WHERE experiment = 'idle' ORDER BY seq DESC LIMIT 1) = 'interrupted'"
equal "a report that was not made again is as it was" "$(cat partly/report.txt)" "mine"
"$BELLJAR" examine --report no-such-box partly 2>err
equal "nor is one lost that cannot be made" "$? $(cat partly/report.txt) $(cd partly && echo .[a-z]* *)" \
	"111 mine .[a-z]* report.html report.json report.txt"
"$BELLJAR" examine --report no-such-box nowhere 2>err
check "and no folder is made for it" test ! -e nowhere
examine -b slow --resume --watch-scale 0.0002 --days 0.1 -o partly in/slow.run 2>err
check "it is resumed: nothing is installed twice, and all is done" recorded slow \
	"(SELECT count(*) FROM mark WHERE experiment = 'install' AND step = 'begin') = 1 AND
	 (SELECT count(*) FROM mark WHERE experiment = 'idle' AND step = 'end') = 1 AND
	 (SELECT count(*) FROM mark WHERE experiment = 'restart' AND step = 'end') = 1"
equal "and the report is the new one" "$(grep -c 'WHAT STAYS' partly/report.txt)" 1

# what belljar brings for it is there by then, and is not taken for the machine's own
: >err
env --default-signal "$BELLJAR" examine -b early --watch-scale 0.05 in/slow.run </dev/null >/dev/null 2>err &
pid=$!
wait_for 60 grep -q 'control' err
sleep 1
kill -TERM $pid
wait $pid
got=$?
examine -b early --resume --watch-scale 0.0002 --days 0.1 in/slow.run 2>err
equal "one that was interrupted in its control run goes on as well" "$got $? $(cat err)" "130 0 "
check "and the stand-in stands for the machine's own program, not for itself" recorded early \
	"(SELECT count(*) FROM mark WHERE experiment = 'install' AND step = 'end') = 1 AND
	 (SELECT count(*) FROM mark WHERE name = 'copied-in' AND detail LIKE '%/systemctl.of-this-machine') <= 1"

printf 'x' >full
"$BELLJAR" examine --report slow full 2>err
equal "a file is no folder for a report" "$? $(cat full) $(wc -l <err)" "117 x 1"

# what was taken away for an experiment is back also when that was interrupted
cat >in/held.run <<'S'
#!/bin/sh
mkdir -p /opt/held /etc/systemd/system/multi-user.target.wants
for unit in keeper watch; do
	printf '[Service]\nExecStart=/opt/held/%s\n' $unit >/etc/systemd/system/$unit.service
	ln -s ../$unit.service /etc/systemd/system/multi-user.target.wants/
done
printf '#!/bin/sh\nwhile :; do sleep 100000; done\n' >/opt/held/keeper
cat >/opt/held/watch <<'W'
#!/bin/sh
# as soon as one of them is missing it is busy, so that there is time to interrupt
while sleep 60; do
	for f in /opt/held/keeper /etc/systemd/system/multi-user.target.wants/keeper.service; do
		[ -e $f ] || [ -e $f-was-missed ] || { touch $f-was-missed; exec sh -c 'while :; do :; done' busy-BOX; }
	done
done
W
chmod 755 /opt/held/keeper /opt/held/watch
S
sed -i "s/busy-BOX/busy-as-one-is-missed-$$/" in/held.run
missed() { [ -n "$(with_mark busy-as-one-is-missed-$$)" ]; }
until_missed() { # BOX SIGNAL
	local p
	: >err
	env --default-signal "$BELLJAR" examine -b "$1" --resume --days 0.1 in/held.run </dev/null >/dev/null 2>err &
	pid=$!
	wait_for 60 missed
	if [ "$2" = INT ]; then
		kill -INT $pid
	else # the half that acts
		for p in $(pgrep -P $pid); do kill -KILL "$p"; done
	fi
	wait $pid
}
both_there() { # BOX: how many of the two that are missed are there, as it lies on disk
	"$BELLJAR" changes "$1" --json | python3 -c '
import json, sys
print(sum(c["op"] == "added" and c["path"] in ("/opt/held/keeper", "/etc/systemd/system/multi-user.target.wants/keeper.service")
	for c in json.load(sys.stdin)["files"]))'
}
interrupted=
for _ in delete autostart-off; do
	until_missed held INT
	interrupted+="$? $(sed -n "s/.*ended early (interrupted) in '\([a-z-]*\)'.*/\1/p" err) $(both_there held) "
done
equal "what was taken away is back when the experiment is interrupted" "$interrupted" "130 delete 2 130 autostart-off 2 "
check "and that is on record" recorded held \
	"(SELECT count(DISTINCT experiment) FROM mark WHERE detail = 'put back' AND path LIKE '%keeper%' AND
	  seq < (SELECT seq FROM mark i WHERE i.experiment = mark.experiment AND i.detail = 'interrupted')) = 2"

# … by kill -9: then the box's next run puts it back, whoever begins it
until_missed torn KILL
killed="$? $(both_there torn)"
"$BELLJAR" snapshot torn half
killed+=" $("$BELLJAR" run -q -b torn -- cat /opt/held/keeper | grep -c 'sleep 100000') $(both_there torn)"
until_missed torn KILL # in autostart-off
killed+=" $? $(both_there torn)"
examine -b torn --resume --watch-scale 0.0002 --days 0.1 -o torn in/held.run 2>err
equal "when whoever took it away is killed, the next run puts it back" "$killed $? $(both_there torn)" "137 1 1 2 137 1 0 2"
check "before a program starts in it, which is on record" recorded torn \
	"(SELECT group_concat(DISTINCT m.experiment) FROM mark m WHERE m.detail = 'put back' AND m.path LIKE '%/keeper%' AND
	  m.seq < (SELECT min(p.seq) FROM process p WHERE p.run = m.run)) = 'delete,autostart-off'"
check "so it starts with the machine as before" recorded torn \
	"(SELECT count(*) FROM mark b JOIN process p ON p.run = b.run AND p.seq > b.seq AND p.script = '/opt/held/keeper' AND p.cause LIKE '%keeper%'
	  WHERE b.name = 'restart') > 0"
check "and nothing of this is a mismatch" recorded torn "(SELECT count(*) FROM mismatch) = 0"
equal "nor did the file come back by itself, the report says" "$(grep -c 'keeper.*came back' torn/report.txt)" 0
until_missed undone KILL
"$BELLJAR" rollback undone before-install
"$BELLJAR" run -q -b undone -- true
equal "but not into a state from before" "$(both_there undone) $(sql undone "SELECT count(*) FROM mark WHERE detail LIKE '%put back%' AND path = '/opt/held/keeper'")" "0 0"

# a machine's date does not go back because its examination was interrupted, in order or by kill -9
cat >in/dated.run <<'S'
#!/bin/sh
mkdir -p /opt/dated /etc/systemd/system/multi-user.target.wants
printf '[Service]\nExecStart=/opt/dated/keeper\n' >/etc/systemd/system/dated.service
ln -s ../dated.service /etc/systemd/system/multi-user.target.wants/
cat >/opt/dated/keeper <<'K'
#!/bin/sh
began=$(date +%s)
while date +%s >>/opt/dated/dates; do
	sleep 3600
	[ "$(date +%s)" -gt $((began + 2592000)) ] || continue
	for i in 1 2; do # a month later it is busy, so that there is time to interrupt
		[ -e /opt/dated/$i ] || { touch /opt/dated/$i; exec sh -c 'while :; do :; done' busy-BOX; }
	done
done
K
chmod 755 /opt/dated/keeper
S
sed -i "s/busy-BOX/busy-a-month-ahead-$$/" in/dated.run
busy() { [ -n "$(with_mark busy-a-month-ahead-$$)" ]; }
interrupted=
for how in INT KILL; do
	# a shell's background job would not take SIGINT
	env --default-signal=INT "$BELLJAR" examine -q -b dated --resume in/dated.run </dev/null >/dev/null 2>err &
	pid=$!
	wait_for 60 busy
	[ $how = KILL ] || kill -INT $pid
	for p in $(pgrep -P $pid); do kill -$how "$p"; done
	wait $pid
	interrupted+="$? "
done
examine -b dated --resume in/dated.run >/dev/null 2>err
equal "it is interrupted in order, by kill -9, and comes to its end" "$interrupted$?" "130 137 0"
"$BELLJAR" run -q -b dated -- cat /opt/dated/dates >dates
check "the date of its box never went back" sort -n -c dates
equal "and each month that went by counts" "$(($(tail -n 1 dates) - $(head -n 1 dates) > 3 * 2592000))" 1

# an installer that asks is answered by what stands on standard input, and only it is
cat >in/asks.sh <<'S'
#!/bin/sh
mkdir -p /opt/asks
read -r first && read -r second && echo "$first, $second" >/opt/asks/answers
printf '#!/bin/sh\nread -r third\necho "uninstall: $third" >/root/rest\n' >/opt/asks/uninstall.sh
chmod 755 /opt/asks/uninstall.sh
S
asked() { # BOX OPTION…: what the installer and the uninstall were told, standard input handed on
	local box=$1
	shift
	"$BELLJAR" examine -q -b "$box" --watch-scale 0.0002 --days 0.1 "$@" in/asks.sh 2>err
	"$BELLJAR" run -q -b "$box" -- sh -c 'cat /opt/asks/answers /root/rest 2>&1 | tr "\n" ";"' </dev/null
}
equal "who asks is answered from a pipe, and the uninstall is not" "$(yes | asked piped)" "y, y;uninstall: ;"
printf 'one\ntwo\nthree\n' >answers.txt
equal "from a file, in both machines" "$(asked both --two-identities <answers.txt) $("$BELLJAR" run -q -b both-2 -- cat /opt/asks/answers)" \
	"one, two;uninstall: ; one, two"
equal "nobody is when it is /dev/null, or closed" "$(asked mute </dev/null | grep -c 'No such file') $(asked closed <&- | grep -c 'No such file')" "1 1"

# an installer that fails must not look like a clean program
printf '#!/bin/sh\necho "no licence"\nexit 3\n' >in/fails.sh
"$BELLJAR" examine -q -b fails -o failed in/fails.sh </dev/null 2>err
equal "it is said when the installer did not succeed, and why it says so" "$? $(cat err)" \
	"126 belljar: the installer did not succeed: it ended with status 3; it printed last: no licence"
equal "and on the report's page before all else" \
	"$(sed -n '/^WHAT STAYS/{n;p;q}' failed/report.txt | grep -c 'THE INSTALLER DID NOT SUCCEED: it ended with status 3; it printed last: no licence')" 1
