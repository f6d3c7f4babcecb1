#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 300
#
# restart - what a box's programs arranged to be started is listed when they do it, and started by
# `belljar restart`, with the right user, order and cause, and nothing else is
set -u
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { n=$((n + 1)); echo "${2:-}" | sed 's/^/# /'; echo "not ok $n - $1"; }
holds() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got: $2
wanted: $3"; fi; }
has() { if grep -qF -- "$3" <<<"$2"; then ok "$1"; else bad "$1" "'$3' is not in:
$2"; fi; }
hasnt() { if grep -qF -- "$3" <<<"$2"; then bad "$1" "'$3' is in:
$2"; else ok "$1"; fi; }

cat >setup.sh <<'SETUP'
set -e
mkdir -p /opt/acme /etc/systemd/system/multi-user.target.wants /etc/systemd/system/timers.target.wants \
	/etc/rc2.d /etc/cron.d /root/.config/autostart
useradd -m -s /bin/sh eve
cat >/opt/acme/agent <<'A'
#!/bin/sh
echo "$1 $(id -u) $PWD" >>/opt/acme/log
[ "$1" != unit ] || { echo $$ >/opt/acme/pid; exec sleep 300; }
A
chmod 755 /opt/acme/agent
install -m 666 /dev/null /opt/acme/log
chmod 777 /opt/acme
unit() { printf '%s\n' "$2" >/etc/systemd/system/$1; }
unit acme.service "[Service]
User=eve
WorkingDirectory=/tmp
RuntimeDirectory=acme
ExecStartPre=+/opt/acme/agent pre
ExecStart=/opt/acme/agent unit"
ln -s /etc/systemd/system/acme.service /etc/systemd/system/multi-user.target.wants/
unit job.service "[Service]
Type=oneshot
ExecStart=/opt/acme/agent timer"
unit job.timer "[Timer]
OnBootSec=2h"
ln -s ../job.timer /etc/systemd/system/timers.target.wants/job.timer
unit off.service "[Service]
ExecStart=/opt/acme/agent disabled"
unit masked.service ""
ln -sf /dev/null /etc/systemd/system/masked.service
ln -s ../masked.service /etc/systemd/system/multi-user.target.wants/masked.service
unit missing.service "[Service]
ExecStart=/opt/acme/no-such-program"
ln -s ../missing.service /etc/systemd/system/multi-user.target.wants/
unit fails.service "[Service]
ExecStartPre=/bin/false
ExecStart=/opt/acme/agent never"
ln -s ../fails.service /etc/systemd/system/multi-user.target.wants/
printf '#!/bin/sh\n/opt/acme/agent "initd-$1"\n' >/etc/init.d/acmed
chmod 755 /etc/init.d/acmed
ln -s ../init.d/acmed /etc/rc2.d/S03acmed
printf '#!/bin/sh\n/opt/acme/agent rc.local\n' >/etc/rc.local
chmod 755 /etc/rc.local
printf '@reboot eve /opt/acme/agent reboot\n# @reboot root /opt/acme/agent comment\n' >/etc/cron.d/acme
printf '/opt/acme/agent profile\n' >/root/.bash_profile
printf '[Desktop Entry]\nType=Application\nExec=/opt/acme/agent desktop %%u\n' >/home/eve/acme.desktop
install -d -o eve /home/eve/.config /home/eve/.config/autostart
mv /home/eve/acme.desktop /home/eve/.config/autostart/
SETUP
if ! "$BELLJAR" run -q -b b -- sh -c "$(cat setup.sh)" >out 2>&1; then
	bad "a program can arrange to be started in many places" "$(cat out)"
	exit 0
fi
ok "a program can arrange to be started in many places"

added=$("$BELLJAR" events b --kind autostart --json)
for place in /etc/systemd/system/acme.service /etc/systemd/system/multi-user.target.wants/acme.service \
	/etc/systemd/system/job.timer /etc/rc.local /etc/init.d/acmed /etc/cron.d/acme \
	/root/.bash_profile /home/eve/.config/autostart/acme.desktop /etc/passwd; do
	has "the entry in $place is on record" "$added" "\"place\":\"$place\""
done
hasnt "a file that is no entry is not taken for one" "$added" '"place":"/opt/acme/log"'

list=$("$BELLJAR" restart b --wait 4 2>err)
status=$?
holds "restart ends with status 0" "$status $(grep -v 'still ran and ended' err)" "0 "
log=$("$BELLJAR" run -q -b b -- cat /opt/acme/log </dev/null)
eve=$("$BELLJAR" run -q -b b -- id -u eve </dev/null)
holds "each entry starts once, as its user, in its folder, in the order of a boot" "$(echo "$log" | sort)" \
	"$(sort <<WANT
pre 0 /tmp
unit $eve /tmp
initd-start 0 /
rc.local 0 /
reboot $eve /home/eve
timer 0 /
profile 0 /root
desktop $eve /home/eve
WANT
)"
holds "ExecStartPre comes first and timers come after the boot" \
	"$(awk '{print $1}' <<<"$log" | grep -nE '^(pre|timer)$' | tr '\n' ' ')" \
	"1:pre $(awk '{print $1}' <<<"$log" | grep -n '^timer$') "
has "what lives on is told" "$list" "acme.service (/etc/systemd/system/acme.service): still ran"
has "what ended is told with its status" "$list" "S03acmed (/etc/rc2.d/S03acmed): ended with status 0"
has "what cannot be started is told with the reason" "$list" "no-such-program"
has "a unit whose step failed does not start, and why is told" "$list" "'fails.service ExecStartPre' failed"
for what in disabled masked comment never; do
	hasnt "what is $what does not start" "$list$log" "$what"
done

started=$("$BELLJAR" events b --kind autostart --run 2 --json)
has "a start is an event with its entry" "$started" '"op":"started","class":"init.d","place":"/etc/rc2.d/S03acmed"'
cause=$("$BELLJAR" events b --sql "SELECT DISTINCT cause FROM process WHERE run = 2 AND cause IS NOT NULL AND op = 'exec'")
has "a process that restart started has the entry as its cause" "$cause" "cron /etc/cron.d/acme:@reboot eve"
has "the restart is a mark in the record" "$("$BELLJAR" events b --kind mark --run 2)" restart

# what is not the box's own is left alone: a fresh box starts nothing
"$BELLJAR" run -q -b fresh -- true </dev/null >/dev/null 2>&1
holds "a box that changed nothing starts nothing" "$("$BELLJAR" restart fresh --wait 1 2>&1)" \
	"nothing in this box starts by itself"

# busy, unknown, bad arguments
"$BELLJAR" run -q -b b -- sh -c 'echo up; exec sleep 600' </dev/null >up 2>&1 &
pid=$!
for _ in $(seq 200); do
	grep -q up up && break
	sleep 0.1
done
"$BELLJAR" restart b --wait 0 >/dev/null 2>err
status=$?
holds "a box in which a program runs is refused with status 112" "$status" 112
kill $pid 2>/dev/null
wait $pid 2>/dev/null
"$BELLJAR" restart no-such-box >/dev/null 2>err
holds "an unknown box is refused with status 111" "$?" 111
"$BELLJAR" restart b --wait soon >/dev/null 2>err
holds "a duration that is none is refused with status 2" "$?" 2
"$BELLJAR" restart b --stay --time 2 >/dev/null 2>err
holds "--time ends a restart that stays with status 124" "$?" 124
"$BELLJAR" verify b >/dev/null 2>err
holds "the record of all of it is whole" "$?" 0
