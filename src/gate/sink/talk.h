// SPDX-License-Identifier: Apache-2.0
/*
 * talk.h - inside the sinkhole: one conversation in the clear, and who can hold it
 *
 * A speaker is a server's side of one protocol. It reads what the program said from the talk's
 * input, takes what it has understood (talk_take()), and appends its answer. It sees no TLS: below
 * it can be a socket, TLS, or a tunnel.
 *
 * Whatever a speaker says, it says nothing that a client would execute: no code, no command, no
 * program. Bytes of the program come back only where a protocol echoes them.
 */
#ifndef BELLJAR_GATE_TALK_H
#define BELLJAR_GATE_TALK_H

#include "gate/sink/sink.h"

#define TALK_LINE_MAX 4096
#define TALK_OUT_MAX  (1u << 20) /* a speaker that has said so much waits until it is sent */

/** enum talked - what comes next */
enum talked {
	TALK_ON,     /* the program's turn */
	TALK_CLOSE,  /* ours to close, after what was said */
	TALK_MORE,   /* there is more to say when that was sent */
	TALK_TLS,    /* a TLS handshake comes next (STARTTLS) */
	TALK_TUNNEL, /* what follows is for somebody else: .tunnel (CONNECT) */
	TALK_OTHER,  /* the speaker gives up: the rest is met with silence */
};

struct talk {
	const struct sink_env *env;
	const struct flow_facts *facts;
	const char *host; /* whom the program means: SNI, name asked, or address; never empty */
	bool inner;	  /* inside TLS */
	void *state;	  /* the speaker's own, zeroed at first */
	struct buf in;
	size_t at;	   /* of .in: taken so far */
	bool tls_possible; /* STARTTLS can be offered */
	char tunnel[NAME_MAX_DNS + 1];
};

/** enum looks - are these bytes the beginning of a speaker's protocol? */
enum looks { LOOKS_NO, LOOKS_SHORT /* more bytes are needed */, LOOKS_YES };

struct speaker {
	size_t state; /* size of its state */
	enum looks (*looks)(const struct talk *t, const char *p,
			    size_t n);			       /* NULL: by port alone */
	enum talked (*greet)(struct talk *t, struct buf *out); /* NULL: the client speaks first */
	enum talked (*input)(struct talk *t, struct buf *out);
	void (*end)(struct talk *t); /* may be NULL; frees what hangs on the state */
};

extern const struct speaker speaker_http1, speaker_http2, speaker_smtp, speaker_pop3, speaker_imap,
	speaker_ftp, speaker_irc, speaker_ssh, speaker_mqtt, speaker_time, speaker_daytime,
	speaker_recorded, speaker_ftp_data;

static inline size_t talk_left(const struct talk *t)
{
	return t->in.n - t->at;
}

static inline const char *talk_bytes(const struct talk *t)
{
	return t->in.p ? t->in.p + t->at : "";
}

static inline void talk_take(struct talk *t, size_t n)
{
	t->at += n;
}

/* Where a client of our FTP server is sent for its data. */
#define FTP_DATA_FIRST 61200
#define FTP_DATA_LAST  61327

/** talk_line() - take one line, without its end; longer ones are cut, NULs end it
 * Return: false while there is no whole line */
bool talk_line(struct talk *t, char line[TALK_LINE_MAX]);
/** talk_word() - is the first word of @line @word, without case? *rest is what follows it */
bool talk_word(const char *line, const char *word, const char **rest);
/** talk_starts() - do @n bytes begin with @word, without case? LOOKS_SHORT while they could */
enum looks talk_starts(const char *p, size_t n, const char *word);
/** talk_time() - ns since the epoch on the box's clock */
uint64_t talk_time(const struct sink_env *env);

/** sink_datagram() - answer to one datagram, none for what is not understood (sink_small.c) */
void sink_datagram(const struct sink_env *env, const struct flow_facts *f, const void *p, size_t n,
		   struct buf *reply);

#endif
