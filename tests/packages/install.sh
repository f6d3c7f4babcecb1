#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real packages, installed and purged in a box by the package manager itself: what their scripts
# make (users, units, cron files, set-id files) is in the list of changes, and gone after the purge;
# in between the box is restarted, and the package's service must come up and stay up.
#
# BELLJAR_TEST_ALL=1 takes the long list, `install.sh PACKAGE…` some of it. BELLJAR_DEBS can name a
# folder that keeps the downloads.
# users: root range single
# timeout: 3600
# shellcheck disable=SC2317 # functions are called by names in variables
. "$BELLJAR_SRC/tests/lib/tap.sh"
. "$BELLJAR_SRC/tests/lib/packages.sh"
b=$BELLJAR
cache=${BELLJAR_DEBS:-$TMPDIR/debs}
# npm and apt outside of the box use a home of ours
export HOME=$TMPDIR/home
mkdir -p "$cache" "$HOME"

# package | words that must be in the list of changes, after the installation | what must run after a
# restart, as its image (chronyd does not: it wants power over the clock) | and the port where it waits
table='cron|/usr/bin/crontab cron.service crontab|/usr/sbin/cron
monit|monit /etc/monit/monitrc|/usr/bin/monit
redis-server|redis-server.service redis|/usr/bin/redis-check-rdb|6379'
long='at|atd.service /usr/bin/at|/usr/sbin/atd
nginx-light|nginx.service /etc/nginx|/usr/sbin/nginx|80
mariadb-server|mariadb.service mysql|/usr/sbin/mariadbd|3306
openssh-server|ssh.service sshd|/usr/sbin/sshd|22
postgresql|postgresql.service postgres|/usr/lib/postgresql/15/bin/postgres|5432
supervisor|supervisor.service|/usr/bin/supervisord
chrony|chrony.service _chrony|
exim4-daemon-light|exim4 Debian-exim|/usr/sbin/exim4|25
cups|cups.service lpadmin|/usr/sbin/cupsd|631'
[ "${BELLJAR_TEST_ALL:-}" != 1 ] && [ $# = 0 ] || table="$table
$long"

installed() { # BOX PACKAGE
	"$b" run -q -b "$1" -- dpkg -s "$2" 2>&1 | grep -qx 'Status: install ok installed'
}

# The program that the restart started, or a child of it that is the same program, still runs when
# the box ends, and waits where it should.
comes_up() { # BOX IMAGE [PORT]
	local here="run=(SELECT max(run) FROM run_begin)"
	if ! recorded "$1" "EXISTS(WITH RECURSIVE up(proc) AS (SELECT proc FROM process WHERE $here AND op='exit'
		AND signal=9 AND seq>(SELECT max(seq) FROM mark)
		UNION SELECT f.parent FROM up JOIN process f ON f.proc=up.proc AND f.op='fork' WHERE NOT
			EXISTS(SELECT 1 FROM process e WHERE e.proc=up.proc AND e.op='exec'))
		SELECT 1 FROM up JOIN process e USING(proc) WHERE e.op='exec' AND '$2' IN (e.image, e.script))"; then
		cat "$TMPDIR/restart"
		return 1
	fi
	[ -z "${3:-}" ] || recorded "$1" "EXISTS(SELECT 1 FROM socket WHERE $here AND op='listen' AND port=$3)"
}

in_box='export DEBIAN_FRONTEND=noninteractive;'
install_one() { # PACKAGE HOW WORDS IMAGE PORT
	local package=$1 how=$2 box=p-$1-$2 word command purge names
	purge=$(tr '\n' ' ' <"$cache/$package/.purge")
	names=$(tr '\n' ' ' <"$cache/$package/.names")
	case $how in
	# forced: in one go dpkg takes the files by name, whichever of them needs which before
	dpkg) command="exec dpkg -i --force-depends /debs/*.deb" ;;
	apt) command="cp /debs/*.deb /var/cache/apt/archives/ &&
		apt-get -y --no-download --no-install-recommends install $package" ;;
	esac
	"$b" run -q -b "$box" --ro "$cache/$package:/debs" -- /bin/sh -c \
		"$in_box ${purge:+dpkg --purge --force-depends $purge}" >"$TMPDIR/log" 2>&1
	"$b" snapshot "$box" before 2>>"$TMPDIR/log"
	if "$b" run -q -b "$box" --ro "$cache/$package:/debs" -- /bin/sh -c "$in_box $command" >>"$TMPDIR/log" 2>&1 &&
		installed "$box" "$package"; then
		ok "$package is installed by $how"
	else
		not_ok "$package is installed by $how"
		tail -n 15 "$TMPDIR/log" | sed 's/^/#   /'
		return
	fi
	"$b" changes "$box" --since before >"$TMPDIR/changes" 2>&1
	for word in $3; do
		check "$package: the list of changes has $word" grep -qF -- "$word" "$TMPDIR/changes"
	done
	"$b" restart "$box" --wait "${BELLJAR_SETTLE:-10}" >"$TMPDIR/restart" 2>&1
	[ -z "$4" ] ||
		check "$package by $how: after a restart $4 runs${5:+ and waits at port $5}" comes_up "$box" "$4" "$5"
	[ "$package" != chrony ] || check "chrony by $how: that it wants the clock, and is refused, is on record" \
		recorded "$box" "EXISTS(SELECT 1 FROM attempt WHERE category='clock' AND errno='EPERM')"
	check "$package: the runs left no gap in the record" recorded "$box" "NOT EXISTS(SELECT 1 FROM gap)"
	check "$package: no change on disk without a call that made it" recorded "$box" \
		"NOT EXISTS(SELECT 1 FROM mismatch WHERE what='truth-without-intent')"
	if "$b" run -q -b "$box" -- /bin/sh -c "$in_box exec dpkg --purge --force-depends $names" >"$TMPDIR/log" 2>&1 &&
		! installed "$box" "$package"; then
		ok "$package is purged"
	else
		not_ok "$package is purged"
		tail -n 15 "$TMPDIR/log" | sed 's/^/#   /'
	fi
	"$b" changes "$box" --since before >"$TMPDIR/changes" 2>&1
	check "$package: no autostart entry of it is added after the purge" bash -c \
		"! grep -E '^ *(added|\+).*/(systemd/system|cron\.[a-z]*|init\.d)/.*${package%-server}' '$TMPDIR/changes'"
	"$b" remove "$box"
}

if ! command -v dpkg >/dev/null || ! command -v apt-get >/dev/null; then
	skip "Debian packages" "this is no Debian"
else
	how=dpkg
	while IFS='|' read -r package words image port <&7; do
		[ $# = 0 ] || [[ " $* " == *" $package "* ]] || continue
		if has "$package"; then
			# installed outside: what it brings is there already, so there is nothing to see
			skip "$package is installed" "this machine has it"
			continue
		fi
		if ! (fetch "$package") >"$TMPDIR/log" 2>&1; then
			skip "$package is installed" "it cannot be downloaded: $(tail -n 1 "$TMPDIR/log")"
			continue
		fi
		install_one "$package" $how "$words" "$image" "$port"
		# one after the other in both ways; the long list does both for each
		if [ "${BELLJAR_TEST_ALL:-}" = 1 ]; then
			install_one "$package" apt "$words" "$image" "$port"
		elif [ $how = dpkg ]; then
			how=apt
		else
			how=dpkg
		fi
	done 7<<<"$table"
fi
[ $# = 0 ] || [[ " $* " == *" npm "* ]] || exit $failed

# ---- npm -----------------------------------------------------------------------------------------
npm_fetch() {
	mkdir -p "$cache/npm" && cd "$cache/npm" || return 1
	[ ! -e .complete ] || return 0
	npm pack --silent esbuild@0.19.12 @esbuild/linux-x64@0.19.12 && touch .complete
}
if ! command -v npm >/dev/null; then
	skip "npm packages" "no npm"
else
	mkdir -p "$TMPDIR/local"
	cat >"$TMPDIR/local/package.json" <<-'JSON'
	{ "name": "planted-script", "version": "1.0.0", "scripts": {
	  "postinstall": "node -e \"require('fs').writeFileSync(process.env.HOME + '/by-postinstall', 'x')\"" } }
	JSON
	(cd "$TMPDIR/local" && npm pack --silent >/dev/null)
	"$b" run -q -b npm --copy "$TMPDIR/local/planted-script-1.0.0.tgz" -- /bin/sh -c \
		'mkdir p && cd p && echo {} >package.json && npm install --offline --no-audit --no-fund ../planted-script-1.0.0.tgz' \
		>"$TMPDIR/log" 2>&1
	equal "npm installs a package with an install script" $? 0
	check "the script's file is in the list of changes" bash -c "'$b' changes npm | grep -q by-postinstall"
	check "and on record, by a process that comes from npm" recorded npm \
		"EXISTS(WITH RECURSIVE up(p) AS (SELECT proc FROM file WHERE op='create' AND path GLOB '*/by-postinstall'
		UNION SELECT a.parent FROM process a JOIN up ON a.proc=up.p WHERE a.op='fork')
		SELECT 1 FROM process WHERE op='exec' AND command_line GLOB '*npm install*' AND proc IN up)"
	if (npm_fetch) >"$TMPDIR/log" 2>&1; then
		"$b" run -q -b esb --ro "$cache/npm:/npm" -- /bin/sh -c 'mkdir p && cd p && echo {} >package.json &&
			npm install --offline --no-audit --no-fund /npm/esbuild-linux-x64-*.tgz /npm/esbuild-0*.tgz &&
			node_modules/.bin/esbuild --version' >"$TMPDIR/log" 2>&1
		equal "esbuild, whose install script runs a binary, is installed and runs" \
			"$?:$(tail -n 1 "$TMPDIR/log")" "0:0.19.12"
		check "the binary that it ran is on record with its hash" recorded esb \
			"EXISTS(SELECT 1 FROM process WHERE op='exec' AND image GLOB '*/bin/esbuild' AND length(sha256)=64)"
	else
		skip "esbuild is installed" "it cannot be downloaded"
	fi
fi
exit $failed
