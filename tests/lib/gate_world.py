#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real network of tests/suites/gate.sh: a name server and servers in a network namespace.

gate_world.py FOLDER: serves at the addresses of 192.0.2.0/24 and 2001:db8::/64 that are on lo, and
writes FOLDER/ready when it does. Each server writes what it got into FOLDER. Certificates of the
test's own authority are made in FOLDER by openssl.
"""
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time

FOLDER = sys.argv[1]
# name: IPv4, IPv6
NAMES = {
    "web.example": ("192.0.2.10", "2001:db8::10"),
    "v4.example": ("192.0.2.10", None),
    "v6.example": (None, "2001:db8::10"),
    "shared-a.example": ("192.0.2.20", None),
    "shared-b.example": ("192.0.2.20", None),
    "echo.example": ("192.0.2.30", "2001:db8::30"),
    "closed.example": ("192.0.2.30", None),
    "wrong.example": ("192.0.2.40", None),
    "asks.example": ("192.0.2.30", None),
    "faces.example": ("192.0.2.40", None),
}
LOCK = threading.Lock()


def log(name, line):
    with LOCK, open(os.path.join(FOLDER, name), "a") as f:
        f.write(line + "\n")


# ---- names -----------------------------------------------------------------------------------

def dns_answer(query):
    labels, at = [], 12
    while query[at]:
        n = query[at]
        labels.append(query[at + 1:at + 1 + n].decode("latin-1"))
        at += n + 1
    name = ".".join(labels).lower()
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    question = query[12:at + 5]
    log("dns", f"{name} {kind}")
    rcode, answers = (0, []) if name in NAMES else (3, [])
    v4, v6 = NAMES.get(name, (None, None))
    if kind == 65 and name == "web.example":  # HTTPS (RFC 9460): alpn, ipv4hint, ech
        answers = [b"\0\1\0\0\1\0\3\2h2\0\4\0\4" + socket.inet_aton(v4) + b"\0\5\0\7ECHKEYS"]
    if kind == 1 and v4:
        answers = [socket.inet_pton(socket.AF_INET, v4)]
    if kind == 28 and v6:
        answers = [socket.inet_pton(socket.AF_INET6, v6)]
    out = query[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(answers), 0, 0) + question
    for data in answers:
        out += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data
    return out


class DnsUdp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(dns_answer(data), self.client_address)


# ---- streams ---------------------------------------------------------------------------------

class Http(socketserver.StreamRequestHandler):
    """GET /N: N bytes; anything else: two bytes."""

    def handle(self):
        while True:
            line = self.rfile.readline()
            if not line.strip():
                return
            host, length = "", 0
            while True:
                head = self.rfile.readline().strip().decode("latin-1")
                if not head:
                    break
                if head.lower().startswith("host:"):
                    host = head[5:].strip()
                if head.lower().startswith("content-length:"):
                    length = int(head[15:])
            body = self.rfile.read(length)
            target = line.split()[1].decode("latin-1")
            log("http", f"{host} {line.split()[0].decode()} {target} {len(body)}")
            n = int(target[1:]) if target[1:].isdigit() else 2
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
            block = b"k" * 65536
            while n > 0:
                self.wfile.write(block[:n])
                n -= len(block[:n])


class Echo(socketserver.BaseRequestHandler):
    """What comes goes back, until the other side ends its half; then one last line."""

    def handle(self):
        got = b""
        while True:
            try:
                data = self.request.recv(65536)
            except OSError:
                log("echo", "reset")
                return
            if not data:
                break
            got = (got + data)[:64]
            self.request.sendall(data)
        log("echo", "tcp " + got.decode("latin-1").strip())
        self.request.sendall(b"bye\n")


class EchoUdp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        log("echo", "udp " + data[:64].decode("latin-1").strip())
        sock.sendto(data, self.client_address)


class Resetting(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


class Half(socketserver.BaseRequestHandler):
    """Says a line, ends its half, and counts what still comes."""

    def handle(self):
        self.request.sendall(b"over\n")
        self.request.shutdown(socket.SHUT_WR)
        n = 0
        while data := self.request.recv(65536):
            n += len(data)
        log("half", str(n))


class Stuck(socketserver.BaseRequestHandler):
    """Accepts and never reads: its window closes."""

    def handle(self):
        time.sleep(600)


def full(at):
    """A listener whose queue is full: it answers no SYN."""
    return socket.create_server(at, backlog=0), socket.create_connection(at)


class Vanishing(socketserver.BaseRequestHandler):
    """Speaks once, hears once, and is gone without a word."""

    def handle(self):
        self.request.sendall(b"here\n")
        self.request.recv(1)
        self.request.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)  # to nowhere: own-net
        log("vanished", "gone")
        time.sleep(600)


class First(socketserver.BaseRequestHandler):
    """Speaks first."""

    def handle(self):
        self.request.sendall(b"SSH-2.0-world\r\n")
        log("first", self.request.recv(100).decode("latin-1").strip())


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


class Tcp6(Tcp):
    address_family = socket.AF_INET6


class Tls(Tcp):
    def get_request(self):
        sock, address = super().get_request()
        return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, client_address):
        pass


class TlsDone(Tls):
    """Writes down whether the client showed a certificate."""

    def finish_request(self, request, client_address):
        try:
            request.do_handshake()
            log("asked", "certificate " + str(bool(request.getpeercert())))
            super().finish_request(request, client_address)
        except OSError as e:
            log("asked", "failed " + type(e).__name__)


class TwoFaced(Tls):
    """Shows the first handshake the right certificate, and the next one somebody else's."""

    def face(self, sock, name, context):
        self.seen = getattr(self, "seen", 0) + 1
        sock.context = self.right if self.seen % 2 else self.other


class Udp(socketserver.ThreadingUDPServer):
    allow_reuse_address = True
    max_packet_size = 65536
    daemon_threads = True


class Udp6(Udp):
    address_family = socket.AF_INET6


def certificate(name, names):
    """FOLDER/ca.pem, and a leaf for names as FOLDER/NAME.pem"""
    run = lambda *a: subprocess.run(a, check=True, capture_output=True, cwd=FOLDER)
    if not os.path.exists(os.path.join(FOLDER, "ca.pem")):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "30", "-subj", "/CN=world", "-keyout", "ca.key", "-out", "ca.pem")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=" + names[0], "-keyout", name + ".key", "-out", name + ".csr")
    with open(os.path.join(FOLDER, name + ".ext"), "w") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n")
    run("openssl", "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "30", "-extfile", name + ".ext", "-out", name + ".crt")
    with open(os.path.join(FOLDER, name + ".pem"), "w") as f:
        for part in (name + ".key", name + ".crt"):
            f.write(open(os.path.join(FOLDER, part)).read())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(FOLDER, name + ".pem"))
    return context


def main():
    good = certificate("good", ["web.example", "v4.example", "shared-a.example", "shared-b.example"])
    servers = [
        Udp(("192.0.2.53", 53), DnsUdp),
        Udp(("192.0.2.30", 7), EchoUdp), Udp6(("2001:db8::30", 7), EchoUdp),
    ]
    for at in "192.0.2.10", "192.0.2.20", "192.0.2.40":
        servers.append(Tcp((at, 80), Http))
        tls = Tls((at, 443), Http)
        # at 192.0.2.40 stands somebody else than who is asked for
        tls.context = good
        servers.append(tls)
    faces = TwoFaced(("192.0.2.40", 8443), Http)
    faces.other, faces.right = good, certificate("faces", ["faces.example"])
    faces.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    faces.context.load_cert_chain(os.path.join(FOLDER, "faces.pem"))
    faces.context.sni_callback = faces.face
    asks = TlsDone(("192.0.2.30", 443), Http)
    asks.context = certificate("asks", ["asks.example"])
    asks.context.load_verify_locations(os.path.join(FOLDER, "ca.pem"))
    asks.context.verify_mode = ssl.CERT_REQUIRED
    certificate("person", ["person.example"])
    servers += [
        asks, faces,
        Tcp6(("2001:db8::10", 80), Http),
        Tcp(("192.0.2.30", 7), Echo), Tcp6(("2001:db8::30", 7), Echo),
        Tcp(("192.0.2.30", 8), Resetting), Tcp(("192.0.2.30", 9), Stuck),
        Tcp(("192.0.2.30", 22), First), Tcp(("192.0.2.30", 10), Half), Tcp(("192.0.2.30", 11), Vanishing),
    ]
    silent = full(("192.0.2.30", 12))
    for s in servers:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    open(os.path.join(FOLDER, "ready"), "w").close()
    while os.path.exists(os.path.join(FOLDER, "ready")):
        time.sleep(0.2)


main()
