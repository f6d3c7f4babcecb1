# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# specimens.sh - how specimens are put under glass and what must be found; sourced by bash, after tap.sh
#
# One job is one box: its findings are the file NAME.json. Jobs mostly wait, so several run at once.

# the rule that must fire for each row of doc/SPECIMEN.md
RULES=(- late-install second-signer second-updater revive-each-other restored-after-deletion survives-uninstall
	command-after-answer regular-contacts random-after-regular planted-values-sent executable-named-as-data
	time-stamps-forged elevation-unasked name-service-changed steered-by-names traces-erased copies-differ
	behaves-by-identity)
LOOKALIKES="updater supervisor poller daemon licence web temp housekeeping"

pack() { "$BELLJAR_SRC/specimen/pack" --build "$BELLJAR_BUILD" "$@" >/dev/null; }

judged() { # BOX [AGAINST]
	"$BELLJAR" judge "$1" ${2:+--against "$2"} --rules "$BELLJAR_SRC/rules" --json >"$1.json" 2>"$1.err"
	[ $? -gt 1 ] || touch "$1.judged"
}

runs() { # BOX DEB: installed in a run, and left alone for an hour of the box's time
	"$BELLJAR" run -q -b "$1" --answers answers --speed lapse --copy "$2" -- \
		sh -c "dpkg -i ~/*.deb >/dev/null; sleep 3600" >"$1.log" 2>&1
	judged "$1"
}

examines() { # BOX DEB
	"$BELLJAR" examine "$2" -q -b "$1" --answers answers >"$1.log" 2>&1
	judged "$1"
}

# At most N jobs at once: jobs N COMMAND…, then `wait`.
jobs_of() {
	local most=$1
	shift
	while [ "$(jobs -rp | wc -l)" -ge "$most" ]; do wait -n; done
	"$@" &
}

fires() { # BOX RULE: its gravest grade, or nothing
	sed -n 's/^{"grade":"\([a-z]*\)".*"rule":"'"$2"'".*/\1/p' "$1.json" | head -n 1
}

found() { # BOX RULE: it fired, with evidence, an innocent explanation, and more than as a fact
	local g
	g=$(fires "$1" "$2")
	case $g in note | concern | finding) ;; *)
		echo "rule $2 says '$g' about $1; what was found:"
		cut -c 1-200 "$1.json"
		cat "$1.log" "$1.err"
		return 1
		;;
	esac
	grep "\"rule\":\"$2\"" "$1.json" | head -n 1 | grep -q '"innocent":"..*"evidence":\[[0-9]'
}

no_finding() { # BOX
	[ -e "$1.judged" ] || { echo "nothing was judged"; cat "$1.log" "$1.err"; return 1; }
	! grep '"grade":"finding"\|belljar-rule-failed' "$1.json" | cut -c 1-600 | grep .
}
