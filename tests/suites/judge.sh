#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 300
#
# judge - rules over a real record: what they find, how they fail, and that nothing of it is chance
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

has() { # WORDS TEXT PART
	case $2 in *"$3"*) ok "$1" ;; *) equal "$1" "$2" "… $3 …" ;; esac
}
hasnt() { # WORDS TEXT PART
	case $2 in *"$3"*) equal "$1" "$2" "nothing of $3" ;; *) ok "$1" ;; esac
}

"$BELLJAR" run -q -b subject --net off -- sh -c '
	cp /bin/true /tmp/tool; /tmp/tool
	python3 -c "import os
fd = os.memfd_create(\"hidden\")
os.write(fd, open(\"/bin/true\", \"rb\").read())
os.execv(\"/proc/self/fd/%d\" % fd, [\"hidden\"])"' >/dev/null 2>&1

"$BELLJAR" judge subject >text 2>err
equal "a program without a file is a concern, and the exit status says so" "$?" 1
has "its title is there" "$(cat text)" "concern  A program ran that is in no file"
seq=$(sed -n 's/^  evidence  event \([0-9]*\).*/\1/p' text | head -n 1)
has "the event that is its evidence shows the same" \
	"$("$BELLJAR" events subject --sql "SELECT image FROM process WHERE seq = ${seq:-0}")" "memfd:hidden"
equal "nothing is said on standard error" "$(cat err)" ""

"$BELLJAR" judge subject --json >one 2>&1
"$BELLJAR" judge subject --json >two 2>&1
equal "the same record and rules give the same bytes" "$(cmp one two 2>&1)" ""
equal "each line is JSON with a grade" "$(python3 -c '
import json
print(all(json.loads(l)["grade"] for l in open("one")))' 2>&1)" True

# another language, time zone, folder; the seed of the hashes is another in each run
mkdir elsewhere
for how in "LC_ALL=tr_TR.UTF-8 TZ=Pacific/Chatham" "LANG=de_DE.UTF-8 LC_NUMERIC=de_DE.UTF-8 TZ=America/St_Johns" "TZ=UTC-14 COLUMNS=20 NO_COLOR=1"; do
	read -ra words <<<"$how"
	(cd elsewhere && env "${words[@]}" "$BELLJAR" judge subject --json >../three 2>&1)
	equal "and the same bytes with $how" "$(cmp one three 2>&1)" ""
done

mkdir sigma rules
cat >sigma/tool.yml <<'END'
title: A tool of this test ran
id: 3f1e2b5c-0000-4000-8000-000000000001
level: medium
tags: [attack.execution, attack.t1059.004]
logsource: {category: process_creation, product: linux}
detection:
  selection: {Image|endswith: /tool}
  condition: selection
---
title: Two programs of one shell
name: pair
correlation:
  type: value_count
  rules: [any-program]
  group-by: [ParentImage]
  timespan: 1h
  condition: {gte: 2, field: Image}
level: low
---
title: Any program
name: any-program
logsource: {category: process_creation}
detection:
  selection: {Image: '*'}
  condition: selection
END
"$BELLJAR" judge subject --sigma sigma >text 2>err
has "a Sigma rule about one event is a note" "$(cat text)" "note  A tool of this test ran"
has "with its technique" "$(cat text)" "ATT&CK T1059.004"
has "a correlation is told" "$(cat text)" "note  Two programs of one shell"
hasnt "a rule that a correlation counts is not told itself" "$(cat text)" "Any program"
"$BELLJAR" judge subject --sigma sigma --min concern >text
hasnt "--min leaves out what is below it" "$(cat text)" "A tool of this test"
has "and counts it" "$(tail -n 1 text)" " notes, 0 facts; 1 shown"

printf 'title: broken\nlogsource: {category: process_creation}\ndetection: {a: {Image: b}, condition: a an}\n' \
	>sigma/broken.yml
"$BELLJAR" judge subject --sigma sigma >text 2>err
equal "a broken rule is one sentence" "$(wc -l <err)" 1
has "with file, line and column" "$(cat err)" "sigma/broken.yml:3:"
has "and the others are asked" "$(cat text)" "A tool of this test ran"
"$BELLJAR" rules check sigma/broken.yml >/dev/null 2>&1
equal "rules check finds the fault" "$?" 1
"$BELLJAR" rules check sigma/tool.yml >/dev/null 2>&1
equal "and finds none in a whole file" "$?" 0

header='-- id: t
-- title: t
-- why: w
-- innocent: i
-- grade: finding
'
printf '%s-- needs: 3\nSELECT group_concat(seq) AS evidence, op AS subject, count(*) AS count FROM process GROUP BY op\n' \
	"$header" >rules/t.sql
"$BELLJAR" judge subject --rules rules --json >out 2>err
equal "with fewer events than a rule needs, it is a note" "$(python3 -c '
import json
for l in open("out"):
    f = json.loads(l)
    want = "finding" if len(f["evidence"]) >= 3 else "note"
    if f["grade"] != want: print(f)' 2>&1)" ""
equal "and there is a finding for each row" "$(wc -l <out)" 3
printf '%sSELECT seq AS evidence FROM no_table\n' "$header" >rules/t.sql
"$BELLJAR" judge subject --rules rules >/dev/null 2>err
has "a SELECT over no table is a sentence" "$(cat err)" "no such table: no_table"
printf '%sDELETE FROM process\n' "$header" >rules/t.sql
"$BELLJAR" judge subject --rules rules >/dev/null 2>err
has "what is no SELECT is refused" "$(cat err)" "a rule is one SELECT"
printf '%sWITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 10) SELECT x AS evidence FROM n\n' \
	"$header" >rules/t.sql
"$BELLJAR" rules check rules/t.sql >/dev/null 2>err
equal "rules check takes a SQL rule" "$?:$(cat err)" "0:"

"$BELLJAR" run -q -b other --net off -- true
printf '%s-- against: yes\nSELECT (SELECT min(seq) FROM process) AS evidence, (SELECT max(seq) FROM other.process) AS others, %s AS subject\n' \
	"$header" "(SELECT count(*) FROM process) || ' ' || (SELECT count(*) FROM other.process)" >rules/t.sql
"$BELLJAR" judge subject --rules rules --json >out
equal "a rule that compares says nothing of one record" "$(cat out)" ""
"$BELLJAR" judge subject --rules rules --json --against other >out
equal "with two records it sees both" "$(python3 -c '
import json
f = json.loads(open("out").read())
print(f["subject"] != "" and len(f["others"]) == 1)' 2>&1)" True

"$BELLJAR" judge subject --files >text 2>err
equal "files are described, and nothing is said on standard error" "$?:$(cat err)" "0:"
has "with format and machine" "$(grep -A1 '^/tmp/tool' text)" "ELF program, x86-64"
"$BELLJAR" judge subject --files --json >out
equal "under the hash of what was copied into the box" "$(python3 -c '
import json
for l in open("out"):
    f = json.loads(l)
    if f["path"] == "/tmp/tool": print(f["sha256"], f["executed"], "libc.so.6" in f["libraries"])' 2>&1)" \
	"$(sha256sum /bin/true | cut -d" " -f1) 1 True"

mkdir yara
cat >yara/good.yar <<'END'
rule an_elf_program { meta: description = "it is a program" severity = "low" strings: $magic = { 7f 45 4c 46 } condition: $magic at 0 }
rule by_name { condition: filename matches /tool|hidden/ and filesize > 1000 }
rule not_there { strings: $a = "bytes that no program of this test has" condition: $a }
END
printf 'rule broken\n{\n condition: nothing_like_this\n}\n' >yara/broken.yar
"$BELLJAR" judge subject --yara yara >text 2>err
has "a YARA rule finds its bytes in a kept file" "$(grep -A2 '^note  an_elf_program' text)" "\$magic at byte 0"
has "a rule without a severity is a concern" "$(grep -A1 '^concern  by_name' text)" "  about     /"
hasnt "one whose bytes are nowhere says nothing" "$(cat text)" "not_there"
equal "a broken YARA file is one sentence" "$(wc -l <err)" 1
has "with its line" "$(cat err)" "yara/broken.yar:3:"
"$BELLJAR" rules check yara/broken.yar >/dev/null 2>&1
equal "rules check finds the fault in it" "$?" 1
printf 'include "/etc/passwd"\nrule x { condition: true }\n' >yara/broken.yar
"$BELLJAR" rules check yara/broken.yar >/dev/null 2>err
equal "a YARA file cannot have another one read" "$?:$(grep -c root: err)" "1:0"

# What is run was fetched when its bytes are among those that came, and by whom its writer got them; not
# when what came is something else, or the same program lay there before.
mkdir -p answers/http/files.vendor.test:80
folder=answers/http/files.vendor.test:80
cp /bin/true $folder/tool
gzip -nc /bin/true >$folder/packed
printf 'HTTP/1.1 200 OK\nContent-Encoding: gzip\n' >$folder/packed.headers
printf '{"run": "#!/bin/sh\\nuname -a >/dev/null\\n"}\n' >$folder/script.json
printf '{"version": 3, "next": 3600}\n' >$folder/config.json
head -c 40000 /dev/urandom >$folder/list.bin
cat >updater.py <<'END'
import gzip, json, os, subprocess, sys, urllib.request
def get(name): return urllib.request.urlopen("http://files.vendor.test/" + name).read()
def put(data):
    with open("/opt/tool", "wb") as f: f.write(data)
how = sys.argv[1]
if how == "whole": put(get("tool"))
elif how == "gzip": put(gzip.decompress(get("packed")))
elif how == "json": put(json.loads(get("script.json"))["run"].encode())
elif how == "child": put(subprocess.check_output([sys.executable, "-c",
    "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen('http://files.vendor.test/tool').read())"]))
elif how == "pipe": subprocess.run(["sh", "-c", "cat >/opt/tool"], input=get("tool"))
else:
    get(how)
    put(open("/opt/source", "rb").read())
os.chmod("/opt/tool", 0o755)
subprocess.run(["/opt/tool"])
END
for how in whole gzip json child pipe config.json list.bin; do
	"$BELLJAR" run -q -b got --answers answers --copy updater.py -- \
		sh -c "cp /bin/echo /opt/source; python3 ~/updater.py $how" >/dev/null 2>&1
	"$BELLJAR" judge got --json --rules "$BELLJAR_SRC/rules" 2>&1 | grep '"rule":"\(downloaded-and-run\|belljar-rule-failed\)"' >out
	case $how in
	*.*) equal "a copy of what is on the machine is not told as fetched ($how came)" "$(cat out)" "" ;;
	*) has "what was fetched and run is told, with its bytes ($how)" "$(cat out)" "(the same bytes)" ;;
	esac
	"$BELLJAR" remove got
done

"$BELLJAR" run -b told --net off -- sh -c 'cp /bin/true /opt/up && chmod 4755 /opt/up' >/dev/null 2>err
has "a run of a named box ends with what was found" "$(cat err)" "judged: 1 concern; gravest: A program was given another user's rights"
"$BELLJAR" run -b told --net off --no-judge -- true >/dev/null 2>err
hasnt "not with --no-judge" "$(cat err)" "judged"
"$BELLJAR" run -q -b told --net off -- true >/dev/null 2>err
equal "and a quiet run says nothing" "$(cat err)" ""

"$BELLJAR" judge nobody >/dev/null 2>err
equal "an unknown box has exit status 111" "$?" 111
"$BELLJAR" judge subject --sigma /nowhere >/dev/null 2>err
equal "a folder that is not there has exit status 117" "$?" 117
"$BELLJAR" rules coverage --sigma sigma --attack-layer layer.json >out 2>/dev/null
has "coverage counts techniques" "$(cat out)" "T1059.004"
equal "and writes a layer" "$(python3 -c '
import json
print(json.load(open("layer.json"))["domain"])' 2>&1)" enterprise-attack
equal "with the versions that the Navigator demands" "$(python3 -c '
import json
print(json.load(open("layer.json"))["versions"])' 2>&1)" "{'navigator': '4.9.0', 'layer': '4.5'}"

mkdir foreign
for source in 'category: webserver' 'product: linux, service: auditd' 'product: macos, category: process_creation'; do
	printf -- '---\ntitle: t\nlogsource: {%s}\ndetection: {s: {a: b}, condition: s}\n' "$source"
done >foreign/rules.yml
"$BELLJAR" rules list --sigma foreign >out
for what in "category webserver" "service auditd" "product macos"; do
	has "rules without events are counted by what they ask for: $what" "$(cat out)" \
		"1 left out: belljar has no events of $what"
done
"$BELLJAR" judge subject --sigma foreign >out
has "and by the judge" "$(tail -1 out)" "; 3 Sigma rules left out"
