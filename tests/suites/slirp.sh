#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 600
# net: own
#
# slirp - a box's network on a kernel without TPROXY: belljar goes by libslirp by itself, and all that
# the suite `gate` asks for holds there as well
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

# ---- a kernel without it -------------------------------------------------------------------------

without() { "$BELLJAR_SRC/tests/lib/no_nftables.py" "$@"; } # COMMAND…
by="(SELECT limits LIKE '%network=libslirp%' FROM run_begin)"
page='curl -sS -m 20 -o /dev/null -w "%{http_code}" http://vendor.example/page'

equal "without nf_tables a box has a network, with no word about it" \
	"$(without "$BELLJAR" run -q --idmap single -b auto -- sh -c "$page" 2>&1)" 200
check "the record says that it is by libslirp, whose flow it was, and the name" recorded auto \
	"$by AND (SELECT count(*) FROM flow f JOIN process p ON p.proc = f.proc AND p.op = 'exec' AND
	 p.image LIKE '%/curl' WHERE f.op='end' AND f.protocol='tcp' AND f.name='vendor.example' AND
	 f.dst_port=80 AND f.end='closed') = 1"
check "and the request, and that nothing was missed" recorded auto \
	"(SELECT count(*) FROM http WHERE op='request' AND host='vendor.example') = 1 AND
	 (SELECT count(*) FROM gap) = 0"
said=$(without "$BELLJAR" run -q --idmap single --net-by tproxy -- true 2>&1)
equal "who insists on TPROXY is told in one sentence what is missing" "$? $(wc -l <<<"$said")" "113 1"
check "with its name" grep -q nf_tables <<<"$said"
said=$(without "$BELLJAR" doctor)
check "doctor says what is lost without it, and what to do" sh -c '
	grep -A2 "^weaker *network by TPROXY" <<-EOF | grep -q "modprobe" && exit
	$1
	EOF
	exit 1' sh "$said"
check "and that libslirp is there" grep -q '^ok *network by libslirp' <<<"$said"
equal "with TPROXY, a run goes by it" \
	"$("$BELLJAR" run -q -b usual -- sh -c "$page" 2>&1) $(sql usual "$by")" "200 0"

# ---- pings, groups, how connections end ----------------------------------------------------------

"$BELLJAR" run -q -b ends --net-by slirp -- python3 -c '
import os, socket, struct, time
for family, protocol, at, kind in (socket.AF_INET, 1, "203.0.113.7", 8), (socket.AF_INET6, 58, "2001:db8::7", 128):
    s = socket.socket(family, socket.SOCK_DGRAM, protocol); s.settimeout(20)
    s.sendto(struct.pack("!BBHHH", kind, 0, 0, 0, 1) + b"payload", (at, 0))
    d, a = s.recvfrom(1000); print(a[0], d[0], d[8:])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.sendto(b"x", ("224.0.0.251", 5353))
u.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
u.sendto(b"x", ("10.0.2.255", 5354))
u.sendto(b"u" * 60000, ("203.0.113.255", 1005))
s = socket.create_connection(("203.0.113.7", 1002), 20); s.send(b"x")
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
s = socket.create_connection(("2001:db8::7", 1003), 20); s.shutdown(1); print(s.recv(1000)); s.close()
s = socket.socket(); s.settimeout(20)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.connect(("10.0.2.77", 80)); s.sendall(b"GET / HTTP/1.0\r\n\r\n"); print(s.recv(15))
time.sleep(1)' >ends.out 2>&1
equal "pings, an end, and a socket that is bound to the interface have their answers" "$(cat ends.out)" \
	"$(printf "203.0.113.7 0 b'payload'\n2001:db8::7 129 b'payload'\nb''\nb'HTTP/1.1 200 OK'")"
check "what goes to groups and to everybody is on record, and unanswered" recorded ends \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer='unanswered' AND proc > 0 AND
	 dst IN ('224.0.0.251', '10.0.2.255')) = 2"
check "a datagram of many fragments is one, and is whole" recorded ends \
	"(SELECT count(*) FROM flow WHERE op='end' AND dst_port=1005 AND bytes_out=60000 AND proc > 0) = 1"
check "a reset is a reset, an end an end" recorded ends \
	"(SELECT end FROM flow WHERE op='end' AND dst_port=1002) = 'reset' AND
	 (SELECT end FROM flow WHERE op='end' AND dst_port=1003) = 'closed'"
check "each flow has its end, and nothing was missed" recorded ends \
	"(SELECT count(*) FROM flow WHERE op='begin') = (SELECT count(*) FROM flow WHERE op='end') AND
	 (SELECT count(*) FROM gap) = 0"

# ---- the same as by TPROXY -----------------------------------------------------------------------

mkdir by
cat >by/belljar <<EOF
#!/bin/sh
sub=\$1
[ "\$sub" != run ] || { shift; set -- run --net-by slirp "\$@"; }
exec "$BELLJAR" "\$@"
EOF
chmod 755 by/belljar
BELLJAR=$PWD/by/belljar
. "$BELLJAR_SRC/tests/suites/gate.sh"
