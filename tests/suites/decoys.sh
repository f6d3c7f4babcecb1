#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 300
#
# decoys - that a program opens one is on record: which, and by whom where that can be told
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

run() { # BOX [OPTION…] -- COMMAND…: its output
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" "$@" 2>&1
}
opened() { # BOX: paths that are told, in order, each once
	sql "$1" "SELECT group_concat(path, ' ') FROM (SELECT path FROM file WHERE op='read-decoy' GROUP BY path ORDER BY min(seq))"
}

out=$(run thief -- sh -c 'cat ~/.netrc | wc -l; cp ~/.ssh/id_ed25519 /tmp/key; grep -rl password ~/.aws ~/.netrc | wc -l
	exec python3 -c "
import os, time
f = open(os.path.expanduser(\"~/Documents/invoice-0427.pdf\"), \"rb\"); f.read(); time.sleep(1)"')
equal "a program reads its box's decoys" "$(head -n 1 <<<"$out")" 1
check "each that is opened is on record, the quickest too" \
	grep -q '^/root/.netrc /root/.ssh/id_ed25519 /root/.aws/credentials /root/Documents/invoice-0427.pdf$' <<<"$(opened thief)"
check "one that is held open has its process" recorded thief \
	"(SELECT proc FROM file WHERE op='read-decoy' AND path LIKE '%.pdf') =
	 (SELECT proc FROM process WHERE op='exec' AND command_line LIKE 'python3%')"
check "where it is not known by whom, the record says so" recorded thief \
	"(SELECT count(*) FROM file WHERE op='read-decoy' AND proc=0 AND detail IS NULL) = 0"
check "no process is named that did not open it" recorded thief \
	"(SELECT count(*) FROM file f JOIN process p ON p.proc = f.proc AND p.op='exec' WHERE f.op='read-decoy' AND
	 f.path LIKE '%/.netrc' AND p.image NOT LIKE '%/cat' AND p.image NOT LIKE '%/grep' AND f.proc NOT IN
	 (SELECT proc FROM process WHERE op='exec' AND (image LIKE '%/cat' OR image LIKE '%/grep'))) = 0"
check "it is no change of a file" recorded thief "(SELECT count(*) FROM mismatch) = 0"
check "and belljar's own looks at the end are not told" recorded thief \
	"(SELECT count(*) FROM file WHERE op='read-decoy' AND path LIKE '%logins.json') = 0"

run person --user user -- python3 -c 'import os; open(os.path.expanduser("~/.netrc")).read()'
equal "those of the box's user are watched as well" "$(opened person)" /home/user/.netrc
check "the only process there was is the one" recorded person \
	"(SELECT proc FROM file WHERE op='read-decoy') = (SELECT max(proc) FROM process WHERE op='exec')"

run honest -- sh -c 'ls -la ~ ~/.ssh ~/Documents; stat ~/.netrc; find / -xdev -name id_ed25519' >/dev/null
equal "looking at names and sizes opens nothing" "$(sql honest "SELECT count(*) FROM file WHERE op='read-decoy'")" 0
check "nothing was missed" recorded thief "(SELECT count(*) FROM gap) = 0"
