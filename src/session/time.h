// SPDX-License-Identifier: Apache-2.0
/*
 * time.h - one step of a session that waits
 */
#ifndef BELLJAR_SESSION_TIME_H
#define BELLJAR_SESSION_TIME_H

#include "session/session.h"

/** session_wait_a_little() - session_wait() for one happening, or @ms of real time at most; 0: not
 * yet */
int session_wait_a_little(struct session_run *s, int id, pid_t pid, int ms, int *ret_status,
			  struct err *err);

/** session_make_clock() - s->clock, for SPEED_LAPSE, before the gate process is made */
int session_make_clock(struct session_run *s, const struct session_opts *o, struct err *err);
void session_drop_clock(struct session_run *s);

#endif
