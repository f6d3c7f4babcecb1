#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root range single
# timeout: 900
#
# clients - programs that share no library with others: a static Go program, a static C program that
# makes its system calls itself, Node and Java where they are; refusals are errors at once
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

run() { # BOX [OPTION…] -- COMMAND…: its output
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" "$@" 2>&1
}

gcc -static -O1 -o client "$BELLJAR_SRC/tests/lib/client.c"
out=$(run static --deny 203.0.113.9 --copy client -- sh -c './client 203.0.113.7 8090; ./client 203.0.113.9 80')
equal "a static program without any library's sockets meets the sinkhole, and what is refused at once" \
	"$out" "$(printf 'HTTP/1.1 200 OK\nrefused')"
check "its flows are its own" recorded static \
	"(SELECT group_concat(answer) FROM (SELECT f.answer FROM flow f JOIN process p ON p.proc = f.proc AND
	 p.op = 'exec' WHERE f.op = 'end' AND p.image LIKE '%/client' ORDER BY f.flow)) = 'sinkhole,refused'"

if command -v go >/dev/null; then
	cp "$BELLJAR_SRC/tests/lib/client.go" go-client.go
	check "a Go program is built" env HOME="$TMPDIR" GOCACHE="$TMPDIR/go" CGO_ENABLED=0 GO111MODULE=off GOFLAGS= \
		go build -o go-client go-client.go
	rm -rf "$TMPDIR/go"
	out=$(run go --deny denied.example --copy go-client -- ./go-client http://vendor.example/page \
		https://vendor.example/page http://203.0.113.7:8090/ http://denied.example/ https://dns.google/dns-query)
	equal "a static Go program gets answers, by TLS and HTTP/2 too, and errors at once" \
		"$(sed 's/.*denied.example.*/no name/' <<<"$out")" \
		"$(printf '200 HTTP/1.1\n200 HTTP/2.0\n200 HTTP/1.1\nno name\nrefused\ntrue <nil>')"
	check "its flows are its own, with names" recorded go \
		"(SELECT count(*) FROM flow f JOIN process p ON p.proc = f.proc AND p.op = 'exec' WHERE f.op = 'begin'
		 AND f.protocol = 'tcp' AND p.image LIKE '%/go-client' AND f.name = 'vendor.example') = 2"
	check "what it asked inside of TLS is on record" recorded go \
		"(SELECT count(*) FROM http WHERE op='request' AND tls=1 AND version='2' AND target='/page') = 1"
else
	skip "a static Go program" "there is no go"
fi

if command -v node >/dev/null; then
	out=$(run node -- node -e '
		const https = require("https");
		https.get("https://vendor.example/page", r => { console.log(r.statusCode); process.exit(); }).on("error", e => console.log(e.code));')
	equal "Node gets an answer by TLS" "$out" 200
else
	skip "Node gets an answer by TLS" "there is no node"
fi

if command -v javac >/dev/null; then
	check "a Java program is built" javac -J-XX:-UsePerfData -d . "$BELLJAR_SRC/tests/lib/Client.java"
	out=$(run java --deny denied.example --deny 203.0.113.9 --copy Client.class -- java -cp . Client http://vendor.example/page \
		https://vendor.example/page http://203.0.113.7:8090/ http://denied.example/ http://203.0.113.9/)
	equal "both of Java's clients get answers, by TLS and HTTP/2 too, and errors at once" "$out" "$(printf '%s\n' \
		"200 HTTP_1_1 200" "200 HTTP_2 200" "200 HTTP_1_1 200" "no-name no-name" "error error")"
	check "its flows are its own, with names" recorded java \
		"(SELECT count(*) FROM flow f JOIN process p ON p.proc = f.proc AND p.op = 'exec' WHERE f.op = 'begin'
		 AND f.protocol = 'tcp' AND p.image LIKE '%/java' AND f.name = 'vendor.example') = 4"
	check "what it asked inside of TLS is on record" recorded java \
		"(SELECT group_concat(DISTINCT version) FROM (SELECT version FROM http WHERE op='request' AND tls=1 AND
		 target='/page' ORDER BY version)) = '1.1,2'"
	check "and who was refused, with the reason" recorded java \
		"(SELECT count(*) FROM flow WHERE op='end' AND answer='refused' AND end='policy' AND dst='203.0.113.9' AND
		 reason LIKE 'a rule denies it%') >= 2"
else
	skip "a Java program" "there is no javac"
fi

# ---- name service that would hide names ----------------------------------------------------------

out=$(run hides -- python3 -c '
import socket, ssl
def tcp(at, port, name=None):
    try:
        s = socket.create_connection((at, port), 20)
        if name:
            c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
            c.set_alpn_protocols(["dot"] if name == "dot" else ["h2"])
            s = c.wrap_socket(s, server_hostname=None if name == "dot" else name)
        s.sendall(b"x"); print(s.recv(1) and "answered")
    except ConnectionResetError: print("reset")
    except ConnectionRefusedError: print("refused")
    except OSError as e: print(type(e).__name__)
tcp("203.0.113.5", 853)
tcp("8.8.8.8", 443, "dns.google")
tcp("1.1.1.1", 443, "cloudflare-dns.com")
tcp("8.8.8.8", 853, "dns.google")
tcp("2606:4700:4700::1111", 443, "one.one.one.one")')
equal "DNS over TLS and HTTPS at well-known and other places is refused at once" "$out" \
	"$(printf 'reset\nreset\nreset\nreset\nreset')"
check "each with the reason" recorded hides \
	"(SELECT count(*) FROM flow WHERE op='end' AND protocol='tcp' AND answer='refused' AND end='policy' AND
	 reason LIKE '%would hide from the policy%') = 5"
