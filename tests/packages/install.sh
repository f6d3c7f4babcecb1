#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real packages, installed and purged in a box by the package manager itself: what their scripts
# make (users, units, cron files, set-id files) is in the list of changes, and gone after the purge.
# BELLJAR_TEST_ALL=1 takes the long list. BELLJAR_DEBS can name a folder that keeps the downloads.
# users: root range single
# timeout: 3600
. "$BELLJAR_SRC/tests/lib/tap.sh"
b=$BELLJAR
cache=${BELLJAR_DEBS:-$TMPDIR/debs}
# npm and apt outside of the box use a home of ours
export HOME=$TMPDIR/home
mkdir -p "$cache" "$HOME"

# package | words that must be in the list of changes, after the installation
table='cron|/usr/bin/crontab cron.service crontab
monit|monit.service /etc/monit/monitrc
redis-server|redis-server.service redis'
if [ "${BELLJAR_TEST_ALL:-}" = 1 ]; then
	table="$table
at|atd.service /usr/bin/at
nginx-light|nginx.service /etc/nginx
mariadb-server|mariadb.service mysql
openssh-server|ssh.service sshd
postgresql|postgresql.service postgres
supervisor|supervisor.service
chrony|chrony.service _chrony
exim4-daemon-light|exim4 Debian-exim
cups|cups.service lpadmin"
fi

# The package and what it needs that this machine has not, as files: names by apt, bytes by apt.
fetch() { # PACKAGE
	local names
	mkdir -p "$cache/$1" && cd "$cache/$1" || return 1
	[ ! -e .complete ] || return 0
	names=$(apt-get -o Debug::NoLocking=1 -s --no-install-recommends install "$1" |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p')
	[ -n "$names" ] || { echo "apt knows no $1"; return 1; }
	# shellcheck disable=SC2086
	apt-get -o APT::Sandbox::User= download $names && touch .complete
}

installed() { # BOX PACKAGE
	"$b" run -q -b "$1" -- dpkg -s "$2" 2>&1 | grep -qx 'Status: install ok installed'
}

in_box='export DEBIAN_FRONTEND=noninteractive; exec'
install_one() { # PACKAGE HOW WORDS…
	local package=$1 how=$2 box=p-$1-$2 word command
	shift 2
	case $how in
	# forced: in one go dpkg takes the files by name, whichever of them needs which before
	dpkg) command="dpkg -i --force-depends /debs/*.deb" ;;
	apt) command="sh -c 'cp /debs/*.deb /var/cache/apt/archives/ &&
		apt-get -y --no-download --no-install-recommends install $package'" ;;
	esac
	"$b" run -q -b "$box" --ro "$cache/$package:/debs" -- /bin/true 2>"$TMPDIR/log"
	"$b" snapshot "$box" before 2>>"$TMPDIR/log"
	if "$b" run -q -b "$box" --ro "$cache/$package:/debs" -- /bin/sh -c "$in_box $command" >"$TMPDIR/log" 2>&1 &&
		installed "$box" "$package"; then
		ok "$package is installed by $how"
	else
		not_ok "$package is installed by $how"
		tail -n 15 "$TMPDIR/log" | sed 's/^/#   /'
		return
	fi
	"$b" changes "$box" --since before >"$TMPDIR/changes" 2>&1
	for word; do
		check "$package: the list of changes has $word" grep -qF -- "$word" "$TMPDIR/changes"
	done
	check "$package: the run left no gap in the record" recorded "$box" "NOT EXISTS(SELECT 1 FROM gap)"
	check "$package: no change on disk without a call that made it" recorded "$box" \
		"NOT EXISTS(SELECT 1 FROM mismatch WHERE what='truth-without-intent')"
	if "$b" run -q -b "$box" -- /bin/sh -c "$in_box dpkg --purge --force-depends $package" >"$TMPDIR/log" 2>&1 &&
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
	while IFS='|' read -r package words <&7; do
		if dpkg -s "$package" >/dev/null 2>&1; then
			# installed outside: it is there already, so there is nothing to see
			skip "$package is installed" "this machine has it"
			continue
		fi
		if ! (fetch "$package") >"$TMPDIR/log" 2>&1; then
			skip "$package is installed" "it cannot be downloaded: $(tail -n 1 "$TMPDIR/log")"
			continue
		fi
		# shellcheck disable=SC2086
		install_one "$package" $how $words
		# one after the other in both ways; the long list does both for each
		if [ "${BELLJAR_TEST_ALL:-}" = 1 ]; then
			# shellcheck disable=SC2086
			install_one "$package" apt $words
		elif [ $how = dpkg ]; then
			how=apt
		else
			how=dpkg
		fi
	done 7<<<"$table"
fi

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
