#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""no_nftables.py COMMAND… - as on a kernel without nf_tables: socket(2) knows no such protocol"""
import ctypes, os, struct, sys

AF_NETLINK, NETLINK_NETFILTER, EPROTONOSUPPORT = 16, 12, 93
SYS_SOCKET, ALLOW, ERRNO, LOAD, JEQ, RET = 41, 0x7FFF0000, 0x00050000, 0x20, 0x15, 0x06
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
code = [
    (LOAD, 0, 0, 0), (JEQ, 0, 5, SYS_SOCKET),
    (LOAD, 0, 0, 16), (JEQ, 0, 3, AF_NETLINK),
    (LOAD, 0, 0, 32), (JEQ, 0, 1, NETLINK_NETFILTER),
    (RET, 0, 0, ERRNO | EPROTONOSUPPORT), (RET, 0, 0, ALLOW),
]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
libc = ctypes.CDLL(None, use_errno=True)
# root needs no promise, which would take set-user-id programs from everybody below
if os.getuid() and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
    sys.exit("no_nftables: " + os.strerror(ctypes.get_errno()))
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
    sys.exit("no_nftables: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
