#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Attempts to get out of a box by its network, around the gate: each must be stopped, must not send
# one packet in the host's network, and must be on record. The attempts are tests/escape/network.c.
# users: root range single
# timeout: 600
# net: own
# shellcheck source=tests/lib/tap.sh
. "$BELLJAR_SRC/tests/lib/tap.sh"

hosts=(127.0.0.1 ::1)
[ -z "${BELLJAR_OWN_NET:-}" ] || hosts+=(192.0.2.10 192.0.2.20 2001:db8::10)
mkdir outside
python3 "$BELLJAR_SRC/tests/lib/net_outside.py" outside "${hosts[@]}" >outside.log 2>&1 &
server=$!
wait_for 60 test -e outside/port || { cat outside.log; not_ok "somebody outside listens"; exit 1; }
port=$(cat outside/port)

# The listener can be reached, else the rest would say nothing.
equal "somebody outside listens, and speaks" "$(exec 3<>"/dev/tcp/127.0.0.1/$port" && cat <&3)" the-host-speaks
check "and writes down who came" grep -q '^tcp 127.0.0.1 from 127.0.0.1' outside/came

# Packets of the host's network, when the last of them are through: a group that is joined is told to
# the network twice, within a second.
packets() {
	local last="" now
	now=$(awk '/^ *lo:/ { print $3, $11 }' /proc/net/dev)
	until [ "$now" = "$last" ]; do
		sleep 1.5
		last=$now
		now=$(awk '/^ *lo:/ { print $3, $11 }' /proc/net/dev)
	done
	echo "$now"
}
before=$(packets)
run() { # BOX OPTION…
	local box=$1
	shift
	"$BELLJAR" run -q -b "$box" --copy "$BELLJAR_BUILD/tests/escape/network" "$@" \
		--env BELLJAR=1 --env ESCAPE_PORT="$port" --env ESCAPE_HOSTS="${hosts[*]:2} 10.0.2.2" \
		--env ESCAPE_GROUP=239.1.2.3 -- ./network all >"$box.said" 2>"$box.errors"
}
run esc
check "the attempts ran to their end" test -s esc.said
# an open mode does not open the host
run open --net open
if [ -n "${BELLJAR_OWN_NET:-}" ]; then
	equal "not one packet was sent in the host's network" "$(packets)" "$before"
else
	skip "not one packet was sent in the host's network" "others use it as well"
fi
equal "nobody came" "$(grep -vc '^tcp 127.0.0.1 from 127.0.0.1$' outside/came)" 0
equal "in mode open neither" "$(grep -c ' OUT ' open.said)" 0

# name of the attempt | condition on the record; ACT: keys of the attempt's processes
act="(WITH RECURSIVE k(p) AS (SELECT proc FROM process WHERE op='exec' AND command_line='network one NAME'
	UNION SELECT b.proc FROM process b JOIN k ON b.parent=k.p WHERE b.op='fork') SELECT p FROM k)"
s() { # COUNT CONDITION: so many SOCKET rows at least
	echo "(SELECT count(*) FROM socket WHERE $2 AND proc IN ACT) >= $1"
}
a() { # COUNT CALL
	echo "(SELECT count(*) FROM attempt WHERE call='$2' AND answer='refused' AND proc IN ACT) >= $1"
}
f() { # ANSWER DESTINATION [PROTOCOL]: a FLOW
	echo "EXISTS(SELECT 1 FROM flow WHERE op='end' AND answer='$1' AND dst='$2' ${3:+AND protocol='$3' }AND proc IN ACT)"
}
while IFS='|' read -r name condition; do
	line=$(grep "^$name " esc.said)
	case $line in
	"$name stopped "*) ok "$name is stopped" ;;
	*)
		not_ok "$name is stopped"
		echo "# ${line:-it did not finish}"
		;;
	esac
	condition=${condition//ACT/$act}
	check "$name is on record" recorded esc "${condition//NAME/$name}"
done <<TABLE
raw-sockets|$(s 10 "op='socket' AND answer='refused' AND reason LIKE 'raw sockets%'")
packet-sockets|$(s 3 "op='socket' AND answer='refused'")
other-protocols|$(s 14 "op='socket' AND answer='refused'")
mark|$(a 1 setsockopt)
transparent|$(a 2 setsockopt)
spoofed|$(s 1 "op='bind' AND address='192.168.77.77'") AND $(s 1 "op='sendto' AND address='203.0.113.77'")
device|$(f sinkhole 203.0.113.78) AND $(f sinkhole 203.0.113.86) AND $(s 1 "op='sendto' AND address='203.0.113.85'")
own-way|$(a 8 setsockopt) AND $(s 2 "op='sendto' AND address='203.0.113.79'") AND $(s 6 "op='sendto' AND address='2001:db8::77'")
no-way|NOT $(a 1 setsockopt)
other-source|$(s 2 "op='sendto' AND address IN ('203.0.113.80', '2001:db8::80')") AND $(f sinkhole 2001:db8::81)
repair|$(a 1 setsockopt)
fast-open|$(f sinkhole 203.0.113.82) AND $(f sinkhole 203.0.113.83)
many-paths|$(f sinkhole 203.0.113.84)
both-call|$(f sinkhole 10.0.2.2)
own-network|$(a 2 unshare)
gate-itself|$(s 4 "port=15001")
routes|$(s 5 "op='sendto' AND family='netlink'")
nf-tables|$(s 2 "op='sendto' AND family='netlink'")
old-calls|$(a 4 ioctl) AND EXISTS(SELECT 1 FROM file WHERE path='/dev/net/tun' AND proc IN ACT)
host-loopback|$(s 10 "port=$port AND answer='local'")
host-addresses|$(f sinkhole 10.0.2.2)
router|$(f sinkhole 10.0.2.2) AND $(f sinkhole fd17:625c:f037:2::2)
link-local|$(f sinkhole 169.254.169.254 tcp) AND $(f sinkhole 169.254.169.254 udp) AND $(f sinkhole fe80::1 tcp) AND $(f sinkhole fe80::1 udp)
groups|$(f unanswered 239.1.2.3) AND $(f unanswered 224.0.0.1) AND $(f unanswered ff02::1)
everybody|$(f unanswered 255.255.255.255) AND $(f unanswered 10.0.2.255)
dhcp|EXISTS(SELECT 1 FROM flow WHERE dst='255.255.255.255' AND dst_port=67 AND proc IN ACT)
TABLE
check "nothing was missed" recorded esc "(SELECT count(*) FROM gap) = 0"

rm outside/port
wait $server
