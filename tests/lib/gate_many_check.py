#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gate_many_check.py BOX-FOLDER FLOWS: what each flow of gate_many.py said, against the process that
the record gives it."""
import json
import os
import subprocess
import sys

folder, wanted = sys.argv[1], int(sys.argv[2])
rows = subprocess.run(
    [os.environ["BELLJAR"], "events", os.path.join(folder, "journal.db"), "--json", "--sql",
     "SELECT c.sha256 AS sha256, (SELECT pid FROM process p WHERE p.proc = c.proc AND pid IS NOT NULL "
     "LIMIT 1) AS pid FROM content c JOIN flow f ON f.flow = c.flow AND f.op = 'end' "
     "WHERE c.dir = 'out' AND f.dst_port = 7"],
    check=True, capture_output=True, text=True).stdout.splitlines()
right = wrong = 0
for row in map(json.loads, rows):
    said = open(os.path.join(folder, "objects", row["sha256"][:2], row["sha256"][2:])).read().split()
    if said[0] == "pid" and int(said[1]) == row["pid"]:
        right += 1
    else:
        wrong += 1
print(f"{right} right, {wrong} wrong of {wanted}")
sys.exit(not (right == wanted and wrong == 0))
