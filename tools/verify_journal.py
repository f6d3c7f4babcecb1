#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check a belljar journal without belljar: the chain of all blocks, and the signatures.

    verify_journal.py FOLDER [PUBLIC-KEY-HEX]

Written from doc/JOURNAL.md alone, as a third party would; needs Python and the openssl command.
It knows no table but those that it finds in `kinds` below. Exit status 0: nothing was changed.
"""
import hashlib
import os
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile

DER = bytes.fromhex("302a300506032b6570032100")  # Ed25519 public key, RFC 8410


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def encode(kind, row):
    """Canonical bytes of one row: seq, t, run, proc, then the values."""
    values = list(row[4:])
    while values and values[-1] is None:
        values.pop()
    out = bytes([kind]) + b"".join(varint(n) for n in row[:4]) + bytes([len(values)])
    for v in values:
        if v is None:
            out += b"\0"
        elif isinstance(v, int):
            out += b"\1" + varint((v << 1 ^ v >> 63) & (1 << 64) - 1)
        else:
            v = v.encode() if isinstance(v, str) else v
            out += b"\2" + varint(len(v)) + v
    return out


def signed(key, message, signature):
    with tempfile.TemporaryDirectory() as d:
        for name, data in (("k", DER + key), ("m", message), ("s", signature)):
            with open(os.path.join(d, name), "wb") as f:
                f.write(data)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", d + "/k",
             "-rawin", "-in", d + "/m", "-sigfile", d + "/s"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def kinds(def_file):
    with open(def_file, encoding="utf-8") as f:
        return [(int(n), t) for n, t in re.findall(r'^KIND\((\d+), \w+, "(\w+)"', f.read(), re.M)]


def rows(db, tables):
    """All events in the order of their numbers."""
    found = {}
    for kind, table in tables:
        for row in db.execute(f'SELECT * FROM "{table}"'):
            if row[0] in found:
                sys.exit(f"two events {row[0]}")
            found[row[0]] = encode(kind, row)
    return found


def main():
    folder, want = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    here = os.path.dirname(os.path.abspath(__file__))
    db = sqlite3.connect(f"file:{folder}/journal.db?mode=ro", uri=True)
    events = rows(db, kinds(os.path.join(here, "../src/journal/event.def")))
    meta = b"".join(f"{k}={v}\n".encode() for k, v in db.execute("SELECT * FROM meta ORDER BY key"))
    prev = hashlib.sha256(b"belljar journal 1\n" + meta).digest()
    seq, nr = 0, 0
    for b in db.execute("SELECT nr,first_seq,last_seq,last_run,last_proc,wall_ns,prev_hash,hash,"
                        "key,signature FROM block ORDER BY nr"):
        if b[0] != nr + 1 or b[1] != seq + 1 or b[6] != prev:
            sys.exit(f"block {b[0]} does not follow the one before it")
        h = hashlib.sha256(b"belljar block 1\n" + prev + struct.pack("<QQ", b[0], b[1]))
        for n in range(b[1], b[2] + 1):
            if n not in events:
                sys.exit(f"event {n} is missing")
            h.update(struct.pack("<I", len(events[n])) + events[n])
        h.update(struct.pack("<IQQQQ", 0, b[2], b[3], b[4], b[5]) + b[8])
        if h.digest() != b[7]:
            sys.exit(f"events {b[1]} to {b[2]} are not what was sealed")
        if not signed(b[8], b[7], b[9]) or want and b[8].hex() != want:
            sys.exit(f"block {b[0]} is not signed by that key")
        prev, seq, nr = b[7], b[2], b[0]
    if len(events) != seq:
        sys.exit("there are events in no block")
    with open(folder + "/journal.head", encoding="ascii") as f:
        text, signature = re.fullmatch(r"(.*)signature ([0-9a-f]{128})\n", f.read(), re.S).groups()
    head = dict(line.split(" ", 1) for line in text.splitlines()[1:])
    if not signed(bytes.fromhex(head["key"]), text.encode(), bytes.fromhex(signature)):
        sys.exit("the signature of journal.head is wrong")
    if (int(head["events"]), int(head["blocks"]), head["hash"]) != (seq, nr, prev.hex()):
        sys.exit("journal.head is not that of this journal, or events were cut off")
    print(f"unchanged: {seq} events in {nr} blocks, signed by {head['key']}")


main()
