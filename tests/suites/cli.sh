#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a user types, right and wrong: bad input gets one sentence, its own exit status, and leaves
# nothing behind; what goes in and comes out of a box goes through unchanged.
# users: root range single
# timeout: 900
. "$BELLJAR_SRC/tests/lib/tap.sh"
tools=$BELLJAR_BUILD/tests/escape
mark=bj-$$-$RANDOM
b=$BELLJAR

there() { # what is in the home, but for what all boxes share
	(cd "$BELLJAR_HOME" && find . \( -path ./base -o -path ./key \) -prune -o -maxdepth 3 -printf '%p\n') | sort
}

refuse() { # WORDS STATUS ARGUMENT…: one sentence, this exit status, nothing left
	local words=$1 status=$2 before after got lines
	shift 2
	before=$(there)
	within 60 "$b" "$@" </dev/null >"$TMPDIR/out" 2>"$TMPDIR/err"
	got=$?
	after=$(there)
	lines=$(wc -l <"$TMPDIR/err")
	if [ "$got" = "$status" ] && [ "$lines" = 1 ] && [ "$before" = "$after" ] && [ ! -s "$TMPDIR/out" ]; then
		ok "$words: status $status, one sentence, nothing left behind"
	else
		not_ok "$words: status $status, one sentence, nothing left behind"
		echo "# status $got, $lines lines on standard error:"
		head -n 5 "$TMPDIR/err" | sed 's/^/#   /'
		[ ! -s "$TMPDIR/out" ] || head -n 3 "$TMPDIR/out" | sed 's/^/# standard output: /'
		diff <(echo "$before") <(echo "$after") | sed 's/^/# /' | head -n 10
	fi
}

check "a first run makes a box" "$b" run -q -b one -- /bin/sh -c 'echo first >made'

# ---- what cannot be ------------------------------------------------------------------------------
refuse "no such subcommand" 2 frobnicate
refuse "run: an option that is none" 2 run --frobnicate -- /bin/true
refuse "list: an option that is none" 2 list --frobnicate
refuse "import: an option of another subcommand" 2 import -o two
refuse "report: an option without its value" 2 report one -o
refuse "run: no program" 2 run -b one
refuse "run: an empty program" 2 run -- ''
refuse "run: a limit that is no number" 2 run --memory lots -- /bin/true
refuse "run: a negative limit" 2 run --pids -5 -- /bin/true
refuse "run: no time at all" 2 run --time 0 -- /bin/true
refuse "run: a time that is not finite" 2 run --time inf -- /bin/true
refuse "run: a network that is none" 2 run --net ajar -- /bin/true
refuse "run: an environment entry without a name" 2 run --env =x -- /bin/true
refuse "run: a relative --cwd" 2 run --cwd etc -- /bin/true
refuse "run: no such program" 127 run -q -- /no/such/program
refuse "run: no such program in PATH" 127 run -q -- no-such-program-anywhere
refuse "run: a file that cannot be executed" 126 run -q -- /etc/passwd
refuse "run: a folder as program" 126 run -q -- /etc
under() { # LIMIT WORDS STATUS ARGUMENT…: the same, under `ulimit LIMIT`
	printf '#!/bin/sh\nulimit %s && exec %s "$@"\n' "$1" "$BELLJAR" >"$TMPDIR/under"
	chmod +x "$TMPDIR/under"
	b=$TMPDIR/under
	refuse "${@:2}"
	b=$BELLJAR
}
under "-n 64" "run: with 64 descriptors" 113 run -q -- /bin/true
under "-f 10" "run: when our files may have 5 KiB" 119 run -q -- /bin/true
for name in ../up a/b . .. -x "two words" "$(printf 'new\nline')" "$(printf 'esc\033[31m')" '' \
	"$(printf '%0300d' 0)" "$(printf '\303\244')" .hidden; do
	shown=$(printf '%.12q' "$name")
	refuse "run: the box name $shown" 116 run -q "--box=$name" -- /bin/true
	refuse "import: the box name $shown" 116 import -- "$name" /dev/null
done
refuse "snapshot: a name with a slash" 116 snapshot one a/b
for what in show changes report events restart export verify; do
	refuse "$what: no such box" 111 "$what" no-such-box
done
refuse "snapshot: no such box" 111 snapshot no-such-box s
refuse "rollback: no such box" 111 rollback no-such-box
refuse "remove: no such box" 111 remove no-such-box
refuse "rollback: no such snapshot" 111 rollback one no-such-snapshot
refuse "changes: no such snapshot" 111 changes one --since no-such-snapshot
refuse "run: a --copy that is not there" 117 run -q --copy /no/such/file -- /bin/true
refuse "run: a --copy that is a folder" 117 run -q --copy /etc -- /bin/true
check "and the sentence says that it is one" grep -q "'/etc' is a folder, and --copy takes one file" "$TMPDIR/err"
refuse "run: a --ro that is not there" 117 run -q --ro /no/such/folder -- /bin/true
refuse "run: a --root that is not there" 117 run -q --root /no/such/folder -- /bin/true
if [ "$(id -u)" != 0 ]; then
	refuse "run: a --copy that we may not read" 117 run -q --copy /etc/shadow -- /bin/true
fi
refuse "import: a file that is not there" 117 import two /no/such/file
refuse "import: something else than a box" 114 import two /bin/sh
: >"$TMPDIR/empty"
refuse "import: an empty file" 114 import two "$TMPDIR/empty"
refuse "import: over a box that is there" 118 import one "$TMPDIR/empty"
refuse "report: a format that is none" 2 report one --format pdf
refuse "events: a kind that is none" 2 events one --kind nonsense
refuse "events: SQL that is none" 2 events one --sql 'SELEKT 1'
refuse "events: SQL that writes" 2 events one --sql 'DELETE FROM process'
refuse "events: SQL that opens another file" 2 events one --sql "ATTACH '/etc/passwd' AS x"
refuse "report: an output that cannot be written" 117 report one -o /no/such/folder/x

# ---- a held box, a broken box, a full disk -------------------------------------------------------
"$b" run -q -b held --copy "$tools/bombs" --env BELLJAR=1 -- ./bombs deaf "$mark" >/dev/null 2>&1 &
held=$!
up() { [ "$(with_mark "bombs deaf $mark" | wc -l)" -ge 2 ]; }
wait_for 60 up
refuse "run: a box in which a run is" 112 run -q -b held -- /bin/true
refuse "remove: a box in which a run is" 112 remove held
refuse "snapshot: a box in which a run is" 112 snapshot held s
refuse "rollback: a box in which a run is" 112 rollback held
check "a running box is shown as such" bash -c "'$b' list | grep -E '^held .*running'"
check "what a running box has done so far can be read" bash -c \
	"'$b' events held --kind process | grep -q bombs"
kill -TERM "$held" # passed on to the program, which does not listen
# two that wait to be taken are one (signal(7)), so the second is for later
taken() { (((0x$(sed -n 's/^ShdPnd:\t//p' "/proc/$held/status") & 1 << 14) == 0)); }
wait_for 60 taken
check "one SIGTERM goes to the program alone" up
kill -TERM "$held" 2>/dev/null
check "a second one ends the run" wait_for 20 none_with_mark "$mark"
none_with_mark "$mark" || kill -KILL "$held"
wait "$held" 2>/dev/null

"$b" run -q -b broken -- /bin/true 2>/dev/null
echo '{ this is no json' >"$TMPDIR/box.json"
if cat "$TMPDIR/box.json" >"$BELLJAR_HOME/boxes/broken/box.json" 2>/dev/null; then
	refuse "run: a box whose box.json is broken" 114 run -q -b broken -- /bin/true
	refuse "show: a box whose box.json is broken" 114 show broken
	check "list: a broken box does not hide the others" bash -c "'$b' list | grep -q '^one'"
	check "a broken box can be removed" "$b" remove broken
else
	skip "a box whose box.json is broken" "it cannot be written to"
fi
"$b" run -q -b torn -- /bin/true 2>/dev/null
head -c 5000 /dev/urandom >"$BELLJAR_HOME/boxes/torn/journal.db"
refuse "run: a box whose journal is no journal" 114 run -q -b torn -- /bin/true
refuse "report: a journal that is none" 114 report torn
refuse "verify: a journal that is none" 114 verify torn
check "such a box can be removed" "$b" remove torn
check "a whole record is verified" "$b" verify one

if [ "$(id -u)" = 0 ]; then
	if small_disk "$TMPDIR/small" 3; then
		chmod 755 "$TMPDIR/small"
		BELLJAR_HOME=$TMPDIR/small/home within 60 "$b" run -q -b x -- /bin/true >"$TMPDIR/out" 2>"$TMPDIR/err"
		equal "a full disk has its own exit status" $? 115
		equal "and one sentence" "$(wc -l <"$TMPDIR/err")" 1
		check "and no half a box" bash -c "! ls '$TMPDIR'/small/home/boxes/x"
		umount "$TMPDIR/small"
	else
		skip "a full disk has its own exit status" "no small disk that can hold boxes can be mounted"
	fi
	said=$(unshare -m sh -c 'mount -t ramfs -o mode=755 none "$1" && BELLJAR_HOME=$1/home "$2" run -q -b x -- /bin/true 2>&1' \
		sh "$TMPDIR/small" "$b")
	equal "a home that keeps no attributes of users is a missing wall" $? 113
	equal "one sentence says so, and who tells more" "$(grep -c 'attributes of users.*belljar doctor' <<<"$said") of $(wc -l <<<"$said")" \
		"1 of 1"
else
	skip "a full disk has its own exit status" "only root can make a small disk"
fi

# ---- status, streams, environment ----------------------------------------------------------------
bad=
for s in 0 1 2 3 63 64 100 111 112 119 124 125 126 127 128 129 200 254 255; do
	"$b" run -q -b one -- /bin/sh -c "exit $s" 2>/dev/null
	got=$?
	[ "$got" = "$s" ] || bad="$bad $s->$got"
done
equal "the program's exit status is ours" "$bad" ""
bad=
for s in TERM KILL SEGV ABRT HUP USR1; do
	"$b" run -q -b one -- /bin/sh -c "kill -$s \$\$" 2>/dev/null
	got=$?
	[ "$got" = $((128 + $(kill -l $s))) ] || bad="$bad $s->$got"
done
equal "a program that a signal ended gives 128 and its number" "$bad" ""
head -c 3000000 /dev/urandom >"$TMPDIR/bytes"
"$b" run -q -b one -- /bin/cat <"$TMPDIR/bytes" >"$TMPDIR/through" 2>/dev/null
check "standard input and output go through byte by byte" cmp "$TMPDIR/bytes" "$TMPDIR/through"
"$b" run -q -b one -- /bin/sh -c 'echo out; echo err >&2' >"$TMPDIR/out" 2>"$TMPDIR/err"
equal "standard output is apart from standard error" "$(cat "$TMPDIR/out")+$(grep -c '^err$' "$TMPDIR/err")" "out+1"
equal "a closed standard input is an end of file" \
	"$("$b" run -q -b one -- /bin/cat </dev/null 2>&1)" ""
yes | "$b" run -q -b one -- /bin/sh -c 'head -n 1' 2>/dev/null >"$TMPDIR/out"
equal "a reader that stops early is no trouble" "$(cat "$TMPDIR/out")" y
"$b" run -q -b one -- /usr/bin/yes 2>/dev/null | head -n 1 >"$TMPDIR/out"
equal "nor is one that stops reading our output" "$(cat "$TMPDIR/out")" y
equal "--env is passed on, our own environment is not" \
	"$(SECRET=$mark "$b" run -q -b one --env GIVEN=yes -- /bin/sh -c 'echo "$GIVEN$SECRET"' 2>/dev/null)" yes
equal "arguments go through as they are" \
	"$("$b" run -q -b one -- /usr/bin/printf '<%s>' 'a b' '' "$(printf 'n\nl')" '*' '$x' 2>/dev/null)" \
	"<a b><><$(printf 'n\nl')><*><\$x>"
equal "--cwd is where the program starts" "$("$b" run -q -b one --cwd /etc -- /bin/pwd 2>/dev/null)" /etc
equal "what a run wrote is there in the next" "$("$b" run -q -b one -- /bin/cat made 2>/dev/null)" first
check "a box without a name is gone afterwards" bash -c \
	"'$b' run -q -- /bin/true && [ -z \"\$(ls '$BELLJAR_HOME/anon')\" ]"

# ---- --dry-run -----------------------------------------------------------------------------------
before=$(there)
check "--dry-run prints a plan" bash -c "'$b' run --dry-run -b fresh --ro /usr/share -- /bin/true | grep -q /usr/share"
equal "--dry-run makes nothing" "$(there)" "$before"
equal "--dry-run of a box that is there changes nothing" \
	"$("$b" run --dry-run -b one -- /bin/rm made >/dev/null; "$b" run -q -b one -- /bin/cat made 2>/dev/null)" first

# ---- boxes as things -----------------------------------------------------------------------------
"$b" run -q -b life -- /bin/sh -c 'echo 1 >kept; echo 1 >gone; mkdir dir; echo x >dir/x' 2>/dev/null
check "a snapshot is made" "$b" snapshot life first
refuse "a second snapshot of that name" 118 snapshot life first
"$b" run -q -b life -- /bin/sh -c 'echo 2 >kept; rm gone; echo new >added; mv dir/x dir/y; chmod 4755 kept
	mkdir -p /etc/cron.d; echo "@reboot root /bin/true" >/etc/cron.d/mine; ln -s nowhere link' 2>/dev/null
"$b" changes life --since first >"$TMPDIR/changes" 2>&1
for word in kept gone added cron.d/mine link; do
	check "changes --since names '$word'" grep -q "$word" "$TMPDIR/changes"
done
"$b" changes life --since first --json >"$TMPDIR/changes.json" 2>&1
if command -v python3 >/dev/null; then
	check "changes as JSON is JSON" python3 -m json.tool "$TMPDIR/changes.json" /dev/null
else
	skip "changes as JSON is JSON" "no python3 to read it with"
fi
# a shell that becomes another program afterwards; a program that changed below an unchanged entry
"$b" run -q -b life -- /bin/sh -c 'echo "@reboot root /bin/true" >/etc/cron.d/two; exec /bin/true' 2>/dev/null
check "changes names the program that wrote an entry, not what its process ran later" \
	bash -c "'$b' changes life --json | grep '\"place\":\"/etc/cron.d/two\"' | grep -q '\"image\":\"/usr/bin/dash\"'"
"$b" run -q -b life -- /bin/sh -c 'echo "#!/bin/sh" >/opt/tool; chmod 755 /opt/tool
	echo "@reboot root /opt/tool" >/etc/cron.d/three' 2>/dev/null
"$b" snapshot life with-tool 2>/dev/null
"$b" run -q -b life -- /bin/sh -c 'echo "exit 1" >>/opt/tool' 2>/dev/null
check "an entry whose program was changed names who changed the program" \
	bash -c "'$b' changes life --since with-tool --json | grep '\"class\":\"cron\"' | grep three | grep -q '\"image\":\"/usr/bin/dash\"'"
check "and so does the record" recorded life \
	"EXISTS(SELECT 1 FROM autostart a WHERE place='/etc/cron.d/three' AND op='changed' AND writer>0)"
check "list has the box" bash -c "'$b' list | grep -q '^life'"
check "list as JSON has the box" bash -c "'$b' list --json | grep -q '\"life\"'"
check "show names the snapshot" bash -c "'$b' show life | grep -q first"
check "report is made in each format" bash -c "'$b' report life >/dev/null && '$b' report life --format json -o '$TMPDIR/r.json' && '$b' report life --format html -o '$TMPDIR/r.html'"
! command -v python3 >/dev/null ||
	check "the JSON report is JSON" python3 -m json.tool "$TMPDIR/r.json" /dev/null
check "the HTML report loads nothing" bash -c "! grep -Eiq '(src|href)=[\"'\\'']?(https?:)?//|@import|url\(' '$TMPDIR/r.html'"
check "export writes a file" "$b" export life -o "$TMPDIR/life.belljar"
check "import makes a box of it" "$b" import copy "$TMPDIR/life.belljar"
equal "the copy has the files" "$("$b" run -q -b copy -- /bin/sh -c 'cat kept added dir/y; ls gone 2>&1 | wc -l; stat -c %a kept' 2>/dev/null | tr '\n' ' ')" "2 new x 1 4755 "
check "the copy has the snapshot" "$b" rollback copy first
equal "and it can be gone back to" "$("$b" run -q -b copy -- /bin/sh -c 'cat kept gone dir/x; ls added 2>&1 | wc -l' 2>/dev/null | tr '\n' ' ')" "1 1 x 1 "
check "the copy's record is whole" "$b" verify copy
check "export to standard output is the same box" bash -c "'$b' export life | '$b' import third && '$b' verify third"
size=$(stat -c %s "$TMPDIR/life.belljar")
head -c $((size / 2)) "$TMPDIR/life.belljar" >"$TMPDIR/half.belljar"
refuse "import: half a file" 114 import half "$TMPDIR/half.belljar"
check "rollback goes back" "$b" rollback life first
equal "to what was then" "$("$b" run -q -b life -- /bin/sh -c 'cat kept gone dir/x; ls added /etc/cron.d/mine 2>&1 | grep -c cannot' 2>/dev/null | tr '\n' ' ')" "1 1 x 2 "
check "rollback without a snapshot empties" "$b" rollback life
equal "the box" "$("$b" run -q --net off -b life -- /bin/sh -c 'ls -A' 2>/dev/null)" "$("$b" run -q -- /bin/sh -c 'ls -A' 2>/dev/null)"
check "the record of all that stays, whole" "$b" verify life
check "several boxes are removed at once" "$b" remove one held life copy third
equal "and nothing is left of them" "$("$b" list --json | tr -d ' \n')" "[]"
