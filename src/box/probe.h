// SPDX-License-Identifier: Apache-2.0
/*
 * probe.h - how one feature of the machine is tried (probe.c has the table)
 */
#ifndef BELLJAR_BOX_PROBE_H
#define BELLJAR_BOX_PROBE_H

#include "box/internal.h"

#define PROBE_SECONDS 10 /* a try that takes longer has failed */

/** struct probe_try - what a try is given, and what it leaves; in memory shared with its child */
struct probe_try {
	struct box_home *home;
	char dir[4096]; /* an empty folder in the home, removed after; "" could not be made */
	int state;	/* PROBE_… */
	char found[256];
	const char *remedy; /* static; NULL: the row's */
};

/** enum probe_where - the process that tries */
enum probe_where {
	HERE,	   /* ours: reads only */
	IN_CHILD,  /* a fork */
	IN_USERNS, /* box root with a single id, in a mount namespace of its own */
};

/** probe_found() - what was seen; returns @state */
int probe_found(struct probe_try *t, int state, const char *fmt, ...) PRINTF(3, 4);
/** probe_number() - first number in a small file such as /proc/sys/…, -1 without it */
long probe_number(const char *path);

/* Each returns PROBE_OK, PROBE_WEAKER or PROBE_MISSING. */
int probe_userns(struct probe_try *t);
int probe_range(struct probe_try *t);
int probe_namespaces(struct probe_try *t);
int probe_proc(struct probe_try *t);
int probe_mounts(struct probe_try *t);
int probe_overlay_disk(struct probe_try *t);
int probe_overlay_memory(struct probe_try *t);
int probe_timens(struct probe_try *t);
int probe_landlock(struct probe_try *t);

int probe_notify(struct probe_try *t);
int probe_wake_up(struct probe_try *t);
int probe_ptrace(struct probe_try *t);
int probe_pidfd(struct probe_try *t);

int probe_cgroups(struct probe_try *t);
int probe_tproxy(struct probe_try *t);
int probe_slirp(struct probe_try *t);
int probe_certificates(struct probe_try *t);
int probe_kernel(struct probe_try *t);
int probe_memfd(struct probe_try *t);
int probe_io_uring(struct probe_try *t);
int probe_32bit(struct probe_try *t);
int probe_space(struct probe_try *t);
int probe_clock(struct probe_try *t);

#endif
