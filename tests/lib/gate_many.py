#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gate_many.py tcp|udp[-threads] WORKERS FLOWS: each worker makes FLOWS short flows, one after the
other, and each flow says the process id of who made it."""
import os
import socket
import sys
import threading

HOW, WORKERS, FLOWS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def tcp(tag):
    s = socket.create_connection(("192.0.2.30", 7), 60)
    s.sendall(tag)
    s.shutdown(1)
    while s.recv(1000):
        pass
    s.close()


def udp(tag):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(60)
    u.sendto(tag, ("192.0.2.30", 7))
    u.recvfrom(1000)
    u.close()


def work():
    for i in range(FLOWS):
        (tcp if HOW.startswith("tcp") else udp)(b"pid %d flow %d" % (os.getpid(), i))


def process(threads):
    if os.fork():
        return
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    os._exit(0)


EACH = 10 if HOW.endswith("threads") else 1
for _ in range(WORKERS // EACH):
    process(EACH)
for _ in range(WORKERS // EACH):
    os.wait()
