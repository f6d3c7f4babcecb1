#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The leash that test programs run on: what it ends, and what it tells of a test that does not end.
# users: root single
# timeout: 120
. "$BELLJAR_SRC/tests/lib/tap.sh"

leash=$BELLJAR_BUILD/tests/leash
"$leash" -t 60 -l left -w waits -- sh -c 'exit 7'
equal "the status is that of the program" "$?" 7
check "of a program that ends nothing is told" test ! -s left -a ! -s waits

# the lock is held by the one, and the other waits for it; both end only with the leash
# shellcheck disable=SC2016  # the inner shell expands these
"$leash" -t 10 -l left -w waits -- bash -c 'sleep 4711 | cat & exec 5>lock; flock 5; flock lock echo "got the lock"' >said
equal "a program that does not end is stopped" "$?" 124
equal "it was stopped where it waited" "$(cat said)" ""
check "none of it is left" none_with_mark "sleep 4711"
check "each process is told with its parent and what it was started with" \
	grep -q -x 'process [0-9]* of [0-9]* S: sleep 4711 ' waits
check "what a task waits for is told: a pipe" grep -q '^    task [0-9]* S .*; call .* on pipe:\[[0-9]*\]' waits
check "what a task waits for is told: a lock" grep -q "^    task [0-9]* S .*; call .* on $PWD/lock" waits
check "who holds the lock is told" grep -q -e '-> FLOCK' waits
