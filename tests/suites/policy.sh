#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# belljar policy: a box's policy file is seen, changed and learned
# users: root range single
# timeout: 300
. "$BELLJAR_SRC/tests/lib/tap.sh"
b=$BELLJAR
file=$BELLJAR_HOME/boxes/one/policy

fails() { # WORDS STATUS TEXT ARGUMENT…: this exit status, one sentence with TEXT
	local words=$1 status=$2 text=$3 said got
	shift 3
	said=$("$b" "$@" 2>&1)
	got=$?
	if [ "$got" = "$status" ] && [[ $said == *"$text"* ]] && [ "$(wc -l <<<"$said")" = 1 ]; then
		ok "$words"
	else
		not_ok "$words"
		echo "# status $got: $said"
	fi
}

check "a box without rules is made" "$b" run -q -b one -- /bin/true
equal "it reaches nobody" "$("$b" policy one show | grep -v '^#')" "mode declared"

# ---- allow, deny -----------------------------------------------------------------------------------
check "rules are added" "$b" policy one allow Example.com:443 '*.cdn.example' '[2001:db8::1]:22' 192.0.2.0/24
equal "they stand in the file as words are written" "$("$b" policy one show)" "allow example.com:443
allow *.cdn.example
allow [2001:db8::1]:22
allow 192.0.2.0/24"
check "one that is there is taken" "$b" policy one allow example.COM.:443
equal "and not written twice" "$("$b" policy one show | grep -c example.com)" 1
check "what is denied" "$b" policy one deny '*.CDN.example'
equal "is not allowed any more" "$("$b" policy one show | grep cdn)" "deny *.cdn.example"
check "what is allowed" "$b" policy one allow '*.cdn.example'
equal "is not denied any more" "$("$b" policy one show | grep cdn)" "allow *.cdn.example"

{
	"$b" policy one show
	printf '# kept: by hand\nmode closed\n'
} >"$TMPDIR/edited"
cat "$TMPDIR/edited" >"$file"
check "a rule is added to a file that was edited" "$b" policy one deny ads.example
equal "comments and order stay" "$("$b" policy one show)" "$(cat "$TMPDIR/edited")
deny ads.example"
equal "the file is its user's alone" "$(stat -c %a "$file")" 600

# ---- what cannot be --------------------------------------------------------------------------------
before=$(cat "$file")
fails "a word that is none" 2 "'a b'" policy one allow fine.example 'a b'
fails "a host address with the bits of a network" 2 "bits set beyond" policy one allow 192.0.2.1/24
fails "no such box" 111 "no box 'other'" policy other show
fails "no words" 2 "allow whom?" policy one allow
fails "no such verb" 2 "none of show" policy one forget a.example
fails "a verb is missing" 2 "" policy one
fails "-o where nothing is learned" 2 "-o is for learn" policy one show -o "$TMPDIR/x"
equal "nothing was changed by any of them" "$(cat "$file")" "$before"
echo 'allow a..b' >>"$file"
fails "a damaged file: the place is named" 2 "policy:8:7: 'a..b'" policy one show
fails "and nothing is added to it" 2 "policy:8:7:" policy one allow b.example
check "the damage is still there" grep -q 'a..b' "$file"
printf '%s\n' "$before" | cat >"$file"

# ---- the record ------------------------------------------------------------------------------------
check "a change of a box at rest is on record" recorded one \
	"EXISTS(SELECT 1 FROM mark WHERE name='policy' AND detail LIKE 'deny ads.example, at %')"

# ---- export, import --------------------------------------------------------------------------------
if "$b" export one -o "$TMPDIR/one.tar" && "$b" import two "$TMPDIR/one.tar"; then
	equal "an exported box takes its policy along" "$("$b" policy two show)" "$before"
else
	not_ok "an exported box takes its policy along"
fi

# ---- learn -----------------------------------------------------------------------------------------
# flows as the gate records them
proc=$(sql one "SELECT proc FROM process WHERE op='exec' AND image LIKE '%/true' LIMIT 1")
sqlite3 "$BELLJAR_HOME/boxes/one/journal.db" >/dev/null <<SQL || echo "# sqlite3 failed"
INSERT INTO flow(seq,t,run,proc,op,flow,protocol,dst,dst_port,name,answer,reason) VALUES
 (9001,1,1,$proc,'begin',1,'tcp','198.18.3.4',443,'updates.example','sinkhole','no rule'),
 (9002,2,1,$proc,'begin',2,'tcp','198.18.3.4',443,'updates.example','sinkhole','no rule'),
 (9003,2,1,$proc,'end',2,'tcp','198.18.3.4',443,'updates.example','sinkhole','no rule'),
 (9004,3,1,$proc,'begin',3,'udp','203.0.113.9',5000,NULL,'sinkhole','no rule'),
 (9005,4,1,$proc,'begin',4,'tcp','192.168.1.1',80,NULL,'sinkhole','no rule'),
 (9006,5,1,$proc,'begin',5,'tcp','2001:db8::9',8080,NULL,'allowed','mode open'),
 (9007,6,1,$proc,'begin',6,'tcp','198.18.9.9',443,'ads.example','refused','a rule denies it'),
 (9008,7,1,$proc,'begin',7,'tcp','198.18.9.8',443,char(27)||'[31m'||char(10)||'allow evil.example','sinkhole','x'),
 (9009,8,1,0,'begin',8,'tcp','198.18.3.4',80,'updates.example','sinkhole','no rule');
INSERT INTO tls(seq,t,run,proc,op,flow,sni) VALUES(9010,9,1,$proc,'client-hello',1,'inner.example'),
 (9011,9,1,$proc,'client-hello',2,'updates.example');
INSERT INTO http(seq,t,run,proc,op,flow,host) VALUES(9012,9,1,$proc,'request',8,'updates.example:80'),
 (9013,9,1,$proc,'request',4,'router.example');
INSERT INTO dns(seq,t,run,proc,op,flow,name,type) VALUES(9014,9,1,$proc,'query',9,'backup.example','TXT'),
 (9015,9,1,$proc,'query',9,'updates.example','A');
SQL
check "what runs contacted is learned" "$b" policy one learn -o "$TMPDIR/learned"
equal "each becomes a rule once, by name where there was one" "$(grep -v '^#' "$TMPDIR/learned" | grep .)" "mode declared
allow updates.example:80
allow updates.example:443
allow [2001:db8::9]:8080
allow 203.0.113.9:5000
allow inner.example:443
allow router.example:80" || cat "$TMPDIR/learned"
check "what was refused is a comment" grep -q '^#allow ads.example:443$' "$TMPDIR/learned"
check "so is an address of private networks" grep -q '^#allow 192.168.1.1:80$' "$TMPDIR/learned"
check "it says how often, and which program" grep -q "^# 2 times by .*/true, tcp port 443: sinkhole$" "$TMPDIR/learned"
check "it says what was asked for alone" grep -q "^# 1 time by .*/true: backup.example TXT$" "$TMPDIR/learned"
equal "a name cannot write lines of its own" "$(grep -c "evil.example" "$TMPDIR/learned")/$(grep -c $'\x1b' "$TMPDIR/learned")" 1/0
equal "without -o it goes to standard output" "$("$b" policy one learn | tail -n +2)" "$(tail -n +2 "$TMPDIR/learned")"
cp "$TMPDIR/learned" "$TMPDIR/copy" && cat "$TMPDIR/copy" >"$file"
equal "it is a policy file" "$("$b" policy one show | tail -n +2)" "$(tail -n +2 "$TMPDIR/learned")"
