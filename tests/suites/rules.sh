#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: single
# timeout: 600
#
# rules - each rule of belljar's own fires on the record that it is for, and is quiet on the near miss
#
# tests/rules/ID.fires and ID.quiet are records as text (tests/judge/journal_of.c). The first line of
# ID.fires may be '# GRADE COUNT': the grade of the gravest finding, and how many there are (1). A rule
# that compares two records has the second one in ID.fires-other and ID.quiet-other.
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

samples=$BELLJAR_SRC/tests/fuzz/corpus/judge_look

judge() { # TEXT OUT: findings about a record as text, as JSON
	local against=()
	rm -rf j k && mkdir j k
	"$BELLJAR_BUILD/tests/judge/journal_of" j "$samples" <"$1" >"$2" 2>&1 || return
	if [ -f "$1-other" ]; then
		"$BELLJAR_BUILD/tests/judge/journal_of" k "$samples" <"$1-other" >"$2" 2>&1 || return
		against=(--against ./k/journal.db)
	fi
	"$BELLJAR" judge ./j/journal.db --rules "$BELLJAR_SRC/rules" --json "${against[@]}" >"$2" 2>&1
}

# TEXT ID: 'GRADE COUNT' of this rule's findings in a file of JSON lines, or what went wrong
cat >summary.py <<'END'
import json, sys
order = ["fact", "note", "concern", "finding"]
for name, rule in zip(sys.argv[1::2], sys.argv[2::2]):
    grades, wrong = [], []
    for line in open(name):
        try:
            f = json.loads(line)
        except ValueError:
            wrong.append(line.strip())
            continue
        if f["rule"] == rule:
            grades.append(order.index(f["grade"]))
            if not f["evidence"]:
                wrong.append("no evidence")
        elif f["rule"] == "belljar-rule-failed":
            wrong.append(f["subject"] + ": " + f["detail"])
    print(order[max(grades)] if grades else "none", len(grades), *wrong)
END

words=() wanted=() files=()
for rule in "$BELLJAR_SRC"/rules/*.sql; do
	id=$(sed -n 's/^-- id: //p' "$rule")
	for key in title why innocent "done" grade; do
		grep -q "^-- $key: " "$rule" || not_ok "rule $id says what its $key is"
	done
	equal "the file of rule $id has its name" "$(basename "$rule" .sql)" "$id"
	for kind in fires quiet; do
		text=$BELLJAR_SRC/tests/rules/$id.$kind
		[ -f "$text" ] || { not_ok "rule $id has a record $id.$kind"; continue; }
		judge "$text" "$id.$kind"
		files+=("$id.$kind" "$id")
		want=$(sed -n '1s/^# \([a-z]* [0-9]*\)$/\1/p' "$text")
		if [ "$kind" = fires ]; then
			words+=("rule $id fires")
			wanted+=("${want:-$(sed -n 's/^-- grade: //p' "$rule") 1}")
		else
			words+=("rule $id is quiet on the near miss")
			wanted+=("none 0")
		fi
	done
done
mapfile -t got < <(python3 summary.py "${files[@]}" 2>&1)
for i in "${!words[@]}"; do
	equal "${words[$i]}" "${got[$i]-}" "${wanted[$i]}"
done

# of all that a file takes, only what the rule is about
judge "$BELLJAR_SRC/tests/rules/listens-to-keys.fires" keys
equal "a rule about keys names the functions for keys alone" \
	"$(sed -n 's/.*"subject":"\/opt\/x\/svc","detail":"\([^"]*\)".*/\1/p' keys)" "takes XRecordEnableContext, XRecordCreateContext"
