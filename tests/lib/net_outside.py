#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody of the host whom no box may reach: net_outside.py FOLDER ADDRESS…

Listens by TCP and UDP at one port of every address, for a group and for broadcasts, and at the port
of DHCP servers where it may; answers everybody with a word; writes who came into FOLDER/came, and the
port into FOLDER/port when it is ready. Ends when FOLDER/port is removed.
"""
import os
import selectors
import socket
import struct
import sys

FOLDER, ADDRESSES, GROUP = sys.argv[1], sys.argv[2:], "239.1.2.3"
WORD = b"the-host-speaks"
sel = selectors.DefaultSelector()


def came(what):
    with open(os.path.join(FOLDER, "came"), "a") as f:
        f.write(what + "\n")


def listen(kind, address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(16)
    sel.register(s, selectors.EVENT_READ)
    return s


port = listen(socket.SOCK_STREAM, "127.0.0.1", 0).getsockname()[1]
for address in ADDRESSES:
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        if (address, kind) != ("127.0.0.1", socket.SOCK_STREAM):
            listen(kind, address, port)
for where, at in (("", port), ("", 67)):
    try:
        s = listen(socket.SOCK_DGRAM, where, at)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1")))
    except OSError:
        pass
with open(os.path.join(FOLDER, "port.new"), "w") as f:
    f.write(str(port))
os.rename(os.path.join(FOLDER, "port.new"), os.path.join(FOLDER, "port"))
while os.path.exists(os.path.join(FOLDER, "port")):
    for key, _ in sel.select(0.2):
        if key.fileobj.type == socket.SOCK_STREAM:
            c, who = key.fileobj.accept()
            came(f"tcp {key.fileobj.getsockname()[0]} from {who[0]}")
            c.sendall(WORD)
            c.close()
        else:
            data, who = key.fileobj.recvfrom(2048)
            came(f"udp {key.fileobj.getsockname()[0]} from {who[0]} {data[:20]!r}")
            key.fileobj.sendto(WORD, who)
