#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 120
#
# beacons - `belljar gate read --beacons`: who in a capture file asks again and again
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

# Three hosts: .5 asks c2.example.com every minute, give or take ten seconds, and on a connection that stays open sends
# something every half minute, and one of its programs pings every twenty seconds with words of its own; another pings as a system does, and asks a clock; .6 asks at times of chance; .7 tries a port that refuses it, three times each ten minutes.
python3 - >made.pcap <<'END'
import random, struct, sys
random.seed(4)
packets = []
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
def ip(t, proto, src, dst, body):
    packets.append((t, struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(body), 0, 0x4000, 64, proto, 0) + bytes(src) + bytes(dst) + body))
def tcp(t, src, sport, dst, dport, seq, ack, flags, body=b''):
    ip(t, 6, src, dst, struct.pack('>HHIIBBHHH', sport, dport, seq, ack, 0x50, flags, 65535, 0, 0) + body)
def open_tcp(t, src, sport, dst, dport):
    tcp(t, src, sport, dst, dport, 100, 0, SYN)
    tcp(t + .01, dst, dport, src, sport, 500, 101, SYN | ACK)
    tcp(t + .02, src, sport, dst, dport, 101, 501, ACK)
def get(t, src, sport, dst, host):
    open_tcp(t, src, sport, dst, 80)
    said = b'GET / HTTP/1.1\r\nHost: ' + host + b'\r\n\r\n'
    tcp(t + .03, src, sport, dst, 80, 101, 501, PSH | ACK, said)
    tcp(t + .05, dst, 80, src, sport, 501, 101 + len(said), RST | ACK)
a, b, c, server = (192, 168, 1, 5), (192, 168, 1, 6), (192, 168, 1, 7), (198, 51, 100, 1)
t = 1000.0
for i in range(40):
    get(t, a, 40000 + i, server, b'www.c2.example.com')
    t += random.uniform(50, 70)
t = 1000.0
for i in range(40):
    get(t, b, 41000 + i, server, b'news.example.org')
    t += random.expovariate(1 / 60)
for i in range(20):
    for k in range(3):
        tcp(1000 + 600 * i + .5 * k, c, 42000 + i, server, 9, 7, 0, SYN)
        tcp(1000 + 600 * i + .5 * k + .01, server, 9, c, 42000 + i, 0, 8, RST | ACK)
for i in range(60):
    for back in False, True:
        ends = (a, (198, 51, 100, 3))[::-1 if back else 1]
        ip(1000 + 20 * i + random.uniform(-2, 2) + back * .01, 1, *ends, struct.pack('>BBHHH', 0 if back else 8, 0, 0, 77, i) + b'who am I')
def udp(t, src, sport, dst, dport, body):
    ip(t, 17, src, dst, struct.pack('>HHHH', sport, dport, 8 + len(body), 0) + body)
clock, pinged = (198, 51, 100, 4), (198, 51, 100, 5)
for i in range(30):
    udp(1000 + 64 * i, a, 123, clock, 123, bytes([0x23]) + bytes(47))
    udp(1000.01 + 64 * i, clock, 123, a, 123, bytes([0x24]) + bytes(47))
    ip(1000 + 20 * i, 1, a, pinged, struct.pack('>BBHHH', 8, 0, 0, 78, i) + bytes(16) + bytes(range(16, 56)))
open_tcp(1000, a, 39999, (198, 51, 100, 2), 4444)
for i in range(60):  # with a keep-alive between, which says nothing; and one message that was not captured
    if i != 30:
        tcp(1001 + 30 * i, a, 39999, (198, 51, 100, 2), 4444, 101 + 8 * i, 501, PSH | ACK, b'12345678')
    tcp(1001.1 + 30 * i, (198, 51, 100, 2), 4444, a, 39999, 501, 109 + 8 * i, ACK)
    if i != 30:
        tcp(1015 + 30 * i, a, 39999, (198, 51, 100, 2), 4444, 108 + 8 * i, 501, ACK, b'8')
sys.stdout.buffer.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
for t, p in sorted(packets):
    sys.stdout.buffer.write(struct.pack('<IIII', int(t), int(t % 1 * 1e6), len(p), len(p)) + p)
END
"$BELLJAR" gate read made.pcap --beacons >text 2>err
equal "a capture is judged" "$?$(cat err)" 0
case $(cat text) in *"192.168.1.5 asks example.com, tcp port 80"*"40 connections, about every 6"*" seconds, half of the pauses differ by at most "*" so regular by chance once in "*) ok "who asks a name regularly is told, with period" ;;
*) equal "who asks a name regularly is told, with period" "$(cat text)" "…" ;; esac
case $(cat text) in *"192.168.1.6"*) equal "contacts of chance are not told" "$(cat text)" "…" ;; *) ok "contacts of chance are not told" ;; esac
"$BELLJAR" gate read - --beacons --json <made.pcap >json
ask() { python3 -c "
import json
rows = [json.loads(l) for l in open('json')]
def one(host, what, key, destination):
    return [r for r in rows if (r['host'], r['what'], r['key'], r['destination']) == ('192.168.1.' + host, what, key, destination)][0]
print($1)"; }
equal "the same on standard input as JSON: name, port, and who" \
	"$(ask "[(r['name'], r['port'], r['told']) for r in [one('5', 'connection', 'name', 'example.com')]]")" \
	"[('www.c2.example.com', 80, True)]"
equal "messages inside of a connection are counted, keep-alives and gaps of the capture do not spoil them" \
	"$(ask "[(58 <= r['contacts'] <= 60, round(r['period']), r['told']) for r in [one('5', 'burst', 'address', '198.51.100.2')]]")" \
	"[(True, 30, True)]"
equal "a port that refuses is asked once, not three times" \
	"$(ask "[(r['contacts'], r['told']) for r in [one('7', 'connection', 'address', '198.51.100.1')]]")" "[(20, True)]"
equal "pings are contacts" "$(ask "[(r['port'], r['told']) for r in [one('5', 'burst', 'address', '198.51.100.3')] if 50 <= r['contacts'] <= 60]")" "[(0, True)]"
equal "what a protocol sends by the clock is regular, and not told" \
	"$(ask "[(r['p'] < 0.01, r['routine'], r['told']) for r in (one('5', 'connection', 'address', '198.51.100.4'), one('5', 'burst', 'address', '198.51.100.5'))]")" \
	"[(True, 'ntp', False), (True, 'ping', False)]"
case $(cat text) in *"2 are regular and nothing but what a protocol sends by the clock"*) ok "and it is counted" ;;
*) equal "and it is counted" "$(cat text)" "…" ;; esac
equal "the same under another key is told once" \
	"$(ask "[r['told'] for r in (one('5', 'connection', 'address', '198.51.100.1'), one('5', 'connection', 'undeclared', ''))]")" \
	"[False, False]"
printf 'allow *.c2.example.com\nallow 198.51.100.1:9\n' >known
"$BELLJAR" gate read made.pcap --beacons --declared known --json >json
equal "what is declared is judged, and not told" \
	"$(ask "[(r['p'] < 0.01, r['declared'], r['told']) for r in (one('5', 'connection', 'name', 'example.com'), one('7', 'connection', 'address', '198.51.100.1'))]")" \
	"[(True, True, False), (True, True, False)]"
equal "and what is not declared is told as before" "$(ask "one('5', 'burst', 'address', '198.51.100.2')['told']")" True
LC_ALL=C TZ=UTC "$BELLJAR" gate read made.pcap --beacons --json >one
LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo "$BELLJAR" gate read made.pcap --beacons --json >two
equal "the same bytes in another language and time zone" "$(cmp one two 2>&1)" ""
{ head -c 9000 made.pcap; head -c 3000 /dev/zero | tr '\0' '\377'; } >damaged.pcap
"$BELLJAR" gate read damaged.pcap --beacons >out 2>err
equal "of a damaged file what was before is judged, and the exit status says so" "$? $(grep -c 'can be judged' out)" "114 1"
printf 'allow a.example\nallaw b\n' >bad
"$BELLJAR" gate read made.pcap --beacons --declared bad >out 2>err
equal "a mistake in the list is a sentence with line and column" "$? $(grep -c 'bad:2:1' err)" "2 1"
"$BELLJAR" gate read made.pcap --declared known >out 2>err
equal "--declared alone is an error of usage" "$? $(wc -l <err)" "2 1"
"$BELLJAR" gate read nothing.pcap --beacons >out 2>err
equal "a file that is not there is one sentence" "$? $(wc -l <err)" "117 1"
