#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""decode.py BELLJAR CAPTURE_MAKE - what `belljar gate read` and tshark say of the same captures

The captures are made here: handshakes by Python's OpenSSL, HTTP and DNS by hand, cut into segments
that are swapped and repeated, over IPv4 and IPv6; and one by bench/capture_make. Of each, the fields
that both tools have are compared as sorted lists, flow by flow. Prints a test line for each.
"""
import collections
import hashlib
import json
import random
import socket
import ssl
import struct
import subprocess
import sys

BELLJAR, CAPTURE_MAKE = sys.argv[1:3]
FIN, SYN, PSH, ACK = 1, 2, 8, 16
count = 0


def check(words, ours, theirs):
    global count
    count += 1
    # an empty comparison proves nothing
    good = ours == theirs and ours
    print(f"{'ok' if good else 'not ok'} {count} - {words} ({len(theirs)})")
    if not good:
        print("only belljar:", (collections.Counter(ours) - collections.Counter(theirs)).most_common(5))
        print("only tshark:", (collections.Counter(theirs) - collections.Counter(ours)).most_common(5))
    sys.stdout.flush()


# ---- captures ---------------------------------------------------------------------------------


class Capture:
    def __init__(self, name, seed):
        self.packets, self.random, self.name, self.port = [], random.Random(seed), name, 20000

    def ip(self, v6, back, protocol, payload):
        ends = ["2001:db8::5", "2001:db8:1::7"] if v6 else ["192.0.2.5", "198.51.100.7"]
        src, dst = ends[back], ends[not back]
        if v6:
            head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64)
            head += socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
            kind = b"\x86\xdd"
        else:
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
            head += socket.inet_aton(src) + socket.inet_aton(dst)
            kind = b"\x08\x00"
        self.packets.append(bytes(12) + kind + head + payload)

    def udp(self, port, talk, v6=False):
        self.port += 1
        for back, data in talk:
            ports = (port, self.port) if back else (self.port, port)
            self.ip(v6, back, 17, struct.pack(">HHHH", *ports, 8 + len(data), 0) + data)

    def tcp(self, port, talk, v6=False, piece=1400, disorder=1):
        """A connection; each saying in pieces, of which neighbours are swapped or repeated."""
        self.port += 1
        seq = [self.random.getrandbits(32), self.random.getrandbits(32)]

        def segment(back, flags, at, data):
            ports = (port, self.port) if back else (self.port, port)
            ack = seq[not back] if flags & ACK else 0
            self.ip(v6, back, 6, struct.pack(">HHIIBBHHH", *ports, at & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                                             0x50, flags, 65000, 0, 0) + data)

        def bare(back, flags):
            segment(back, flags, seq[back], b"")
            if flags & (SYN | FIN):
                seq[back] += 1

        bare(0, SYN)
        bare(1, SYN | ACK)
        bare(0, ACK)
        for back, data in talk:
            parts = []
            while data:
                n = self.random.randint(1, piece)
                parts.append((seq[back], data[:n]))
                seq[back] += len(data[:n])
                data = data[n:]
            for i in range(len(parts) - 1):
                if self.random.random() < 0.2 * disorder:
                    parts[i], parts[i + 1] = parts[i + 1], parts[i]
            for at, part in parts:
                segment(back, PSH | ACK, at, part)
                if self.random.random() < 0.1 * disorder:
                    segment(back, PSH | ACK, at, part)
            bare(not back, ACK)
        bare(0, FIN | ACK)
        bare(1, FIN | ACK)
        bare(0, ACK)

    def write(self):
        with open(self.name, "wb") as f:
            f.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for i, p in enumerate(self.packets):
                f.write(struct.pack("<IIII", 1700000000, i * 100, len(p), len(p)) + p)
        return self.name


def handshake(version, alpn, name, server_curve=None):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain("cert.pem", "key.pem")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    if alpn:
        client.set_alpn_protocols(alpn)
        server.set_alpn_protocols(alpn[:1])
    if server_curve:
        server.set_ecdh_curve(server_curve)
    c_in, c_out, s_in, s_out = (ssl.MemoryBIO() for _ in range(4))
    c = client.wrap_bio(c_in, c_out, server_hostname=name)
    s = server.wrap_bio(s_in, s_out, server_side=True)
    talk, done = [], 0
    for i in range(6):
        for back, end, out, into in ((0, c, c_out, s_in), (1, s, s_out, c_in)):
            try:
                end.do_handshake()
                if i == 3:
                    end.write(b"x" * 3000)
                    done += 1
            except ssl.SSLWantReadError:
                pass
            data = out.read()
            if data:
                talk.append((back, data))
                into.write(data)
    assert done == 2
    return talk


def tls_capture():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "key.pem", "-out", "cert.pem", "-days", "30", "-subj", "/CN=leaf.example/O=Made up",
                    "-addext", "subjectAltName=DNS:leaf.example,DNS:*.leaf.example"],
                   check=True, stderr=subprocess.DEVNULL)
    c = Capture("tls.pcap", 11)
    versions = ssl.TLSVersion
    for i in range(12):
        version = (versions.TLSv1_3, versions.TLSv1_2)[i % 2]
        alpn = (["h2", "http/1.1"], None, ["http/1.1"])[i % 3]
        name = (f"Host-{i}.Leaf.Example", None)[i % 5 == 4]
        talk = handshake(version, alpn, name, "prime256v1" if i % 4 == 0 else None)
        c.tcp(443, talk, v6=i % 3 == 1, piece=(1400, 100, 17)[i % 3])
    return c.write()


def http_capture():
    c = Capture("http.pcap", 12)
    for i in range(20):
        body = bytes(c.random.randrange(256) for _ in range(c.random.randrange(2000)))
        chunks = b"".join(b"%x\r\n" % len(x) + x + b"\r\n" for x in (body[:99], body[99:]) if x) + b"0\r\n\r\n"
        host = b"h%d.example" % i
        ask = [b"GET /a/%d?x=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: made/%d\r\n\r\n" % (i, host, i),
               b"POST /b HTTP/1.1\r\nHost: %s\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n" % (host, len(body)) + body,
               b"HEAD /c HTTP/1.1\r\nHost: %s\r\n\r\n" % host,
               b"PUT /d HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % host + chunks,
               b"DELETE /e HTTP/1.0\r\n\r\n"]
        answer = [b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
                  b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
                  b"HTTP/1.1 404 No\r\nContent-Length: 77\r\n\r\n",
                  b"HTTP/1.1 204 No\r\n\r\n",
                  b"HTTP/1.0 500 Oh\r\n\r\n" + body]
        # one after the other: of requests that wait together tshark loses some; so it does with chunks
        # out of order (gate_watch_http.c and gate_read.c have both)
        talk = [x for q, a in zip(ask, answer) for x in ((0, q), (1, a))]
        port, v6, piece = (80, 8080)[i % 3 == 0], i % 4 == 1, (1400, 60, 9)[i % 3]
        c.tcp(port, talk[:2] + talk[4:6] + talk[8:], v6, piece)
        c.tcp(port, talk[2:4] + talk[6:8], v6, 1400, disorder=0)
    return c.write()


def dns_name(text):
    return b"".join(bytes([len(x)]) + x.encode() for x in text.split(".")) + b"\0"


def dns_capture():
    c = Capture("dns.pcap", 13)
    data = {1: b"\xc0\0\2\1", 28: socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 5: b"\3www\xc0\x0c", 2: b"\2ns\xc0\x0c",
            12: b"\4back\xc0\x0c", 15: b"\0\x0a\2mx\xc0\x0c", 16: b"\5hello\3a b", 33: b"\0\1\0\2\x1f\x90\3srv\xc0\x0c",
            6: b"\2ns\xc0\x0c\4root\xc0\x0c" + struct.pack(">5I", 1, 2, 3, 4, 5), 257: b"\0\5issueca.org", 99: b"\3spf"}
    for i, (kind, rdata) in enumerate(data.items()):
        name = dns_name(f"N{i}.Example.test")
        ask = struct.pack(">6H", 1000 + i, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", kind, 1)
        record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 300 + i, len(rdata)) + rdata
        rcode = i % 4
        reply = struct.pack(">6H", 1000 + i, 0x8180 | rcode, 1, 2, 0, 0) + name + struct.pack(">HH", kind, 1) + record * 2
        c.udp(53, [(0, ask), (1, reply)], v6=i % 2 == 1)
        framed = [struct.pack(">H", len(m)) + m for m in (ask, reply)]
        c.tcp(53, [(0, framed[0] * 2), (1, framed[1] * 2)], piece=(1400, 5)[i % 2])
    return c.write()


# ---- what the two say -----------------------------------------------------------------------------


def belljar(name, kind):
    """events of a kind, each with .ports of its flow, the program's first"""
    text = subprocess.run([BELLJAR, "gate", "read", "--json", name], check=True, capture_output=True, text=True).stdout
    ports, out = {}, []
    for e in map(json.loads, text.splitlines()):
        if e["kind"] == "flow":
            ports[e["flow"]] = (str(e["src_port"]), str(e["dst_port"]))
        elif e["kind"] == kind:
            e["ports"] = ports[e["flow"]]
            out.append(e)
        elif e["kind"] == "gap":
            print("gap:", e["detail"])
    return out


def tshark(name, wanted, *fields, options=()):
    """a dict for each packet that has what is wanted; values are lists. The program has the large port."""
    command = ["tshark", "-n", "-r", name, "-Y", wanted, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=\x01",
               "-o", "tcp.reassemble_out_of_order:TRUE", *options]
    fields = ("tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport") + fields
    for f in fields:
        command += ["-e", f]
    rows = []
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n"):
        if not line:
            continue
        row = {f: v.split("\x01") if v else [] for f, v in zip(fields, line.split("\t"))}
        src, dst = (int((row["tcp." + x] or row["udp." + x])[0]) for x in ("srcport", "dstport"))
        row["ports"] = (str(max(src, dst)), str(min(src, dst)))
        rows.append(row)
    return rows


def lists(*columns):
    """of a packet with several messages: as many tuples as the longest column has values"""
    n = max(len(c) for c in columns)
    assert all(len(c) in (0, n) for c in columns), columns
    return list(zip(*(c or [""] * n for c in columns)))


def compare_http(name, options=()):
    ours, theirs = [], []
    for e in belljar(name, "http"):
        if e["op"] == "request":
            ours.append(e["ports"] + (e["method"], e.get("host") or "", e["target"], e.get("user_agent") or ""))
        else:
            ours.append(e["ports"] + (str(e["status"]), e.get("content_type") or "", "", ""))
    # of several heads in a packet only some have a Host: one head after the other, by their lines
    for r in tshark(name, "http.request or http.response", "http.request.method", "http.request.uri", "http.request.line",
                    "http.response.code", "http.response.line", options=options):
        lines = collections.deque(x.split("\\r\\n")[0] for x in r["http.request.line"] + r["http.response.line"])

        def field(which):
            for x in lines:
                if x.lower().startswith(which + ":"):
                    return x.split(":", 1)[1].strip()
            return ""

        one = len(r["http.request.method"]) + len(r["http.response.code"]) == 1
        for method, uri in lists(r["http.request.method"], r["http.request.uri"]) if r["http.request.method"] else []:
            theirs.append(r["ports"] + ((method, field("host"), uri, field("user-agent")) if one else (method, None, uri, None)))
        for code in r["http.response.code"]:
            theirs.append(r["ports"] + (code, field("content-type") if one else None, "", ""))
    # where tshark has several heads in one packet, its fields cannot be told apart: compare the rest
    blurred = {t[:3] + (t[4],) for t in theirs if None in t}
    check(f"{name}: requests and responses", sorted(t[:3] + (t[4],) for t in ours), sorted(t[:3] + (t[4],) for t in theirs))
    check(f"{name}: their fields", sorted(t for t in ours if t[:3] + (t[4],) not in blurred),
          sorted(t for t in theirs if t[:3] + (t[4],) not in blurred))


VERSIONS = {"0x0304": "TLS 1.3", "0x0303": "TLS 1.2"}


def compare_tls(name):
    ours, certs = collections.defaultdict(list), []
    for e in belljar(name, "tls"):
        if e["op"] == "client-hello":
            ours["client"].append(e["ports"] + (e.get("sni") or "", e.get("alpn") or ""))
        elif e["op"] == "server-hello":
            ours["server"].append(e["ports"] + (e["version"], e["cipher"]))
        elif e["op"] == "certificate":
            certs += [e["ports"] + (h, "*.leaf.example" in e["names"].split(",")) for h in e["chain_sha256"].split(",")]
    theirs = collections.defaultdict(list)
    for r in tshark(name, "tls.handshake.type == 1", "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str"):
        theirs["client"].append(r["ports"] + ("".join(r["tls.handshake.extensions_server_name"]).lower(),
                                              ",".join(r["tls.handshake.extensions_alpn_str"])))
    names = {}
    for line in subprocess.run(["tshark", "-G", "values"], capture_output=True, text=True).stdout.splitlines():
        f = line.split("\t")
        if f[:2] == ["V", "tls.handshake.ciphersuite"]:
            names[int(f[2], 0)] = f[3]
    for r in tshark(name, "tls.handshake.type == 2", "tls.handshake.ciphersuite", "tls.handshake.version",
                    "tls.handshake.extensions.supported_version"):
        version = (r["tls.handshake.extensions.supported_version"] or r["tls.handshake.version"])[0]
        theirs["server"].append(r["ports"] + (VERSIONS[version], names[int(r["tls.handshake.ciphersuite"][0], 0)]))
    others = []
    for r in tshark(name, "tls.handshake.certificate", "tls.handshake.certificate", "x509ce.dNSName"):
        others += [r["ports"] + (hashlib.sha256(bytes.fromhex(x.replace(":", ""))).hexdigest(),
                                 "*.leaf.example" in r["x509ce.dNSName"]) for x in r["tls.handshake.certificate"]]
    for what in theirs:
        check(f"{name}: {what} hellos", sorted(ours[what]), sorted(theirs[what]))
    if others:
        check(f"{name}: certificates", sorted(certs), sorted(others))


def compare_dns(name):
    ours, theirs, data = [], [], []
    for e in belljar(name, "dns"):
        ours.append(e["ports"] + (str(e["id"]), e["name"], e["op"], e.get("rcode") or ""))
        for record in (e.get("answers") or "").split("; "):
            f = record.split(" ", 3)
            if f[0] and f[2] in ("A", "AAAA", "CNAME", "NS", "PTR"):
                data.append(e["ports"] + (f[1], f[3]))
    words = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN"]
    others = []
    for r in tshark(name, "dns", "dns.id", "dns.qry.name", "dns.flags.response", "dns.flags.rcode", "dns.resp.ttl", "dns.a",
                    "dns.aaaa", "dns.cname", "dns.ns", "dns.ptr.domain_name"):
        answers = iter(r["dns.flags.rcode"])
        for number, asked, response in lists(r["dns.id"], r["dns.qry.name"], r["dns.flags.response"]):
            theirs.append(r["ports"] + (str(int(number, 0)), asked.lower(), ("query", "answer")[int(response)],
                                        words[int(next(answers))] if int(response) else ""))
        values = r["dns.a"] + r["dns.aaaa"] + r["dns.cname"] + r["dns.ns"] + r["dns.ptr.domain_name"]
        if values:
            others += [r["ports"] + (ttl, v.lower()) for ttl, v in lists(r["dns.resp.ttl"], values)]
    check(f"{name}: questions and answers", sorted(ours), sorted(theirs))
    check(f"{name}: records", sorted(data), sorted(others))


compare_http(http_capture())
compare_tls(tls_capture())
compare_dns(dns_capture())
with open("made.pcap", "wb") as made:
    subprocess.run([CAPTURE_MAKE, "20000", "5"], check=True, stdout=made)
# bodies that go on after the end of the file: tshark shall not wait for them
compare_http("made.pcap", ("-o", "http.desegment_body:FALSE"))
compare_tls("made.pcap")
compare_dns("made.pcap")
