#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 60
#
# packages - the tests of real packages, which are no part of `make test`: they fail when one of them does
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

# on a machine without a package manager they skip all but one, and that needs a belljar that works
mkdir bin
for tool in bash env mkdir timeout tr; do ln -s "$(type -P $tool)" bin/; done
ln -s "$(type -P true)" bin/systemd-tmpfiles
tried() { # BELLJAR
	PATH=$PWD/bin BELLJAR=$1 bash "$BELLJAR_SRC/tests/packages/schedule.sh" >said 2>&1
	echo "$? $(grep -c '^not ok' said)"
}
equal "a test of packages that is not ok is a failure of them all" "$(tried "$(type -P false)")" "1 1"
printf '#!/bin/sh\necho "a b"\necho "b"\n' >belljar
chmod 755 belljar
equal "and there is none when all are" "$(tried "$PWD/belljar")" "0 0"
