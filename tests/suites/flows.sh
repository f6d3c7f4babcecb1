#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 600
# net: own
#
# flows - how connections begin and end, pings, groups, QUIC, early data of TLS, recorded answers,
# mode open; and that none stays without an end on record
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

run() { # BOX [OPTION…] -- COMMAND…: its output
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" "$@" 2>&1
}
each_ends() { # BOX
	check "each flow of $1 has its end" recorded "$1" \
		"(SELECT count(*) FROM flow WHERE op='begin') = (SELECT count(*) FROM flow WHERE op='end') AND
		 (SELECT count(*) FROM flow WHERE op='begin') > 0"
}

# ---- pings, groups, sockets that are bound to the interface --------------------------------------

out=$(run pings -- python3 -c '
import socket, struct
for family, protocol, at, kind in (socket.AF_INET, 1, "203.0.113.7", 8), (socket.AF_INET6, 58, "2001:db8::7", 128):
    s = socket.socket(family, socket.SOCK_DGRAM, protocol); s.settimeout(20)
    s.sendto(struct.pack("!BBHHH", kind, 0, 0, 0, 1) + b"payload", (at, 0))
    d, a = s.recvfrom(1000); print(a[0], d[0], d[8:])')
equal "pings are answered, IPv4 and IPv6" "$out" "$(printf "203.0.113.7 0 b'payload'\n2001:db8::7 129 b'payload'")"
check "by the gate, for the process that sent them" recorded pings \
	"(SELECT count(*) FROM flow WHERE op='end' AND protocol='icmp' AND answer='sinkhole' AND bytes_out=7 AND
	 bytes_in=7 AND bursts=1 AND proc > 0) = 2 AND
	(SELECT count(*) FROM burst b JOIN flow f USING (flow) WHERE f.op='begin' AND f.protocol='icmp' AND b.dir='out' AND b.bytes=15) = 2"
each_ends pings

out=$(run groups -- python3 -c '
import socket
q = b"\x12\x34\0\0\0\1\0\0\0\0\0\0\4name\5local\0\0\1\0\1"
for family, at in (socket.AF_INET, "224.0.0.251"), (socket.AF_INET6, "ff02::fb"):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(0.5)
    s.sendto(q, (at, 5353, 0, socket.if_nametoindex("eth0")) if family == socket.AF_INET6 else (at, 5353))
    try: print(s.recv(100))
    except TimeoutError: print("nobody")
s = socket.socket(); s.settimeout(20)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.connect(("203.0.113.8", 80)); s.sendall(b"GET / HTTP/1.0\r\n\r\n"); print(s.recv(15))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.sendto(q, ("9.9.9.9", 53)); print(s.recv(100)[:2])')
equal "nobody answers a group; a socket that is bound to the interface works" "$out" \
	"$(printf "nobody\nnobody\nb'HTTP/1.1 200 OK'\nb'\\\\x124'")"
check "what is sent to groups has a flow, its process, and is read" recorded groups \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer='unanswered' AND app='dns' AND proc > 0 AND
	 dst IN ('224.0.0.251', 'ff02::fb')) = 2 AND
	 (SELECT count(*) FROM dns WHERE op='query' AND name='name.local') >= 2"
each_ends groups

# ---- how they end --------------------------------------------------------------------------------

out=$(run ends -- python3 -c '
import os, signal, socket, struct, time
def tcp(port):
    s = socket.create_connection(("203.0.113.7", port), 20)
    return s
half = tcp(1001)                                   # says nothing, and stays
s = tcp(1002); s.send(b"x")
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()   # resets
if os.fork() == 0:
    s = tcp(1003); s.send(b"x"); os.kill(os.getpid(), signal.SIGKILL)                   # is killed
os.wait()
s = tcp(1004); s.shutdown(1); s.recv(1000); s.close()                                   # half-closes
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(b"u" * 60000, ("203.0.113.7", 1005))
time.sleep(1); print("done")')
equal "a program opens, resets, half-closes and leaves connections, and is killed" "$out" "done"
end() { sql ends "SELECT end FROM flow WHERE op='end' AND dst_port=$1"; }
check "one that says nothing ends with its program or with the box" grep -qE '^(closed|box-ended)$' <<<"$(end 1001)"
equal "one that resets has reset" "$(end 1002)" reset
check "one whose process is killed is closed" grep -qE '^(closed|reset)$' <<<"$(end 1003)"
equal "one that half-closes is closed" "$(end 1004)" closed
equal "a datagram in pieces is one, of its whole size" \
	"$(sql ends "SELECT bytes_out FROM flow WHERE op='end' AND dst_port=1005")" 60000
each_ends ends

"$BELLJAR" run -q -b cut -- python3 -c '
import socket, time
s = socket.create_connection(("203.0.113.7", 7000), 20); s.send(b"x"); print("open", flush=True); time.sleep(600)' >cut.out 2>&1 &
pid=$!
wait_for 60 recorded cut "(SELECT count(*) FROM flow WHERE op='begin' AND dst_port=7000) = 1" # what is not written yet is lost
kill -9 $pid
wait $pid 2>/dev/null
none_left() { [ -z "$(ps -o pid= --ppid $pid)" ]; }
check "kill -9 of the supervisor leaves nothing of the box" wait_for 20 none_left
equal "the box runs again" "$(run cut -- echo again)" again
check "its record is whole" "$BELLJAR" verify cut
check "and holds the flow that was open" recorded cut \
	"(SELECT count(*) FROM flow WHERE run=1 AND op='begin' AND dst_port=7000) = 1"
"$BELLJAR" report cut >cut.report
check "the report says that its end is not known" grep -q "was cut off; 1 connection had not ended" cut.report
equal "of that run, and of no other" "$("$BELLJAR" report cut --format json |
	python3 -c 'import json, sys; print([r.get("connections_without_end") for r in json.load(sys.stdin)["runs"]])')" "[1, None]"

# ---- QUIC ----------------------------------------------------------------------------------------

quic=(--copy "$BELLJAR_SRC/tests/lib/quic_initial.py")
out=$(run quic "${quic[@]}" --deny 203.0.113.80 -- sh -c 'python3 quic_initial.py h3.example 203.0.113.7 443
	python3 quic_initial.py dns.google 8.8.8.8 443; python3 quic_initial.py h3.example 203.0.113.80 443')
equal "nobody answers QUIC in the sinkhole; a resolver and who is denied are refused at once" "$out" \
	"$(printf 'nothing\nrefused\nrefused')"
check "its hello is read" recorded quic \
	"(SELECT count(*) FROM tls WHERE op='client-hello' AND quic=1 AND sni='h3.example' AND alpn='h3') = 1"
check "refusals have their reason" recorded quic \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND end='policy' AND
	 (reason LIKE '%resolver that would hide%' OR reason LIKE 'a rule denies it%')) = 2"

# ---- answers of one's own ------------------------------------------------------------------------

mkdir -p answers/http/vendor.example answers/tcp answers/udp
echo '{"version": 9}' >answers/http/vendor.example/update.json
printf '404 Gone away\nX-Own: yes\n' >answers/http/vendor.example/old.headers
: >answers/http/vendor.example/old
printf 'hello from 9\r\n' >answers/tcp/9999.greet
printf 'first' >answers/tcp/9999.reply
printf 'second' >"answers/tcp/9999.reply#2"
printf 'pong' >answers/udp/5000.reply
out=$(run served --answers answers -- sh -c '
	curl -sS -m 20 https://vendor.example/update.json
	curl -sS -m 20 -o /dev/null -w "%{http_code} %header{x-own}\n" http://vendor.example/old
	python3 -c "
import socket
s = socket.create_connection((\"vendor.example\", 9999), 20)
print(s.recv(100)); s.sendall(b\"a\"); print(s.recv(100)); s.sendall(b\"b\"); print(s.recv(100))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(20)
u.sendto(b\"ping\", (\"203.0.113.7\", 5000)); print(u.recv(100))"')
equal "files of a folder are served, by name, port and order" "$(sed 's/ yes$//; s/ %header{x-own}$//' <<<"$out")" \
	"$(printf '%s\n' '{"version": 9}' 404 "b'hello from 9\\r\\n'" "b'first'" "b'second'" "b'pong'")"
check "what was served is still the sinkhole's, on record" recorded served \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer NOT IN ('sinkhole', 'allowed')) = 0"

# ---- with somebody outside -----------------------------------------------------------------------

world_up "with servers outside"

ask='curl -sS -m 20 http://web.example/25; echo; curl -sS -m 20 -X POST -d x=1 https://web.example/31; echo'
out=$(run first --allow web.example --allow 192.0.2.10 --allow 2001:db8::10 --tls-open web.example -- sh -c "$ask")
check "a run records what servers answer" "$BELLJAR" gate answers first recorded
asked=$(wc -l <"$world/http")
equal "and a later one, which reaches nobody, is told the same" "$(run later --net closed --answers recorded -- sh -c "$ask")" "$out"
equal "by the sinkhole" "$(wc -l <"$world/http")" "$asked"
check "as the record says" recorded later \
	"(SELECT count(*) FROM flow WHERE op='end' AND protocol='tcp' AND answer='sinkhole') = 2"

# everybody is reached, but for this machine itself; nobody else is in this network
out=$(run open --net open --allow 192.0.2.10 -- sh -c '
	curl -sS -m 20 -4 http://v4.example/12; echo
	# a reset right after the connection: curl calls it 7, 55 or 56, as it comes: when connecting, sending, receiving
	error() { case $? in 7 | 55 | 56) echo error ;; *) echo $? ;; esac }
	curl -s -m 20 http://shared-a.example/12; error
	curl -s -m 20 http://203.0.113.7/; error')
equal "mode open reaches names, and neither this machine nor who is not there" "$out" "$(printf 'kkkkkkkkkkkk\nerror\nerror')"
check "each with its reason" recorded open \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND reason LIKE '%an address of this machine%') = 1 AND
	 (SELECT count(*) FROM flow WHERE op='end' AND dst='203.0.113.7' AND end='unreachable') = 1"

# Encrypted ClientHello (RFC 9849): keys for it are not handed on, and who uses it anyway is refused by name.
hides=(--allow web.example --allow 192.0.2.10 --copy "$BELLJAR_SRC/tests/lib/ech_hello.py" --copy "$BELLJAR_SRC/tests/lib/quic_initial.py")
ask='python3 -c "
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(20)
u.sendto(b\"\x12\x34\1\0\0\1\0\0\0\0\0\0\3web\7example\0\0\x41\0\1\", (\"9.9.9.9\", 53))
r = u.recv(512); print(b\"\2h2\" in r, b\"ECHKEYS\" in r, socket.inet_aton(\"192.0.2.10\") in r)"
	getent ahostsv4 web.example >/dev/null
	python3 ech_hello.py web.example 192.0.2.10 443
	python3 quic_initial.py web.example 192.0.2.10 443 ech
	python3 ech_hello.py cover.example 203.0.113.7 443'
out=$(run ech "${hides[@]}" -- sh -c "$ask")
equal "keys for an encrypted hello stay away, and one that comes is refused, by TLS and QUIC" "$out" \
	"$(printf 'True False False\nrefused\nrefused\nanswered')"
check "each hello is on record as what it is" recorded ech \
	"(SELECT count(*) FROM tls WHERE op='client-hello' AND ech=1 AND sni='web.example') = 2 AND
	 (SELECT count(*) FROM tls WHERE op='client-hello' AND ech=1 AND sni='cover.example') = 1"
check "refusals, and the answer that lacks something, say why" recorded ech \
	"(SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND end='policy' AND
	  reason LIKE 'an encrypted ClientHello would hide%') = 2 AND
	 (SELECT count(*) FROM dns WHERE op='answer' AND type='HTTPS' AND answer='allowed' AND reason LIKE '%(ECH) were left out%') = 1"
printf 'allow web.example\nallow 192.0.2.10\nech allow\n' >ech.policy
out=$(run ech2 --policy ech.policy "${hides[@]:4:2}" -- sh -c 'python3 ech_hello.py web.example web.example 443')
equal "a policy that says so lets it pass" "$out" answered
check "and it is on record still" recorded ech2 "(SELECT count(*) FROM tls WHERE op='client-hello' AND ech=1) = 1"

# ---- halves, resets, closed windows, segments that the kernel cuts -------------------------------

out=$(run halves --allow 192.0.2.30 -- python3 -c '
import socket, struct
s = socket.create_connection(("192.0.2.30", 10), 20)
print(s.makefile().read().strip())                     # the server has ended its half
s.sendall(b"x" * 3000000); s.close()
s = socket.create_connection(("192.0.2.30", 7), 20); s.sendall(b"soon reset"); s.recv(100)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()')
equal "a server that ends its half first still hears the program" "$out" over
check "to the last byte" wait_for 20 grep -qx 3000000 "$world/half"
check "a program that resets has reset the server" wait_for 20 grep -qx reset "$world/echo"
equal "as the record says" "$(sql halves "SELECT group_concat(dst_port || ' ' || end || ' ' || bytes_out) FROM
	(SELECT * FROM flow WHERE op='end' ORDER BY flow)")" "10 closed 3000000,7 reset 10"

# Half-open (RFC 9293 3.5.1): nobody answers, or the peer is gone without a word while the program waits or speaks.
out=$(run vanish --allow 192.0.2.30 -- python3 -c '
import socket
def peer(port):
    s = socket.create_connection(("192.0.2.30", port), 20); s.settimeout(300)
    return s
waits = peer(11); print(waits.recv(100)); waits.sendall(b"x")
speaks = peer(11); print(speaks.recv(100)); speaks.sendall(b"x"); speaks.settimeout(0.3)
try:
    while True:
        try: speaks.sendall(b"x"); print(speaks.recv(100))
        except TimeoutError: pass
except ConnectionResetError: print("reset")
for s in waits, peer(12):
    try: print(s.recv(100))
    except ConnectionResetError: print("reset")')
equal "a program whose peer vanishes hears of it, whether it speaks or waits, and who calls nobody too" "$out" \
	"$(printf "b'here\\\\n'\nb'here\\\\n'\nreset\nreset\nreset")"
equal "the peer was there, and is gone, twice" "$(grep -cx gone "$world/vanished")" 2
equal "on record as a peer that no longer answers, and one that never did" "$(sql vanish "SELECT group_concat(dst_port || ' ' ||
	answer || ' ' || end || ' ' || bytes_in) FROM (SELECT * FROM flow WHERE op='end' ORDER BY dst_port)")" \
	"11 allowed timeout 5,11 allowed timeout 5,12 unanswered timeout 0"

out=$(run window --allow web.example --allow 192.0.2.10 -- python3 -c '
import socket, time
s = socket.socket(); s.settimeout(60); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
socket.getaddrinfo("web.example", 80)
s.connect(("192.0.2.10", 80)); s.sendall(b"GET /30000000 HTTP/1.1\r\nHost: web.example\r\n\r\n"); s.shutdown(1)
time.sleep(2); n = 0
while data := s.recv(1 << 20): n += len(data)
print(n)')
equal "a program that does not read for a while loses nothing" "$out" $((30000000 + 45))
if command -v tshark >/dev/null; then
	"$BELLJAR" export window --pcapng -o window.pcapng
	check "though its window was closed" sh -c \
		'tshark -r window.pcapng -Y "tcp.window_size_value == 0 && tcp.dstport == 80 && tcp.flags.reset == 0" 2>/dev/null | grep -q .'
else
	skip "though its window was closed" "there is no tshark"
fi

out=$(run cuts --allow 192.0.2.30 --allow 2001:db8::30 -- python3 -c '
import socket
for family, at in (socket.AF_INET, "192.0.2.30"), (socket.AF_INET6, "2001:db8::30"):
    u = socket.socket(family, socket.SOCK_DGRAM); u.settimeout(20)
    u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    u.setsockopt(17, 103, 1000)                        # UDP_SEGMENT: one call, sixty datagrams
    u.sendto(b"d" * 59500, (at, 7))
    print(sorted({len(u.recv(2000)) for _ in range(60)}), end=" ")
    s = socket.create_connection((at, 7), 20); n = 0
    for i in range(40):
        s.sendall(b"t" * 100000)
        while n < 100000 * (i + 1): n += len(s.recv(1 << 20))
    o = socket.create_connection((at, 7), 20); o.sendall(b"o" * 50000); o.shutdown(1); o.makefile().read()
    s.shutdown(1); print(n + len(s.makefile().read()))')
equal "datagrams that the kernel cuts come one by one, streams whole" "$out" \
	"$(printf '[500, 1000] 4000004\n[500, 1000] 4000004')"
check "counted as they were sent" recorded cuts \
	"(SELECT count(*) FROM flow WHERE op='end' AND protocol='udp' AND bytes_out=59500 AND bytes_in=59500) = 2 AND
	 (SELECT count(*) FROM flow WHERE op='end' AND protocol='tcp' AND bytes_out=4000000 AND bytes_in=4000004) = 2"
if command -v tshark >/dev/null; then
	"$BELLJAR" export cuts --pcapng -o cuts.pcapng
	check "in segments of many packets" sh -c \
		'[ "$(tshark -r cuts.pcapng -Y "frame.len > 60000 && tcp" -T fields -e ip.version 2>/dev/null | sort -u | wc -l)" = 2 ]'
	equal "of long ones only heads are kept in the end, of others beside them all, of both address families" \
		"$(tshark -r cuts.pcapng -Y tcp -T fields -e tcp.stream -e frame.cap_len -e frame.len 2>/dev/null | awk '
			{ long[$1] += $3; cut[$1] += $2 < $3; head[$1] = $2 <= 128 }
			END { for (s in long) print (long[s] > 4000000 ? "long" : "short"), (cut[s] > 0), head[s] }' | sort)" \
		"$(printf 'long 1 1\nlong 1 1\nshort 0 1\nshort 0 1')"
else
	skip "in segments of many packets" "there is no tshark"
	skip "of long ones only heads are kept in the end, of others beside them all, of both address families" \
		"there is no tshark"
fi

# Early data (RFC 8446 2.3): what a program says before the server has answered goes through whole.
mkfifo stays && exec 7<>stays # an input that does not end
openssl s_server -accept 192.0.2.10:8443 -key "$world/good.key" -cert "$world/good.crt" -tls1_3 -early_data \
	-max_early_data 16384 -no_anti_replay -num_tickets 1 >"$world/early.log" 2>&1 <&7 &
early=$!
listening() { grep -q ACCEPT "$world/early.log"; }
wait_for 60 listening
out=$(run early --allow web.example:8443 --allow 192.0.2.10 -- sh -c '
	c="openssl s_client -connect 192.0.2.10:8443 -servername web.example -tls1_3"
	once() { i=0; until "$@" || [ $((i += 1)) -gt 1200 ]; do sleep 0.1; done 2>/dev/null; echo Q; }
	once test -s s | $c -sess_out s >/dev/null 2>&1
	printf "EARLY-WORD\n" >word
	once grep -q "Early data was" said | $c -sess_in s -early_data word >said 2>&1
	grep -c "Early data was accepted" said
	printf "GET /again HTTP/1.0\r\n\r\n" | timeout 120 openssl s_client -connect 203.0.113.7:443 -servername web.example \
		-tls1_3 -ign_eof -sess_in s -early_data word 2>&1 | grep -a -o -e "HTTP/1.. 200" -e "Early data was rejected"')
equal "TLS with early data passes the gate, and is accepted; the sinkhole, which never met it, answers what follows" "$out" \
	"$(printf '1\nEarly data was rejected\nHTTP/1.1 200')"
check "the server got it" grep -q EARLY-WORD "$world/early.log"
kill $early 2>/dev/null
wait $early 2>/dev/null
exec 7>&-
for box in first later open ech ech2 halves vanish window cuts early; do each_ends $box; done

rm "$world/ready"
wait $server
