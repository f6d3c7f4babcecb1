// SPDX-License-Identifier: Apache-2.0
/*
 * sink.h - the sinkhole: somebody plausible at every name and port, who knows nothing
 *
 * A session is a pure state machine over bytes: the gate feeds what the program sends and gets what
 * goes back. It guesses the protocol from the first bytes (TLS, then what is inside of it, again),
 * from the port when a server would speak first, and answers: HTTP by method and type, banners and
 * refusals of SMTP, FTP, POP3, IMAP, IRC; NTP with the box's time; else silence. It never invents a
 * command for the program: an answer holds no more than the protocol needs. With --answers, files
 * and recorded answers of an earlier run come first.
 */
#ifndef BELLJAR_GATE_SINK_H
#define BELLJAR_GATE_SINK_H

#include "gate/decode/watch.h"
#include "gate/flow.h"
#include "gate/tls/ca.h"

struct answers; /* answers.c: what --answers gave */

/** struct sink_env - what all sessions of a run share; borrowed */
struct sink_env {
	struct ca *ca;			/* leaf certificates for TLS; NULL: no TLS */
	const struct answers *answers;	/* NULL: none */
	const uint64_t *box_time_ahead; /* ns that the box's clocks are ahead of CLOCK_REALTIME */
	void *ctx;
	/* plain bytes of the session, both directions, after TLS; @inner: they were inside TLS */
	void (*plain)(void *ctx, const struct flow_facts *f, enum dir dir, bool inner,
		      const void *p, size_t n);
	/* TLS secrets in NSS key log format, one line, for capture files; may be NULL */
	void (*keylog)(void *ctx, const char *line);
};

struct sink;
struct sink *sink_new(const struct sink_env *env, const struct flow_facts *f);
/**
 * sink_input() - bytes from the program (TCP; n = 0: it has closed its side), or one datagram (UDP)
 * @reply: gets what goes back; bounded by SINK_REPLY_MAX
 * Return: 0 go on; 1 close after the reply
 */
#define SINK_REPLY_MAX (4u << 20)
int sink_input(struct sink *s, const void *p, size_t n, struct buf *reply);
/** sink_quiet() - the program has said nothing for SINK_BANNER_NS since it connected: a server that
 * speaks first would now. Return: as sink_input() */
#define SINK_BANNER_NS (150 * 1000000ull)
int sink_quiet(struct sink *s, struct buf *reply);
/** sink_drained() - all of the last reply was sent: what else there is to say, such as the rest of
 * a large file. Call it then, always; between a reply and this, feed no more than SINK_INPUT_MAX
 * bytes. Return: as sink_input(); nothing appended when that was all */
#define SINK_INPUT_MAX (256u << 10)
int sink_drained(struct sink *s, struct buf *reply);
void sink_free(struct sink *s);

/** answers_open() - read the folder of --answers (doc/POLICY.md says its layout); the folder is
 * trusted, its files are read now up to ANSWERS_TOTAL_MAX */
#define ANSWERS_TOTAL_MAX (256ull << 20)
int answers_open(int dirfd, struct answers **ret, struct err *err);
void answers_free(struct answers *a);

#endif
