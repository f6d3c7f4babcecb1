# SPDX-License-Identifier: Apache-2.0
# packages.sh - Debian packages for a box, downloaded by apt-get; nothing is installed here
#
# $cache is the folder that keeps the downloads: a folder for each package, with what it needs.

has() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

# The package and what it needs that this machine has not, as files: names (.names) by apt, bytes by
# apt. What is in the way (another time service) is in .purge, to be removed in the box.
fetch() { # PACKAGE
	mkdir -p "$cache/$1" && cd "$cache/$1" || return 1
	[ ! -e .complete ] || return 0
	apt-get -o Debug::NoLocking=1 -s --no-install-recommends install "$1" >.plan || return 1
	sed -n 's/^Inst \([^ ]*\) .*/\1/p' .plan >.names
	sed -n 's/^Remv \([^ ]*\) .*/\1/p' .plan >.purge
	[ -s .names ] || { echo "apt knows no $1"; return 1; }
	# shellcheck disable=SC2046
	apt-get -o APT::Sandbox::User= download $(cat .names) && touch .complete
}
