#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The machine as a whole: what `doctor` says of it, a first run, and all planted actions.
# users: root range single
# timeout: 1800
. "$BELLJAR_SRC/tests/lib/tap.sh"

check "doctor finds a machine on which all runs" "$BELLJAR" doctor
"$BELLJAR" doctor --json >doctor.json 2>&1
"$BELLJAR" doctor 2>&1 | sed 's/^/# /'
equal "no wall is missing" "$(grep -c '"state":"missing"' doctor.json)" 0
equal "a program runs, and says what it says" \
	"$("$BELLJAR" run -q -b first -- sh -c 'echo in; uname -r; id -u')" "$(printf 'in\n%s\n0' "$(uname -r)")"
check "it is on record" recorded first \
	"EXISTS(SELECT 1 FROM process WHERE op='exec' AND command_line GLOB '*echo in*')"
check "its record holds" "$BELLJAR" verify first
# what this kernel cannot do is no fault of the record
"$BELLJAR" verify >planted 2>planted-errors
status=$?
equal "every planted action is on record" "$status $(grep -vE '^(seen|not here)' planted | sed '$d')" "0 "
tail -n 1 planted | sed 's/^/# /'
grep '^not here' planted | sed 's/^/# /'
