#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 600
# net: own
#
# interception - TLS that the box's own authority opens: what is inside is seen, a false server is
# refused, and who cannot be opened (pinning, client certificates) is passed through by policy
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

world_up "TLS that is opened"
cp "$world/ca.pem" "$world/person.pem" .
opened=()
for a in 192.0.2.10 192.0.2.30 192.0.2.40 2001:db8::10; do opened+=(--allow "$a"); done
opened+=(--allow '*.example' --tls-open '*.example')

run() { # BOX [OPTION…] -- COMMAND…: its output
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" "$@" 2>&1
}

flow() { # BOX NUMBER: how the box's TLS flow of that number ended
	sql "$1" "SELECT answer || ' ' || end || ': ' || reason FROM flow WHERE op='end' AND protocol='tcp' ORDER BY flow LIMIT 1 OFFSET $2 - 1"
}

# ---- opened --------------------------------------------------------------------------------------

out=$(run open "${opened[@]}" -- sh -c '
	curl -sS -m 20 https://web.example/77 | wc -c
	curl -sS -m 20 --data secret=1 https://web.example/5 | wc -c
	python3 -c "import urllib.request as u; print(len(u.urlopen(\"https://web.example/9\", timeout=20).read()))"
	head -c 2000000 /dev/zero | curl -sS -m 60 --data-binary @- https://web.example/1000000 | wc -c')
equal "programs get the real server's answers, in both directions" "$out" "$(printf '77\n5\n9\n1000000')"
check "the requests inside are on record" recorded open \
	"(SELECT group_concat(method || target) FROM (SELECT * FROM http WHERE op='request' AND tls=1 AND
	 host='web.example' ORDER BY seq)) = 'GET/77,POST/5,GET/9,POST/1000000'"
check "so are the answers" recorded open \
	"(SELECT count(*) FROM http WHERE op='response' AND tls=1 AND status=200) = 4"
check "and the bytes inside are kept" recorded open \
	"(SELECT count(*) FROM content WHERE tls=1 AND dir='out' AND part='whole') >= 3"
check "the real server's certificate was checked each time" recorded open \
	"(SELECT count(*) FROM tls WHERE op='certificate' AND side='upstream' AND verdict='ok') = 4"
equal "the server saw the request" "$(grep -c 'web.example POST /5 8' "$world/http")" 1
if command -v tshark >/dev/null; then
	"$BELLJAR" export open --pcapng -o open.pcapng
	equal "the exported capture can be read inside" \
		"$(tshark -r open.pcapng -Y http.request -T fields -e http.request.uri 2>/dev/null | head -n 3 | tr '\n' ' ')" \
		"/77 /5 /9 "
else
	skip "the exported capture can be read inside" "there is no tshark"
fi

if command -v javac >/dev/null; then
	check "a Java program is built" javac -J-XX:-UsePerfData -d . "$BELLJAR_SRC/tests/lib/Client.java"
	out=$(run java "${opened[@]}" --copy Client.class -- java -cp . Client http://web.example/12 https://web.example/78 \
		https://wrong.example/4)
	equal "Java trusts the box's authority, and gets the real server's answers and no other's" "$out" "$(printf '%s\n' \
		"200 HTTP_1_1 200" "200 HTTP_1_1 200" "error error")"
	check "its requests inside are on record" recorded java \
		"(SELECT count(*) FROM http WHERE op='request' AND tls=1 AND host='web.example' AND target='/78') = 2"
else
	skip "Java trusts the box's authority" "there is no javac"
fi

# ---- a false server ------------------------------------------------------------------------------

out=$(run false "${opened[@]}" -- sh -c 'curl -s -m 20 -k https://wrong.example/4; echo $?')
equal "a server whose certificate is for another name is refused" "$out" 35
check "with the reason" grep -q '^refused policy: the certificate is for .*, not for wrong.example' <<<"$(flow false 1)"
equal "and it got no request" "$(grep -c 'GET /4 ' "$world/http")" 0
out=$(SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt run unknown "${opened[@]}" -- \
	sh -c 'curl -s -m 20 -k https://web.example/4; echo $?')
equal "so is one that nobody whom this machine trusts has signed" "$out" 35
check "with that reason" grep -q '^refused policy: nobody whom this machine trusts has signed' <<<"$(flow unknown 1)"
equal "and that got no request either" "$(grep -c 'GET /4 ' "$world/http")" 0

# ---- who cannot be opened ------------------------------------------------------------------------

pins='for i in 1 2 3; do curl -s -m 20 --cacert ca.pem --capath /none https://web.example/3; echo " $?"; done'
out=$(run pins "${opened[@]}" --copy ca.pem -- sh -c "$pins")
equal "a program that pins loses one connection, and the next are passed through" "$out" "$(printf ' 60\nkkk 0\nkkk 0')"
check "the first one's end says that it pins" \
	grep -q "^allowed closed: the program ended the handshake: unknown_ca: it pins" <<<"$(flow pins 1)"
check "the alert is on record" recorded pins \
	"(SELECT count(*) FROM tls WHERE op='alert' AND side='box' AND verdict='unknown_ca') = 1"
check "each that is passed through says so, and why" \
	grep -q "^allowed [a-z-]*: TLS to 'web.example' is not opened but passed through (tls-pinned pass): the program pins" \
	<<<"$(flow pins 3)"
check "nothing inside of them is claimed to have been seen" recorded pins \
	"(SELECT count(*) FROM http) = 0 AND (SELECT count(*) FROM content WHERE tls=1) = 0"

printf 'mode declared\nallow *.example\nallow 192.0.2.0/24\nallow 2001:db8::/32\ntls-open *.example\ntls-pinned refuse\n' >policy
out=$(run refuses --policy policy --copy ca.pem -- sh -c "$pins")
equal "where the policy says so they are refused instead" "$out" "$(printf ' 60\n 35\n 35')"
check "which is on record" grep -q "^refused policy: TLS to 'web.example' is not opened but refused (tls-pinned refuse)" \
	<<<"$(flow refuses 2)"

asks='curl -s -m 20 --cacert ca.pem --cert person.pem https://asks.example/3; echo " $?"'
out=$(run asks "${opened[@]}" --copy ca.pem --copy person.pem -- sh -c "$asks; $asks")
equal "a server that asks for the program's certificate gets it, unopened, at once" "$out" "$(printf 'kkk 0\nkkk 0')"
equal "from the program itself" "$(grep -c 'certificate True' "$world/asked")" 2
for n in 1 2; do
	check "flow $n of the two says so" grep -q \
		"^allowed [a-z-]*: TLS to 'asks.example' is not opened but passed through (tls-pinned pass): the server asks for a client" \
		<<<"$(flow asks $n)"
done
out=$(run leaves "${opened[@]}" -- python3 -c '
import socket, ssl
for i in range(2):
    s = socket.create_connection(("web.example", 443), 20)
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    t = c.wrap_socket(s, server_hostname="web.example")
    print(b"belljar" in t.getpeercert(True), flush=True)
    t.unwrap() if i else s.shutdown(2)')
check "a program that looks at the certificate and leaves is taken for one that pins" \
	grep -q "saw the certificate of the box's authority and said nothing more: it pins" <<<"$(flow leaves 1)"

out=$(run none -- sh -c 'curl -sS -m 20 -o /dev/null -w "%{http_code}" https://vendor.example/page')
equal "TLS of the sinkhole is answered" "$out" 200
out=$("$BELLJAR" run -q -- sh -c 'curl -sS -m 20 -o /dev/null -w "%{http_code}" https://vendor.example/page')
equal "in a run that keeps no record as well" "$out" 200

rm "$world/ready"
wait $server
