#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 900
#
# installers - every kind of installer is examined from its install until after its removal, and the
# same is found whatever it is; honest ones give no finding; what is damaged or hostile is one
# sentence and a status, and leaves nothing
set -u
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"
# shellcheck source=tests/lib/specimens.sh
. "$BELLJAR_SRC/tests/lib/specimens.sh"
AT_ONCE=3

# ---- kinds ---------------------------------------------------------------------------------------

kinds=(deb run makeself tar.zst zip rpm appimage program)
[ "${BELLJAR_USER_KIND:-root}" = root ] || kinds=(deb rpm appimage)
! command -v npm >/dev/null || kinds+=(npm) # it is three hundred packages of Debian's: too much to ask for
declare -A file=()
pack --with 4,5,6 --answers answers -o p
file[deb]=p/taxclient_4-5-6.deb
for k in "${kinds[@]:1}"; do
	file[$k]=$("$BELLJAR_SRC/specimen/repack" --build "$BELLJAR_BUILD" -o p p/taxclient_4-5-6.deb "$k")
done
mkdir honest
"$BELLJAR_SRC/specimen/pack-lookalike" --build "$BELLJAR_BUILD" --answers answers -o honest >/dev/null
honest() { "$BELLJAR_SRC/specimen/repack" --build "$BELLJAR_BUILD" -o honest "honest/honest-$1.deb" "$2"; }
file[honest-updater]=$(honest updater rpm)
if [ "${BELLJAR_USER_KIND:-root}" = root ]; then
	file[honest-daemon]=$(honest daemon appimage)
	file[honest-supervisor]=$(honest supervisor program)
	file[honest-temp]=$(honest temp tar.zst)
	file[honest-licence]=$(honest licence zip)
	! command -v npm >/dev/null || file[honest-housekeeping]=$(honest housekeeping npm)
fi
for k in "${!file[@]}"; do jobs_of $AT_ONCE examines "$k" "${file[$k]}"; done
wait

grave() { # BOX: the rules that gave more than a note
	sed -n 's/^{"grade":"\(concern\|finding\)".*"rule":"\([^"]*\)".*/\1 \2/p' "$1.json" | sort -u
}
check "the .deb of the specimen is a finding" test "$(fires deb several-signs)" = finding
for k in "${kinds[@]:1}"; do
	equal "$k: the same is found as of the .deb" "$(grave "$k")" "$(grave deb)"
	# npm has no scripts of a removal
	[ "$k" = npm ] || check "$k: its own way of removing it was found, and removes the product" recorded "$k" \
		"(SELECT count(*) FROM mark WHERE experiment = 'uninstall' AND detail = 'ended with status 0') = 1 AND
		 (SELECT count(*) FROM residue WHERE experiment = 'look-0' AND path LIKE '/opt/taxclient/%') = 0"
done
for k in "${!file[@]}"; do
	case $k in honest-*)
		check "$k (${file[$k]##*.}) is no finding" no_finding "$k"
		check "and it was installed" recorded "$k" \
			"(SELECT count(*) FROM mark WHERE experiment = 'install' AND detail = 'ended with status 0') = 1"
		;;
	esac
done

mkdir -p tar/product
printf '#!/bin/sh\nmkdir -p /opt/product && touch /opt/product/here\n' >tar/product/install.sh
for z in tar tar.gz tar.xz tar.bz2; do
	tar -caf "plain.$z" -C tar product
	"$BELLJAR" examine -q -b "$z" "plain.$z" </dev/null >said 2>&1
	equal "$z is unpacked and its script started" "$? $(cat said) $(sql "$z" "SELECT count(*) FROM change WHERE path = '/opt/product/here'")" "0  1"
done

# ---- what is damaged or hostile ------------------------------------------------------------------

mkdir bad
python3 - <<'P'
import io, os, tarfile, zipfile
def tar(name, members, mode="w:gz"):
    with tarfile.open("bad/" + name, mode, format=tarfile.PAX_FORMAT) as t:
        for path, to in members:
            i = tarfile.TarInfo(path)
            i.mode = 0o755
            data = b"" if to and to[0] == "/" else (to or "x").encode()
            if to and to[0] == "/":
                i.type, i.linkname = tarfile.SYMTYPE, to
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))
script = ("install.sh", "#!/bin/sh\nmkdir -p /opt/came && touch /opt/came/here\n")
tar("absolute.tar.gz", [("/etc/cron.d/absolute", None), script])
tar("above.tar.gz", [("../../../../etc/cron.d/above", None), script])
tar("through.tar.gz", [("link", "/etc/cron.d"), ("link/through", None), script])
tar("deep.tar.gz", [("/".join(["d" * 200] * 400) + "/f", None), script])
def kinds(name, *members):
    with tarfile.open("bad/" + name, "w:gz") as t:
        for path, kind, to in members:
            i = tarfile.TarInfo(path)
            i.type, i.linkname, i.mode = kind, to, 0o755
            i.size = len(script[1]) if kind == tarfile.REGTYPE else 0
            t.addfile(i, io.BytesIO(script[1].encode()) if i.size else None)
whole = ("p/install.sh", tarfile.REGTYPE, "")
kinds("device.tar.gz", whole, ("p/sda", tarfile.BLKTYPE, ""))
kinds("hard.tar.gz", whole, ("p/shadow", tarfile.LNKTYPE, "/etc/shadow"))
kinds("folders.tar.gz", ("p", tarfile.DIRTYPE, ""))
kinds("names.tar.gz", whole, ("p/a\nb\x1b[31m", tarfile.REGTYPE, ""), ("p/-rf", tarfile.REGTYPE, ""), ("p/$(touch x)", tarfile.REGTYPE, ""))
with zipfile.ZipFile("bad/above.zip", "w") as z:
    z.writestr("../../../../etc/cron.d/zip", "x")
    z.writestr(*script)
with zipfile.ZipFile("bad/empty.zip", "w") as z:
    z.writestr("readme", "x")
def cut(name, of, n=None):
    d = open(of, "rb").read()
    open("bad/" + name, "wb").write(d[: n or len(d) // 2])
cut("cut.tar.gz", "bad/absolute.tar.gz")
cut("cut.zip", "bad/above.zip")
cut("cut.deb", "p/taxclient_4-5-6.deb")
cut("head.deb", "p/taxclient_4-5-6.deb", 80)
cut("cut.rpm", "p/taxclient_4-5-6.rpm")
cut("cut.AppImage", "p/taxclient_4-5-6.AppImage")
open("bad/cut.program", "wb").write(b"\x7fELF" + bytes(100))
P
refused() { # STATUS FILE: one sentence, that status, and no box
	"$BELLJAR" list >before 2>&1
	"$BELLJAR" examine -q -b refused "$2" </dev/null >said 2>&1
	set -- "$1" "$2" $?
	equal "$(basename "$2") is refused in one sentence" "$3 $(grep -c ^belljar: said) $(wc -l <said)" "$1 1 1"
	"$BELLJAR" list >after 2>&1
	check "and leaves no box" cmp before after
}
for f in cut.tar.gz cut.zip cut.deb head.deb cut.rpm cut.AppImage above.tar.gz through.tar.gz deep.tar.gz empty.zip; do refused 117 bad/$f; done
refused 126 bad/cut.program
: >bad/empty.run
: >bad/empty.deb
mkfifo bad/fifo.run
ln -s nowhere bad/dangling.run
printf 'MZ\220\0' >bad/setup.exe
printf 'text' >bad/text.deb
for f in empty.run empty.deb fifo.run dangling.run device.tar.gz hard.tar.gz folders.tar.gz; do refused 117 bad/$f; done
for f in setup.exe text.deb; do refused 2 bad/$f; done
refused 117 /dev/null
if [ "$(id -u)" != 0 ]; then
	cp bad/absolute.tar.gz bad/unreadable.tar.gz
	mkdir bad/unreadable
	mv bad/unreadable.tar.gz bad/unreadable/
	chmod 000 bad/unreadable/unreadable.tar.gz
	refused 117 bad/unreadable/unreadable.tar.gz
	refused 117 bad/unreadable
fi
# the bytes say what it is, and a name is no more than a name
printf '#!/bin/sh\nmkdir -p /opt/came && touch /opt/came/here\n' >bad/script.deb
ln -s script.deb bad/link
cp bad/script.deb $'bad/a\nb \033[31m;$(touch x).run'
cp bad/script.deb bad/-rf
{ printf '#!/bin/sh\nmkdir -p /opt/came && touch /opt/came/here\nexit 0\n'; cat bad/empty.zip; } >bad/polyglot.zip
odd=(script.deb link $'a\nb \033[31m;$(touch x).run' -rf polyglot.zip names.tar.gz)
one_odd() { "$BELLJAR" examine -q -b "odd$1" "bad/${odd[$1]}" </dev/null >"$1.odd" 2>&1; echo $? >"$1.status"; }
for i in "${!odd[@]}"; do jobs_of $AT_ONCE one_odd "$i"; done
wait
for i in "${!odd[@]}"; do
	equal "$(printf '%q' "${odd[i]}") is installed" \
		"$(cat "$i.status" "$i.odd") $(sql "odd$i" "SELECT count(*) FROM change WHERE path = '/opt/came/here'")" "0 1"
done
check "no name was a command" test ! -e x
mkdir bad/nothing
refused 117 bad/nothing
for f in absolute.tar.gz above.zip; do
	"$BELLJAR" examine -q -b "${f%%.*}" bad/$f </dev/null >said 2>&1
	equal "names that lead out of $f lead nowhere: the rest is installed" \
		"$? $(cat said) $(sql "${f%%.*}" "SELECT count(*) FROM change WHERE path = '/opt/came/here'")
$(sql "${f%%.*}" "SELECT count(*) FROM change WHERE path LIKE '/etc/cron.d/%'")" "0  1
0"
done
check "and nothing of it came to this machine" test -z "$(ls /etc/cron.d/absolute /etc/cron.d/above /etc/cron.d/through /etc/cron.d/zip 2>/dev/null)"

printf '#!/bin/sh\nrm -f /usr/bin/sh /usr/bin/dash\n' >bad/shell.run
"$BELLJAR" examine -q -b shell -o shell bad/shell.run </dev/null >said 2>&1
equal "one that takes the machine's shell away is examined to the end" \
	"$? $(cat said) $(sql shell "SELECT count(*) FROM mark WHERE experiment = 'restart' AND step = 'end'")" "1  1"
check "and the report's page says so" grep -q 'concern: Files of the system are gone' shell/report.txt

# Room that is taken but not written: cheap where files are on a disk, and the folder of the others is memory.
if [ "${BELLJAR_USER_KIND:-root}" = single ] && [ "$(df -k --output=avail . | tail -n 1)" -gt 16000000 ]; then
	printf '#!/bin/sh\nfor i in 1 2 3; do fallocate -l 3G /opt/bomb$i; done\nwhile :; do :; done\n' >bad/bomb.run
	"$BELLJAR" examine -q -b bomb bad/bomb.run </dev/null >said 2>&1
	equal "an installer that fills the disk is stopped: one sentence, a status" \
		"$? $(grep -c 'it reached a limit of the box (disk-limit); what it wrote is removed' said) $(wc -l <said)" "115 1 1"
	check "and the room is free again" test "$(du -sm "$BELLJAR_HOME/boxes/bomb" 2>/dev/null | cut -f 1)" -lt 100
	check "its record is kept, and whole" "$BELLJAR" verify bomb
fi
