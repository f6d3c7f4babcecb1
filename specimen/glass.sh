# Stands at the head of every script of a specimen: as marker.h, for shells.
under_glass() {
	[ "${BELLJAR-}" = 1 ] && grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/self/status &&
		grep -q '^Seccomp:[[:space:]]*2$' /proc/self/status &&
		! grep -q '^ *0 *0 *4294967295$' /proc/self/uid_map
}
under_glass || {
	echo "$0: this test program runs only in a belljar box" >&2
	exit 64
}
