#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TLS hello with an encrypted part (RFC 9849): ech_hello.py NAME ADDRESS PORT sends it, and says what comes.

OpenSSL makes the hello, and the extension is put in by hand: what stands in it is noise, as of a
browser that hides whether it means it.
"""
import os
import socket
import ssl
import struct
import sys

ECH = 0xfe0d


def with_ech(message):
    """A ClientHello, from its type and length on, with the extension as its last."""
    at = 4 + 2 + 32
    at += 1 + message[at]  # session
    at += 2 + struct.unpack_from("!H", message, at)[0]  # cipher suites
    at += 1 + message[at]  # compression
    extensions = message[at + 2:]
    inner = b"\0\0\1\0\1\x2a" + struct.pack("!H", 32) + os.urandom(32) + struct.pack("!H", 144) + os.urandom(144)
    extensions += struct.pack("!HH", ECH, len(inner)) + inner
    body = message[4:at] + struct.pack("!H", len(extensions)) + extensions
    return message[:1] + len(body).to_bytes(3, "big") + body


def hello(name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(bio_in, bio_out, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    message = with_ech(bio_out.read()[5:])
    return b"\x16\3\1" + struct.pack("!H", len(message)) + message


if __name__ == "__main__":
    s = socket.create_connection((sys.argv[2], int(sys.argv[3])), 20)
    try:
        s.sendall(hello(sys.argv[1]))
        got = s.recv(3)
        print("answered" if got == b"\x16\3\3" else "closed" if not got else "alert")
    except ConnectionResetError:
        print("refused")
