#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Many connections at once: each has its answer and its row; and what is too many is refused and told.
# users: root range single
# timeout: 300
. "$BELLJAR_SRC/tests/lib/tap.sh"

cat >many.py <<'EOF'
import socket, sys
opened, answered, keep = 0, 0, []
for _ in range(int(sys.argv[1])):
    s = socket.socket()
    s.settimeout(60)
    try:
        s.connect(("198.51.100.7", 80))
    except OSError:
        continue
    keep.append(s)
for s in keep:
    try:
        # 1.1: it stays open when it was answered, so all are open at one time whoever is slow
        s.sendall(b"GET / HTTP/1.1\r\nHost: many.test\r\n\r\n")
        opened += 1
    except OSError:
        pass
for s in keep:
    try:
        answered += s.recv(4) == b"HTTP"
    except OSError:
        pass
print(opened, answered)
EOF

"$BELLJAR" run -q -b all --copy many.py -- python3 many.py 800 >all.out 2>all.err
equal "800 connections are open at the same time, and each is answered" "$(cat all.out)" "800 800"
equal "each has a row of its beginning and of its end" \
	"$(sql all "SELECT count(DISTINCT flow) FROM flow WHERE op='begin' AND dst_port=80") $(sql all \
		"SELECT count(DISTINCT flow) FROM flow WHERE op='end' AND dst_port=80")" "800 800"
equal "no limit was reached, and nothing is unseen" \
	"$(sql all "SELECT (SELECT count(*) FROM 'limit')||' '||(SELECT count(*) FROM gap)")" "0 0"

(
	ulimit -n 200
	"$BELLJAR" run -q -b few --copy many.py -- python3 many.py 190 >few.out 2>few.err
)
read -r _ answered <few.out
check "with 200 descriptors some of 190 connections are answered" test "${answered:-0}" -gt 100
check "and some are not" test "${answered:-190}" -lt 190
equal "that is a limit, told once" "$(sql few "SELECT count(*) FROM 'limit' WHERE what='flows'")" 1
equal "each that was refused for it says so" \
	"$(sql few "SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND
		reason='too many connections are open'")" "$((190 - answered))"
