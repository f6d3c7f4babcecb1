#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A QUIC client's first datagram (RFC 9001 5): quic_initial.py NAME ADDRESS PORT [ech] sends it, and says
whether an answer, an error or nothing comes. AES by the program openssl, GHASH by hand.
"""
import hashlib
import hmac
import os
import socket
import ssl
import struct
import subprocess
import sys

SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")


def aes(key, blocks):
    return subprocess.run(["openssl", "enc", "-aes-128-ecb", "-K", key.hex(), "-nopad"], input=blocks,
                          capture_output=True, check=True).stdout


def expand(secret, label, n):
    label = b"tls13 " + label
    info = struct.pack("!HB", n, len(label)) + label + b"\0\1"
    return hmac.new(secret, info, hashlib.sha256).digest()[:n]


def multiply(x, y):
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (0xe1 << 120 if y & 1 else 0)
    return z


def seal(key, iv, text, aad):
    pad = lambda b: b + bytes(-len(b) % 16)
    n = (len(text) + 15) // 16
    stream = aes(key, bytes(16) + b"".join(iv + struct.pack("!I", i + 1) for i in range(n + 1)))
    h = int.from_bytes(stream[:16], "big")
    out = bytes(a ^ b for a, b in zip(text, stream[32:]))
    s = 0
    blocks = pad(aad) + pad(out) + struct.pack("!QQ", len(aad) * 8, len(out) * 8)
    for i in range(0, len(blocks), 16):
        s = multiply(s ^ int.from_bytes(blocks[i:i + 16], "big"), h)
    return out + bytes(a ^ b for a, b in zip(s.to_bytes(16, "big"), stream[16:32]))


def initial(name):
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h3"])
    bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(bio_in, bio_out, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = bio_out.read()[5:]
    if len(sys.argv) > 4:  # its name is hidden
        from ech_hello import with_ech
        hello = with_ech(hello)
    payload = b"\x06\0" + struct.pack("!H", 0x4000 | len(hello)) + hello
    payload += bytes(1162 - len(payload))
    destination = os.urandom(8)
    secret = expand(hmac.new(SALT, destination, hashlib.sha256).digest(), b"client in", 32)
    key, iv = expand(secret, b"quic key", 16), expand(secret, b"quic iv", 12)
    head = b"\xc3\0\0\0\1\x08" + destination + b"\0\0" + struct.pack("!HI", 0x4000 | 4 + len(payload) + 16, 0)
    sealed = seal(key, iv, payload, head)
    mask = aes(expand(secret, b"quic hp", 16), sealed[:16])
    head = bytes([head[0] ^ mask[0] & 15]) + head[1:-4] + bytes(a ^ b for a, b in zip(head[-4:], mask[1:5]))
    return head + sealed


s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
try:
    s.connect((sys.argv[2], int(sys.argv[3])))
    s.send(initial(sys.argv[1]))
    print("answered", len(s.recv(2048)) > 0)
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("nothing")
