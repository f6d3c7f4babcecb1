#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 32-bit programs: each call must be on record under its own number and with its own arguments, by
# `int $0x80` and by the vDSO; walls must stand. The acts are tests/vm/ia32.c.
# users: root range single
. "$BELLJAR_SRC/tests/lib/tap.sh"

program=$BELLJAR_BUILD/tests/vm/ia32
by() { "$BELLJAR" run -q -b "$1" --copy "$program" --env BELLJAR=1 -- ./ia32 "$2"; }

f() { # OP CONDITION: a FILE row of ours
	echo "EXISTS(SELECT 1 FROM file WHERE op='$1' AND ($2) AND proc IN (SELECT proc FROM process WHERE op='exec' AND image='/root/ia32'))"
}
s() { echo "EXISTS(SELECT 1 FROM socket WHERE op='$1' AND ($2))"; }
a() { echo "EXISTS(SELECT 1 FROM attempt WHERE call='$1' AND answer='refused')"; }

for via in 80 vdso; do
	by "b$via" $via >"said-$via" 2>"errors-$via"
	status=$?
	if [ $status = 77 ]; then
		skip "the vDSO's entry" "this kernel shows a 32-bit program none"
		continue
	fi
	equal "by $via: the program ends well" "$status $(cat "errors-$via")" "0 "
	while IFS='|' read -r words condition; do
		check "by $via: $words" recorded "b$via" "$condition"
	done <<-END
		the program is on record as executed|EXISTS(SELECT 1 FROM process WHERE op='exec' AND image='/root/ia32' AND command_line='./ia32 $via' AND length(sha256)=64)
		mkdir|$(f mkdir "path='/root/d' AND mode=493")
		open that creates|$(f create "path='/root/d/open' AND mode=416 AND existed=0")
		openat that creates|$(f create "path='/root/d/openat' AND mode=384")
		link|$(f link "path='/root/d/open' AND path2='/root/d/link'")
		symlink|$(f symlink "path='/root/d/symlink' AND path2='elsewhere'")
		rename|$(f rename "path='/root/d/openat' AND path2='/root/d/renamed'")
		unlink|$(f unlink "path='/root/d/link'")
		chmod|$(f chmod "path='/root/d/open' AND mode=489")
		truncate64|$(f truncate "path='/root/d/open'")
		chown with 32-bit ids|$(f chown "path='/root/d/renamed' AND detail='33:34'")
		chown with 16-bit ids, one of them left alone|$(f chown "path='/root/d/open' AND detail GLOB '35:-*'")
		setxattr|$(f setxattr "path='/root/d/open' AND detail GLOB '*user.ia32*'")
		memfd_create|$(f memfd "path GLOB '*ia32-memory'")
		the file is there, as told|EXISTS(SELECT 1 FROM change WHERE op='added' AND path='/root/d/open' AND mode & 4095=489 AND size=3)
		a signal to a child|EXISTS(SELECT 1 FROM signal WHERE call='kill' AND signal=10 AND target<>proc)
		a child that a signal ends|EXISTS(SELECT 1 FROM process WHERE op='exit' AND signal=10)
		a child by clone and its status|EXISTS(SELECT 1 FROM process WHERE op='exit' AND exit_status=41)
		execve of itself|EXISTS(SELECT 1 FROM process WHERE op='exec' AND command_line='ia32-again touch' AND image='/root/ia32')
		what that program does|$(f create "path='/root/d/again'")
		connect by socketcall|$(s connect "family='inet' AND protocol='tcp' AND address='203.0.113.9' AND port=4321")
		connect by its own number|$(s connect "family='inet' AND protocol='tcp' AND port=4322")
		sendto by socketcall|$(s sendto "family='inet' AND protocol='udp' AND address='203.0.113.9' AND port=4323")
		sendmsg by socketcall|$(s sendto "family='inet' AND protocol='udp' AND port=4324")
		sendmsg by its own number|$(s sendto "family='inet' AND protocol='udp' AND port=4325")
		bind by socketcall|$(s bind "family='unix' AND address GLOB '*ia32-socket'")
		a socket of another family by socketcall is refused|EXISTS(SELECT 1 FROM socket WHERE op='socket' AND family='packet' AND answer='refused')
		two sockets of the hypervisor's family are refused|(SELECT count(*) FROM socket WHERE op='socket' AND family='vsock' AND answer='refused')=2
		a raw socket by socketcall is refused|EXISTS(SELECT 1 FROM socket WHERE op='socket' AND family='inet' AND answer='refused')
		nothing changed without a call on record|NOT EXISTS(SELECT 1 FROM mismatch WHERE what='truth-without-intent')
		nothing was unseen|NOT EXISTS(SELECT 1 FROM gap)
	END
	for call in mount umount unshare setns clone pivot_root init_module kexec_load bpf \
		perf_event_open userfaultfd add_key keyctl io_uring_setup ioctl settimeofday stime \
		clock_settime64 clock_adjtime64 sethostname ioperm iopl syslog swapon reboot acct \
		quotactl open_by_handle_at fsopen mount_setattr; do
		check "by $via: $call is refused and on record" recorded "b$via" "$(a $call)"
	done
	check "by $via: ptrace is on record" recorded "b$via" \
		"EXISTS(SELECT 1 FROM attempt WHERE call='ptrace')"
	equal "by $via: none of the walls gave way" \
		"$(sed -n '/^vsock/,$p' "said-$via" | grep -v ' -')" ""
	equal "by $via: what must succeed succeeded" "$(grep -E '^(mkdir|open|openat|link|symlink|rename|unlink|chmod|truncate64|chown32|chown16|setxattr|memfd_create|socketcall-socket|socket|socketcall-bind) ' "said-$via" | grep -v ' 0$')" ""
	equal "by $via: children ended as they should" \
		"$(grep -E '^(kill|clone|execve) ' "said-$via" | tr '\n' ';')" "kill 10;clone 41;execve 5;"
done

by race race >said-race 2>&1
equal "a socket that was allowed is the one that is made, whatever another process writes" \
	"$(grep foreign said-race)" "race-foreign 0"
check "and the race was one: some were allowed, some refused" \
	sh -c "grep -qE 'race-got [1-9]' said-race && grep -qE 'race-refused [1-9]' said-race"
sed 's/^/# /' said-race
