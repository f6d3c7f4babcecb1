#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 600
# net: own
#
# gate - a box's network with real clients: the sinkhole, names that are allowed, what is refused,
# whose flows they are, and that a change of the policy takes effect at once
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

# the world of this suite has addresses of this machine, which a name alone does not open
opened=()
for a in 192.0.2.10 192.0.2.20 192.0.2.30 192.0.2.40 2001:db8::10 2001:db8::30; do opened+=(--allow "$a"); done

run() { # BOX [OPTION…] -- COMMAND…: its output and status
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" "${opened[@]}" "$@" 2>&1
}

# ---- without anybody outside ---------------------------------------------------------------------

out=$(run sink -- sh -c 'getent ahostsv4 vendor.example | head -n 1 | cut -d" " -f1
	curl -sS -m 20 -o /dev/null -w "%{http_code}\n" http://vendor.example/page
	curl -sS -m 20 -o /dev/null -w "%{http_code}\n" https://vendor.example/page
	wget -q -T 20 -O /dev/null https://other.example/ && echo wget
	python3 -c "import urllib.request as u; print(u.urlopen(\"https://third.example/\", timeout=20).status)"
	curl -sS -m 20 -o /dev/null -w "%{http_code}\n" http://203.0.113.7:8090/')
equal "an unknown name resolves, and every port of it answers curl, wget and Python, TLS too" \
	"$(sed '1s/^198\.1[89]\..*/sinkhole/' <<<"$out")" "$(printf 'sinkhole\n200\n200\nwget\n200\n200')"
check "each connection is on record with the name asked, and how it ended" recorded sink \
	"(SELECT count(*) FROM flow WHERE op='end' AND protocol='tcp' AND answer='sinkhole' AND
	 end='closed') = 5 AND (SELECT count(*) FROM flow WHERE op='begin' AND name='vendor.example') = 2"
check "a hard-coded address is on record without a name" recorded sink \
	"(SELECT count(*) FROM flow WHERE op='end' AND dst='203.0.113.7' AND dst_port=8090 AND
	 name IS NULL) = 1"
check "flows have their process" recorded sink \
	"(SELECT count(*) FROM flow WHERE proc = 0) = 0 AND (SELECT group_concat(DISTINCT p.image)
	 FROM flow f JOIN process p ON p.proc = f.proc AND p.op = 'exec' WHERE f.name='other.example')
	 LIKE '%/wget'"
check "questions and answers of the name system are on record" recorded sink \
	"(SELECT count(*) FROM dns WHERE op='query' AND name='vendor.example') >= 2 AND
	 (SELECT count(*) FROM dns WHERE op='answer' AND answer='sinkhole' AND name='third.example') >= 1"
check "requests inside of TLS are on record" recorded sink \
	"(SELECT count(*) FROM http WHERE op='request' AND tls=1 AND host='vendor.example'
	 AND target='/page') = 1"
check "nothing was missed" recorded sink "(SELECT count(*) FROM gap) = 0"

out=$(run sink2 --nxdomain-first 2 -- sh -c 'for n in a b c; do getent ahostsv4 $n.example >/dev/null && echo $n; done')
equal "the first names do not exist when that is asked for" "$out" c
# a reset right after the connection: curl calls it 7 (and tries the next address), 55 or 56, as it comes
out=$(run sink3 --sink refuse -- sh -c 'curl -s -m 20 http://vendor.example/; case $? in 7 | 55 | 56) echo reset ;; *) echo $? ;; esac')
equal "connections are reset when the sinkhole shall refuse" "$out" reset
check "and that is on record" recorded sink3 \
	"(SELECT count(*) FROM flow WHERE op='end' AND protocol='tcp' AND answer='refused' AND end='policy') >= 1 AND
	 (SELECT count(*) FROM flow WHERE op='end' AND protocol='tcp' AND answer<>'refused') = 0"
out=$(run off --net off -- sh -c 'curl -s -m 20 http://192.0.2.10/; echo $?; ls /sys/class/net')
equal "without a network there is none" "$out" "$(printf '7\nlo')"
out=$(run walls -- sh -c 'ip link set eth0 down; ip route del default; unshare -n true;
	unshare -Urn ip link set eth0 down; echo "$?"; cat /sys/class/net/eth0/operstate' 2>&1 | tail -n 2)
equal "programs cannot change their network" "$(tail -n 1 <<<"$out")" unknown
out=$(run dns -- python3 -c '
import socket, struct
q = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3any\7example\0\0\1\0\1"
for server in "9.9.9.9", "2001:4860:4860::8888":
    s = socket.create_connection((server, 53), 20)
    s.sendall(struct.pack("!H", len(q)) + q)
    n = struct.unpack("!H", s.recv(2))[0]
    print(s.recv(n)[:2].hex(), n > len(q))
    u = socket.socket(s.family, socket.SOCK_DGRAM)
    u.settimeout(20)
    u.sendto(q, (server, 53))
    print(u.recvfrom(512)[0][:2].hex())')
equal "every name server answers, by UDP and TCP, IPv4 and IPv6" "$out" \
	"$(printf '1234 True\n1234\n1234 True\n1234')"

"$BELLJAR" run -q -b dies -- sh -c 'echo up; sleep 120' >dies.out 2>&1 &
run=$!
wait_for 60 grep -q up dies.out
gate=$(pgrep -P $run -x belljar-inside)
if kill -9 "$gate"; then
	wait $run
	check "a box whose gate process is killed ends, and that is told" recorded dies \
		"(SELECT count(*) FROM gap WHERE source='gate') = 1 AND
		 (SELECT reason FROM run_end) = 'gate-failed'"
else
	not_ok "the gate process is a child of the run"
	kill $run
	wait $run
fi

# ---- with somebody outside -----------------------------------------------------------------------

world_up "with servers outside"

out=$(run a --allow web.example --allow '*.example:7' -- sh -c '
	curl -sS -m 20 -4 http://web.example/1000 | wc -c
	curl -sS -m 20 -6 http://web.example/1000 | wc -c
	curl -sS -m 60 http://web.example/20000000 | wc -c
	curl -sS -m 20 -k https://web.example/77 | wc -c
	head -c 3000000 /dev/zero | curl -sS -m 60 --data-binary @- http://web.example/5 | wc -c')
equal "an allowed name is reached, IPv4, IPv6, TLS, in both directions" "$out" \
	"$(printf '1000\n1000\n20000000\n77\n5')"
check "bytes are counted exactly" recorded a \
	"(SELECT count(*) FROM flow WHERE op='end' AND bytes_in = 20000000 + 45) = 1"
check "the first and the last bytes of a stream are kept" recorded a \
	"(SELECT count(*) FROM content c JOIN flow f ON f.flow = c.flow AND f.op = 'end' AND
	 f.bytes_in = 20000045 WHERE c.dir='in' AND ((c.part='first' AND c.offset=0 AND c.size=65536)
	 OR (c.part='last' AND c.offset = 20000045 - 65536 AND c.size=65536))) = 2"
equal "the upload arrived whole" "$(grep -c 'POST /5 3000000' "$world/http")" 1
check "the server's certificate was checked" recorded a \
	"(SELECT verdict FROM tls WHERE op='certificate' AND side='upstream') = 'ok'"

out=$(run b --allow shared-a.example --allow wrong.example -- sh -c '
	curl -s -m 20 -o /dev/null http://shared-a.example/1; echo $?
	curl -s -m 20 -H "Host: shared-b.example" http://shared-a.example/2; echo $?
	curl -s -m 20 -k --connect-to shared-b.example:443:shared-a.example:443 https://shared-b.example/3; echo $?
	curl -s -m 20 -k https://wrong.example/4; echo $?
	curl -s -m 20 -o /dev/null http://192.0.2.53/5; echo $?')
equal "another name on the same address, and a false server, are refused at once" "$out" \
	"$(printf '0\n56\n35\n35\n0')"
check "each with its reason" recorded b \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND end='policy' AND
	 (reason LIKE '%Host%shared-b%' OR reason LIKE '%SNI%shared-b%' OR reason LIKE '%certificate%')) = 3"
equal "and nothing of them went out" "$(grep -c -e shared-b -e 'GET /[2345] ' "$world/http")" 0

cat >shapes.py <<'END'
import socket, sys, time
A, B, big = b"shared-a.example", b"shared-b.example", b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(80))
get = lambda host, line=b"GET /shape HTTP/1.1": line + b"\r\nHost: " + host + b"\r\n\r\n"
shapes = {
    "a second request": [get(A, b"GET /a HTTP/1.1"), get(B)],
    "a head of 80 KB": [b"GET /shape HTTP/1.1\r\n" + big + b"Host: " + B + b"\r\n\r\n"],
    "tabs": [get(B, b"GET\t/shape\tHTTP/1.1")],
    "small letters": [get(B, b"get /shape http/1.1")],
    "small letters, slowly": [b"get /shape http/1.1\r\n", get(B)[21:]],
    "another version": [get(B, b"GET /shape HTTP/2.0")],
    "two lengths": [b"POST /a HTTP/1.1\r\nHost: " + A + b"\r\nContent-Length: 0\r\nContent-Length: 99\r\n\r\n" + get(B)],
    "an unknown coding": [b"POST /a HTTP/1.1\r\nHost: " + A + b"\r\nTransfer-Encoding: xchunked\r\n\r\n" + get(B)],
    "tabs first": [get(A, b"GET\t/a\tHTTP/1.1"), get(B)],
}
for name, parts in shapes.items():
    s = socket.create_connection((A, 80), 20)
    s.settimeout(20)
    try:
        for i, part in enumerate(parts):
            time.sleep(0.8 if i else 0)
            s.sendall(part)
        while s.recv(65536):
            pass
        print(name, "ended")
    except ConnectionError:
        pass
END
out=$(run shapes --allow shared-a.example --copy shapes.py -- python3 shapes.py)
equal "a name on the same address is refused in whatever shape it is asked for" "$out" ""
equal "and none of these requests went out" "$(grep -c -i -e shared-b -e '/shape' "$world/http")" 0

# The gate's own handshake is shown the right certificate, the program's another: what is in clear is seen.
out=$(run faces --allow faces.example -- sh -c 'curl -s -m 20 -k --tls-max 1.2 https://faces.example:8443/6; echo $?')
equal "a server that shows the program another certificate than the gate is refused, where that can be seen" "$out" 35
check "with what each was shown on record" recorded faces \
	"(SELECT count(*) FROM tls WHERE op='certificate' AND side='upstream' AND verdict='ok') = 1 AND
	 (SELECT count(*) FROM tls WHERE op='certificate' AND side IS NULL AND verdict LIKE '%not for faces.example%') = 1 AND
	 (SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND end='policy' AND
	  reason LIKE 'the certificate is for %, not for faces.example%') = 1"
equal "and it got no request" "$(grep -c 'GET /6 ' "$world/http")" 0

out=$(run c --allow echo.example -- python3 -c '
import socket
def tcp(port, family=socket.AF_INET):
    at = {socket.AF_INET: "192.0.2.30", socket.AF_INET6: "2001:db8::30"}[family]
    return socket.create_connection((at, port), 30)
socket.getaddrinfo("echo.example", 7)
for family in socket.AF_INET, socket.AF_INET6:
    s = tcp(7, family); s.sendall(b"half\n"); s.shutdown(1); print(s.makefile().read().split())
print(tcp(22).recv(100))
for port in 8, 999:
    try:
        s = tcp(port); s.sendall(b"GET "); print(s.recv(10))
    except ConnectionResetError: print("reset")
for family, at in (socket.AF_INET, "192.0.2.30"), (socket.AF_INET6, "2001:db8::30"):
    u = socket.socket(family, socket.SOCK_DGRAM); u.settimeout(30)
    for n in 10, 9000, 60000:
        u.sendto(b"d" * n, (at, 7)); print(len(u.recvfrom(65536)[0]), end=" ")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(30)
u.connect(("192.0.2.30", 99)); u.send(b"x")
try: u.recv(10)
except ConnectionRefusedError: print("refused")')
equal "half-closed, server first, reset, refused, datagrams up to 60000 bytes" "$out" "['half', 'bye']
['half', 'bye']
b'SSH-2.0-world\\r\\n'
reset
reset
10 9000 60000 10 9000 60000 refused"
check "with the right ends on record" recorded c \
	"(SELECT group_concat(end) FROM (SELECT end FROM flow WHERE op='end' AND protocol='tcp' AND
	 dst_port <> 53 ORDER BY flow)) = 'closed,closed,closed,peer-reset,refused'"

cp "$BELLJAR_SRC/tests/lib/gate_many.py" .
for how in tcp udp tcp-threads udp-threads; do
	run "m-$how" --allow 192.0.2.30 --copy gate_many.py -- python3 gate_many.py $how 40 25 >many.out
	check "1000 short $how flows have the right process each" \
		python3 "$BELLJAR_SRC/tests/lib/gate_many_check.py" "$BELLJAR_HOME/boxes/m-$how" 1000
done

# A client that goes on while the policy is changed under it.
run live --allow echo.example -- python3 -c '
import socket, time
s = socket.create_connection(("echo.example", 7), 60)
try:
    for i in range(600):
        s.sendall(b"%d\n" % i); s.recv(100); print("alive", flush=True); time.sleep(0.1)
except OSError as e: print("cut", flush=True)' >live.out &
run=$!
wait_for 60 grep -q alive live.out
printf 'mode declared\ndeny echo.example\n' >"$BELLJAR_HOME/boxes/live/policy.new"
mv "$BELLJAR_HOME/boxes/live/policy.new" "$BELLJAR_HOME/boxes/live/policy"
wait $run
equal "a policy that changes cuts what it does not allow any more" "$(tail -n 1 live.out)" cut
check "as the record says" recorded live \
	"(SELECT count(*) FROM flow WHERE op='end' AND name='echo.example' AND end='policy') = 1"
equal "the box keeps its policy" "$(run live -- sh -c 'curl -s -m 20 http://echo.example/; echo $?')" 6

# A server that does not read closes its window: the program waits, and nobody's memory grows.
"$BELLJAR" run -q -b stuck --allow 192.0.2.30 -- python3 -c '
import socket
s = socket.create_connection(("192.0.2.30", 9), 30); s.settimeout(3); n = 0
try:
    while True: n += s.send(b"x" * 65536)
except TimeoutError: print("full", n < 64 << 20)' >stuck.out 2>&1
equal "a peer that does not read makes the program wait" "$(cat stuck.out)" "full True"

out=$(run keys -- sh -c 'curl -sS -m 20 -o /dev/null -w "%{http_code}" https://vendor.example/page')
if command -v tshark >/dev/null; then
	"$BELLJAR" export keys --pcapng -o keys.pcapng
	check "tshark reads the capture with addresses, comments and what was in TLS" sh -c '
		tshark -r keys.pcapng -T fields -e ip.dst -e frame.comment -Y "tcp.flags.syn == 1 && tcp.flags.ack == 0" |
			grep -E "^198\.1[89]\..*curl" &&
		tshark -r keys.pcapng -Y http2 -T fields -e http2.headers.path | grep -q /page'
else
	skip "tshark reads the capture with addresses, comments and what was in TLS" "there is no tshark"
fi

rm "$world/ready"
wait $server
