#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Time-lapse: waits of all kinds end at once and in their order, all clocks of the box agree on how
# long they took, and the record's times are the box's.
# users: root range single
# timeout: 300
. "$BELLJAR_SRC/tests/lib/tap.sh"

waits=$BELLJAR_BUILD/tests/lapse
lapse() { # COMMAND…
	within 100 "$BELLJAR" run -q --net off --speed lapse -- "$@"
}
inside() { # PROGRAM COMMAND…: with a program of ours in the box
	local program=$1
	shift
	within 100 "$BELLJAR" run -q --net off --speed lapse --copy "$program" -- "$@"
}

wrong() { # FILE: lines of the program that are not "… ok"; "nothing" without any
	[ -s "$1" ] && grep -v ' ok$' "$1" || { [ -s "$1" ] || echo nothing; }
}
all_ways() { # NAME FILE: of all ways of $waits/waits, lines of the program that are not two hours on every clock
	equal "$1" "$(grep -cxE '[a-z0-9_]+( (7199|7200|7201)){13}' "$2") $(grep -vxE '[a-z0-9_]+( (7199|7200|7201)){13}' "$2")" \
		"$("$waits/waits" list | grep -c .) "
}

# ---- each kind of wait, each clock --------------------------------------------------------------
for kind in waits waits-static; do
	inside "$waits/$kind" sh -c "cd; for w in \$(./$kind list); do ./$kind \$w 7200; done" >got 2>said
	for w in $("$waits/$kind" list); do
		line=$(grep "^$w " got | sed "s/^$w //")
		# whole seconds of thirteen clocks, each read by itself: one second is between two of them
		if grep -qxE '(7199|7200|7201)( (7199|7200|7201)){12}' <<<"$line"; then
			ok "$kind: two hours by $w are two hours on every clock"
		else
			not_ok "$kind: two hours by $w are two hours on every clock"
			echo "# got: $line"
			sed 's/^/# /' said
		fi
	done
done

# ---- programs of 32 bits: with seconds of 32 bits and of 64, by a libc of their own or none ----------
narrow="-m32 -O1 -D_GNU_SOURCE"
if echo 'int main(void) { return 0; }' | gcc -m32 -x c -o said - 2>/dev/null; then
	# shellcheck disable=SC2086 # options
	for p in waits dates; do
		gcc $narrow "$BELLJAR_SRC/tests/lapse/$p.c" -o $p-32 -lrt -pthread
		gcc $narrow -static -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64 "$BELLJAR_SRC/tests/lapse/$p.c" -o $p-32-static -lrt -pthread
	done
	for kind in 32 32-static; do
		inside waits-$kind sh -c "cd; for w in \$(./waits-$kind list); do ./waits-$kind \$w 7200; done" >got 2>&1
		all_ways "$kind bits: two hours by each kind of wait are two hours on every clock" got
		timeout 200 "$BELLJAR" run -q --net off --until 2001-05-06 --copy waits-$kind -- \
			sh -c "cd; for w in \$(./waits-$kind list); do ./waits-$kind \$w 7200; done" >got 2>&1
		all_ways "$kind bits: … where the box began in 2001" got
		inside dates-$kind sh -c "cd; ./dates-$kind" >got 2>&1
		equal "$kind bits: a file's times are by the program's own clock, in all ways to ask" "$(wrong got)" ""
	done
	"$BELLJAR" run -q -b narrow --net off --speed lapse --copy waits-32 -- sh -c 'cd; ./waits-32 sleep 7200' >got
	check "32 bits: nothing was unseen" recorded narrow "SELECT count(*) = 0 FROM gap"
else
	skip "programs of 32 bits" "no gcc -m32 here"
fi

# ---- shells, order ------------------------------------------------------------------------------
equal "a shell's sleep of two hours" \
	"$(lapse sh -c 'a=$(date +%s); sleep 7200; b=$(date +%s); echo $(((b - a) / 60))')" 120
equal "parallel sleeps end in the order of their length" \
	"$(lapse sh -c 'for s in 2592000 60 7200 3600 604800; do (sleep $s; echo $s) & done; wait' | tr '\n' ' ')" \
	"60 3600 7200 604800 2592000 "
equal "10 days of hourly ticks beside one long wait: each comes, and before its end" \
	"$(lapse sh -c 'sleep 864000 & i=0; while kill -0 $! 2>/dev/null; do sleep 3600; i=$((i+1)); done; echo $i')" 240
equal "a time-out ends what waits longer" \
	"$(lapse sh -c 'timeout 600 sleep 6000; echo $?')" 124
equal "a pipe of two waiting programs" \
	"$(lapse sh -c '(sleep 3600; echo one; sleep 3600; echo two) | while read x; do sleep 60; echo $x; done | tr "\n" " "')" \
	"one two "
equal "no tracer is to be seen" "$(lapse sh -c 'sleep 3600; grep TracerPid /proc/self/status')" "TracerPid:	0"
# who traces a child of its own waits for the child to stop, as debuggers do
cat >traces.py <<'EOF'
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
pid = os.fork()
if pid == 0:
    libc.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(7)
_, status = os.waitpid(pid, 0)
print("stopped" if os.WIFSTOPPED(status) else os.WEXITSTATUS(status), libc.ptrace(16, 1, 0, 0), ctypes.get_errno())
EOF
equal "a program that traces its own child is told that it cannot, and does not wait for ever" \
	"$(within 100 "$BELLJAR" run -q -b traces --net off --speed lapse --copy traces.py -- python3 traces.py)" "7 -1 1"
check "and that is on record" recorded traces \
	"SELECT count(*) = 3 FROM attempt WHERE category = 'ptrace'"
# whoever looks at a wait may come between the signal and its tracer
equal "ten sleeps that a signal breaks off: what is left of them is right each time" \
	"$(inside "$waits/waits" sh -c 'cd; for i in 1 2 3 4 5 6 7 8 9 10; do ./waits left 7200; done' | grep -vc WRONG)" 10
# work is not cut short: a wait that is due after it ends after it
equal "work that is done beside a wait is done before it ends" \
	"$(lapse sh -c "sleep $((8 * slow)) & p=\$!; i=0; while [ \$i -lt 200000 ]; do i=\$((i+1)); done; kill -0 \$p && echo waits")" waits

# ---- times of files ------------------------------------------------------------------------------
for kind in dates dates-static; do
	inside "$waits/$kind" sh -c "cd; ./$kind" >got 2>&1
	equal "$kind: a file's times are by the program's own clock, in all ways to ask" "$(wrong got)" ""
done
for date in 2001-02-03 2033-04-05; do
	timeout 100 "$BELLJAR" run -q --net off --until $date --copy "$waits/dates" -- sh -c "cd; ./dates" >got 2>&1
	equal "… where the box began in ${date%%-*}" "$(wrong got)" ""
done
equal "… in a folder that chroot made the root" \
	"$(inside "$waits/dates-static" sh -c 'mkdir /tmp/r; cp ~/dates-static /tmp/r; sleep 7200; touch /tmp/r/f; sleep 3600
		chroot /tmp/r /dates-static show /f 2>&1')" "/f 60"
equal "find, make, tar, cp, test: what is new is new" "$(lapse sh -c '
	cd /tmp; mkdir d; cd d; sleep 86400; touch old; sleep 86400; touch new
	find . -type f -mmin -5; find . -type f -mmin +1000; [ new -nt old ] && echo newer
	printf "out: in\n\t@echo made; touch out\n" >Makefile; touch in; make; sleep 3600; make; sleep 3600; touch in; make
	cp -p old copy; tar cf - old | (mkdir u; cd u; tar xf -); find copy u/old -mmin +1000' 2>&1)" "./new
./old
newer
made
make: '"'out'"' is up to date.
made
copy
u/old"
inside "$waits/dates" sh -c 'cd; setpriv --reuid=33 --regid=33 --clear-groups sh -c "cd /tmp; sleep 7200; touch f; sleep 3600" && ./dates show /tmp/f' >got 2>&1
equal "a file of another user's" "$(cat got)" "/tmp/f 60"
equal "the boot was before the first jump: /proc/uptime and /proc/stat agree with the clocks" "$(lapse sh -c '
	sleep 864000; sleep 1
	python3 -c "
import time
up = float(open(\"/proc/uptime\").read().split()[0])
boot = [int(l.split()[1]) for l in open(\"/proc/stat\") if l.startswith(\"btime\")][0]
print(abs(time.clock_gettime(time.CLOCK_BOOTTIME) - up) < 2, abs(time.time() - up - boot) < 3, up > 864000)"')" "True True True"
equal "… at another date as well" "$(timeout 100 "$BELLJAR" run -q --net off --until 2001-02-03 -- python3 -c '
import time
time.sleep(86400); time.sleep(1)
up = float(open("/proc/uptime").read().split()[0])
boot = [int(l.split()[1]) for l in open("/proc/stat") if l.startswith("btime")][0]
print(abs(time.clock_gettime(time.CLOCK_BOOTTIME) - up) < 2, abs(time.time() - up - boot) < 3)')" "True True"

equal "/proc/stat: nobody worked in a wait" "$(lapse python3 -c '
import os, time
def idle(): return [int(l.split()[4]) for l in open("/proc/stat") if l.startswith("cpu")]
before = idle()
time.sleep(864000)
new = [(b - a) / 100 / 864000 for a, b in zip(before, idle())]
print(all(abs(v - 1) < .01 for v in new[1:]), abs(new[0] - len(new[1:])) < .01 * len(new))')" "True True"

equal "when packets came: nobody is told a time of another clock" "$(lapse python3 -c '
import socket, struct, time
time.sleep(864000)
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(("127.0.0.1", 0))
for option in 29, 35, 37, 63, 64, 65: # SO_TIMESTAMP and its kin
    a.setsockopt(socket.SOL_SOCKET, option, 24)
a.sendto(b"x", a.getsockname())
got = a.recvmsg(9, 999)
print([t for level, kind, data in got[1] for t in struct.unpack_from("q", data) if abs(t - time.time()) > 60])')" "[]"

equal "the machine's own clock is not to be read" "$(lapse sh -c 'cat /proc/driver/rtc /sys/class/rtc/*/since_epoch 2>/dev/null')" ""

# ---- files that stay -----------------------------------------------------------------------------
"$BELLJAR" run -q -b kept --net off --speed lapse -- sh -c 'sleep 864000; touch /root/a; date +%s; stat -c %Y /root/a' >got
"$BELLJAR" run -q -b kept --net off -- touch /root/b
"$BELLJAR" run -q -b kept --net off --speed lapse -- stat -c %Y /root/a /root/b >later
check "a file of an earlier run keeps the time that it had in it" \
	test "$(tail -n 1 got)" = "$(head -n 1 later)"
check "… and one of a run at real speed has its own" \
	test $(($(tail -n 1 later) - $(date +%s))) -gt -100
check "the record dates a file as the box does" recorded kept \
	"SELECT count(*) = 1 FROM change WHERE path = '/root/a' AND run = 1 AND mtime_ns / 1000000000 = $(tail -n 1 got) AND mtime_set IS NULL"
"$BELLJAR" changes kept --json >list
check "… and so does the list of changes" grep -q "mtime_ns\":$(tail -n 1 got)[0-9]\{9\}[,}]" list
"$BELLJAR" run -q -b set --net off --until 2001-02-03 -- sh -c 'sleep 3600; python3 -c "
import os, time
open(\"/root/now\", \"w\").close(); os.utime(\"/root/now\", (time.time(),) * 2)
open(\"/root/then\", \"w\").close(); os.utime(\"/root/then\", (631152001,) * 2)"'
check "a file that a program dates now, by the box's clock, is not told as dated by a call; another one is" recorded set \
	"SELECT group_concat(path || coalesce(mtime_set, 0), ' ') = '/root/now0 /root/then1' FROM (SELECT * FROM change WHERE path LIKE '/root/%' AND op = 'added' ORDER BY path)"
check "events are dated by the box's clock, in JSON and in SQL" sh -c '
	[ "$("$1" events set --json | grep -cv "\"time\":\"2001-02-03T0[01]:")" = 0 ] &&
	[ "$("$1" events set --json --sql "SELECT DISTINCT substr(UtcTime, 1, 10) AS day FROM file_event")" = "{\"day\":\"2001-02-03\"}" ]' \
	sh "$BELLJAR"

forged() { # NAME YES|NO WORDS DATES-SET OPTION…: is it told that a file's date was forged?
	local name=$1 yes=$2 words=$3 how=$4 n
	shift 4
	"$BELLJAR" run -q -b "$name" --no-judge --net off --copy "$waits/dates" "$@" -- sh -c "mkdir -p /opt/x
		echo '#!/bin/sh' >/opt/x/p; chmod 755 /opt/x/p; sleep 7776000; ./dates set /opt/x/p $how"
	n=$("$BELLJAR" judge "$name" --rules "$BELLJAR_SRC/rules" --json | grep -c '"rule":"time-stamps-forged"')
	equal "$words" "$n" "$yes"
}
forged f1 1 "a date of 1999 is forged where the box began in 2001" 915148800 --until 2001-02-03
forged f2 0 "… its own date there is not" "3600 ago" --until 2001-02-03
forged f3 1 "this machine's date is forged where the box began in 2033" "$(date +%s)" --until 2033-04-05
forged f4 0 "… its own of some days before is not" "864000 ago" --until 2033-04-05
forged f5 0 "a date of two months ago is not forged in a run that has lasted three" "5184000 ago" --speed lapse
forged f6 1 "… one of half a year ago is" "17280000 ago" --speed lapse

# ---- a process with another identity of the box -------------------------------------------------
equal "a program of another user" \
	"$(lapse sh -c 'setpriv --reuid=33 --regid=33 --clear-groups sh -c "a=\$(date +%s); sleep 7200; b=\$(date +%s); echo \$(((b - a) / 60))"')" 120

# ---- languages ----------------------------------------------------------------------------------
language() { # NAME PROGRAM
	if ! command -v "$2" >/dev/null; then
		skip "$1" "no $2 here"
		return 1
	fi
}
cat >t.py <<'P'
import asyncio, subprocess, sys, threading, time, queue
began, date, want, late = time.monotonic(), time.time(), 0, float(sys.argv[1])
def stamp(n, more):
    global want # what is more is this machine's work
    want += more
    took = time.monotonic() - began, time.time() - date
    print(n, "right" if all(want - .1 < t < want + late for t in took) else (want, took), flush=True)
time.sleep(7200); stamp("sleep", 7200)
threading.Event().wait(3600); stamp("event", 3600)
async def one(n, more):
    await asyncio.sleep(n); stamp("async %d" % n, more)
async def four():
    await asyncio.gather(one(2592000, 2584800), one(7200, 3600), one(60, 60), one(3600, 3540))
asyncio.run(four())
try: # Python looks each 50 ms: of 50 s and more patience would make an end, on a slow machine
    subprocess.run(["sleep", "45"], timeout=30)
except subprocess.TimeoutExpired:
    stamp("timeout", 30)
threads = [threading.Thread(target=lambda s=s, m=m: (time.sleep(s), stamp("thread %d" % s, m)))
           for s, m in ((3000, 2700), (10, 10), (300, 290))]
[t.start() for t in threads]; [t.join() for t in threads]
try:
    queue.Queue().get(timeout=5000)
except queue.Empty:
    stamp("queue", 5000)
P
language "Python: all ways to wait, in order, none early" /usr/bin/python3 &&
	equal "Python: all ways to wait, in order, none early" \
		"$(inside t.py sh -c "cd; /usr/bin/python3 t.py $((3 * slow))" | tr '\n' ';')" \
		"$(printf '%s right;' sleep event 'async 60' 'async 3600' 'async 7200' 'async 2592000' timeout \
			'thread 10' 'thread 300' 'thread 3000' queue)"
cat >t-many.py <<'P'
import queue, random, threading, time
early = []
def waiter(k):
    r = random.Random(k)
    for i in range(60):
        s = r.uniform(0.001, 5000)
        way = r.choice((0, 1, 2))
        began = time.monotonic()
        if way == 0:
            time.sleep(s)
        elif way == 1:
            threading.Event().wait(s)
        else:
            try:
                queue.Queue().get(timeout=s)
            except queue.Empty:
                pass
        if time.monotonic() - began < s - 0.0001:
            early.append((k, way, s))
threads = [threading.Thread(target=waiter, args=(k,)) for k in range(12)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(early))
P
equal "720 waits of twelve threads: none ends early" "$(inside t-many.py sh -c 'cd; python3 t-many.py')" 0
cat >t.js <<'P'
const fs = require('fs');
const began = process.hrtime.bigint(), date = Date.now();
const hours = ms => Math.round(ms / 36e5 * 10) / 10;
const stamp = n => console.log(n, hours(Number(process.hrtime.bigint() - began) / 1e6), hours(Date.now() - date));
setTimeout(() => stamp('2h'), 7200e3);
setTimeout(() => fs.writeFileSync('node-file', 'x'), 7300e3);
setTimeout(() => console.log('file', hours(Date.now() - fs.statSync('node-file').mtimeMs)), 7300e3 + 36e5);
setTimeout(() => stamp('20d'), 20 * 86400e3);
let n = 0;
const i = setInterval(() => { if (++n == 10) { stamp('ticks'); clearInterval(i); } }, 600e3);
P
language "Node: timers and intervals" node &&
	equal "Node: timers and intervals" "$(inside t.js sh -c 'cd; node t.js')" "ticks 1.7 1.7
2h 2 2
file 1
20d 480 480"
cat >t.go <<'P'
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

func main() {
	began := time.Now()
	date := began.Round(0)
	stamp := func(n string) {
		fmt.Println(n, int(time.Since(began).Minutes()+.5), int(time.Now().Round(0).Sub(date).Minutes()+.5))
	}
	time.Sleep(2 * time.Hour)
	stamp("sleep")
	<-time.After(time.Hour)
	stamp("after")
	var w sync.WaitGroup
	for _, n := range []int{600, 60, 6000} {
		w.Add(1)
		go func(n int) {
			defer w.Done()
			time.Sleep(time.Duration(n) * time.Minute)
			stamp(fmt.Sprint("go ", n))
		}(n)
	}
	w.Wait()
	k := time.NewTicker(10 * time.Minute)
	for i := 0; i < 10; i++ {
		<-k.C
	}
	stamp("ticks")
	os.WriteFile("go-file", nil, 0644)
	time.Sleep(time.Hour)
	f, _ := os.Stat("go-file")
	fmt.Println("file", int(time.Since(f.ModTime()).Minutes()+.5))
}
P
language "Go: sleeps, timers, tickers of goroutines" go &&
	HOME=$PWD GOCACHE=$PWD/go-cache GOFLAGS=-mod=mod go build -o t-go t.go >said 2>&1 &&
	equal "Go: sleeps, timers, tickers of goroutines" "$(inside t-go sh -c 'cd; ./t-go')" "sleep 120 120
after 180 180
go 60 240 240
go 600 780 780
go 6000 6180 6180
ticks 6280 6280
file 60"

cat >T.java <<'P'
import java.nio.file.*;
class T {
	public static void main(String[] a) throws Exception {
		long began = System.nanoTime(), date = System.currentTimeMillis();
		Path p = Path.of("java-file");
		Thread.sleep(7200000);
		Files.writeString(p, "x");
		synchronized (p) { p.wait(3600000); }
		System.out.println(Math.round((System.nanoTime() - began) / 6e10) + " "
			+ Math.round((System.currentTimeMillis() - date) / 6e4) + " "
			+ Math.round((System.currentTimeMillis() - Files.getLastModifiedTime(p).toMillis()) / 6e4));
	}
}
P
language "Java: sleeps, waits, times of files" javac && javac -J-XX:-UsePerfData T.java >said 2>&1 &&
	equal "Java: sleeps, waits, times of files" "$(inside T.class sh -c 'cd; java -XX:TieredStopAtLevel=1 -cp . T 2>&1')" "180 180 60"

# ---- the record ---------------------------------------------------------------------------------
"$BELLJAR" run -q -b a --net off --speed lapse -- sh -c 'sleep 7200; touch /root/late; sleep 86400'
check "the record's times are the box's: what came two hours later is dated so" recorded a \
	"SELECT count(*) > 0 FROM file WHERE path = '/root/late' AND t BETWEEN 7200000000000 AND 7260000000000"
check "… and the run's end" recorded a "SELECT t BETWEEN 93600000000000 AND 93700000000000 FROM run_end"
check "jumps of the clock are on record, and add up to the offset" recorded a \
	"SELECT count(*) >= 2 AND max(offset_ns) BETWEEN 93590000000000 AND 93600000000000 FROM clock"
check "a wait that ends at its own time is no work of impatience" recorded a \
	"SELECT count(*) = 0 FROM clock WHERE cause = 'busy'"
"$BELLJAR" run -q -b b --net off -- sh -c 'sleep 0.1'
check "at real speed the clock does not jump" recorded b "SELECT count(*) = 0 FROM clock"

# ---- another date -------------------------------------------------------------------------------
equal "--until: the box starts at another date, and goes on from it" \
	"$(within 100 "$BELLJAR" run -q --net off --until 2031-05-06 -- sh -c 'date -u +%F; sleep 86400; date -u +%F' | tr '\n' ' ')" \
	"2031-05-06 2031-05-07 "
equal "--until: a date before now as well" \
	"$(timeout 100 "$BELLJAR" run -q --net off --until 2001-05-06 -- sh -c 'date -u +%F; sleep 86400; date -u +%F' | tr '\n' ' ')" \
	"2001-05-06 2001-05-07 "
timeout 200 "$BELLJAR" run -q --net off --until 2001-05-06 --copy "$waits/waits" -- sh -c "cd; for w in \$(./waits list); do ./waits \$w 7200; done" >got
all_ways "… there each kind of wait ends when it should" got
"$BELLJAR" run -q --net off --until 1989-12-31 -- true >said 2>&1
equal "--until: a date before 1990 is refused" "$?" 2
"$BELLJAR" run -q --net off --speed fast -- true >said 2>&1
equal "--speed: an unknown one is refused" "$?" 2

# ---- the network --------------------------------------------------------------------------------
equal "the sinkhole's dates are the box's" \
	"$(within 100 "$BELLJAR" run -q --speed lapse -- sh -c 'sleep 8640000
	python3 -c "import urllib.request as u, email.utils as e, time
print(abs(time.time() - e.parsedate_to_datetime(u.urlopen(\"http://example.com/\").headers[\"date\"]).timestamp()) < 60)"')" True
for date in 2001-02-03 2036-02-03; do
	equal "a certificate of the sinkhole holds in ${date%%-*}" \
		"$(timeout 100 "$BELLJAR" run -q --until $date -- sh -c 'sleep 3600; curl -sS -o /dev/null -w "%{http_code} %{ssl_verify_result}" https://example.com/')" "200 0"
done
equal "the sinkhole's time of day is the box's" "$(timeout 100 "$BELLJAR" run -q --until 2001-02-03 -- python3 -c '
import socket, struct, time
time.sleep(86400)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
s.sendto(b"\x1b" + 47 * b"\0", ("pool.ntp.org", 123))
print(abs(struct.unpack("!I", s.recv(48)[40:44])[0] - 2208988800 - time.time()) < 60)')" True
"$BELLJAR" run -q -b c --speed lapse -- python3 -c '
import time, urllib.request as u
for i in range(5):
    u.urlopen("http://beacon.example.com/").read()
    time.sleep(3600)'
check "contacts an hour apart are an hour apart in the record" recorded c \
	"SELECT count(*) >= 5 AND max(t) - min(t) BETWEEN 14400000000000 AND 14410000000000 FROM flow WHERE op = 'begin' AND protocol = 'tcp'"
check "… and each has its process" recorded c "SELECT count(*) = 0 FROM flow WHERE op = 'begin' AND proc = 0"

echo "1..$n"
