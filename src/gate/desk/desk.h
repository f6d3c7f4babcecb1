// SPDX-License-Identifier: Apache-2.0
/*
 * desk.h - what the files of the supervisor's half share
 *
 * Theory of operation
 *
 * The desk is one thread. It reads what the gate process says, and believes none of it: an event
 * must decode, be of a kind that a gate tells, and gets its process from the recorder's table of
 * ports, not from the event; a wish to be connected is judged by the desk's own copy of the policy
 * and its own memory of what names the host's resolver gave. A gate process that says what it
 * cannot mean has been taken over: it is ended, and the box with it. So is one that asks for more
 * and more and does not read the answers.
 *
 * Look-ups run in a few threads of their own (lookup.c), since the host's resolver blocks. Dialing
 * does not: the socket is handed over while it connects.
 */
#ifndef BELLJAR_GATE_DESK_H
#define BELLJAR_GATE_DESK_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gate/decode/dns.h"
#include "gate/gate.h"
#include "gate/policy/policy.h"
#include "gate/wire.h"

#define DESK_FLOWS_MAX	   65536	/* flows that have begun and not ended */
#define DESK_KNOWN_MAX	   65536	/* addresses that look-ups gave */
#define DESK_NOTES_MAX	   (128u << 10) /* notes that wait: an honest gate process asks for less */
#define DESK_NOTES_BYTES   (64u << 20)	/* of all of them */
#define DESK_ANSWERS_BYTES (32u << 20)	/* while so much waits, names get no answer */
#define DESK_SOCKETS_MAX   32768 /* that wait to be handed over, as many as flows can be open */
#define DESK_END_NS	   (10 * NSEC_PER_SEC) /* then the gate process is ended by force */
#define LOOKUP_WORKERS	   8
#define LOOKUPS_MAX	   1024 /* that wait; more get no answer */
#define KNOWN_KEEP_MIN	   60	/* seconds that an answer counts at least */

struct note; /* something to say to the gate process */
struct owned;
struct known;
struct lookups;

struct gate {
	struct gate_opts opts;
	struct journal *j;
	uint64_t t0; /* CLOCK_MONOTONIC of t = 0 */
	pid_t pid;
	int sock; /* to the gate process */
	int wake; /* eventfd */
	pthread_t thread;
	bool threaded;
	pthread_mutex_t lock; /* guards policy and notes */
	struct policy *policy;
	struct note *notes, **notes_end;
	size_t nnotes, note_bytes, note_sockets;
	size_t sockets_max; /* more are not dialed; DESK_SOCKETS_MAX */
	bool deaf;	    /* it asks and does not listen: a note found no room */
	atomic_bool ending, failed;
	bool ended; /* it has said so */
	uint64_t end_by;
	struct owned *owned; /* process of each open flow */
	size_t nowned;
	struct known *known; /* what look-ups gave */
	size_t nknown;
	struct lookups *lookups;
};

/** desk_thread() - @arg: struct gate */
void *desk_thread(void *arg);
/** desk_policy() - queue the policy as it is now */
int desk_policy(struct gate *g, struct err *err);

/* notes.c */
/** desk_say() - queue a frame, if there is room; takes @fd (-1 none). Thread-safe */
void desk_say(struct gate *g, enum wire_type type, const void *a, size_t na, const void *b,
	      size_t nb, int fd);
/** desk_send_notes() - as many as the socket takes. Return: whether some are left */
bool desk_send_notes(struct gate *g);
/** desk_socket_room() - another socket may wait to be handed over; sends what waits, if need be */
bool desk_socket_room(struct gate *g);
/** desk_answer_room() - an answer of a name may wait */
bool desk_answer_room(struct gate *g);
/** desk_is_deaf() - a note found no room */
bool desk_is_deaf(struct gate *g);
/** desk_drop_notes() - what was not said yet never will be */
void desk_drop_notes(struct gate *g);

/* dial.c */
void desk_dial(struct gate *g, const struct wire_dial *d);
/** desk_know() - a look-up of @name gave this answer */
void desk_know(struct gate *g, const char *name, const void *answer, size_t n);
void desk_forget(struct gate *g);

/* lookup.c */
struct lookups *lookups_new(void);
int lookups_fd(const struct lookups *l); /* readable when answers are there */
/** lookups_ask() - false: too many wait */
bool lookups_ask(struct lookups *l, const struct wire_lookup *q);
/** lookups_take() - one answer; the caller frees *ret_answer. False: none */
bool lookups_take(struct lookups *l, struct wire_lookup *ret_q, void **ret_answer, size_t *ret_n,
		  int *ret_code);
/** lookups_leave() - threads that still wait for the network end by themselves */
void lookups_leave(struct lookups *l);
/** hosts_answer() - the answer that a hosts file's text gives, as a DNS message in @out; false: the
 * file does not name it. Pure */
bool hosts_answer(const char *text, const char *name, uint16_t type, struct buf *out);

#endif
