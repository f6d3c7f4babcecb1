// SPDX-License-Identifier: Apache-2.0
/*
 * sink_mail.c - mail servers of the sinkhole: SMTP (RFC 5321) and POP3 (RFC 1939)
 *
 * Every password is right, every mail is taken and thrown away, every mailbox is empty. What was
 * said is on record with the flow's bytes.
 */
#include <ctype.h>
#include <strings.h>

#include "gate/sink/talk.h"

/* one line of the program that begins with .word, and what is said; NULL: .fn says it */
struct line {
	const char *word, *reply;
	enum talked (*fn)(struct talk *t, const char *rest, struct buf *out);
};

static enum talked by_table(struct talk *t, const struct line *lines, size_t n, const char *line,
			    const char *otherwise, struct buf *out)
{
	const char *rest;

	for (size_t i = 0; i < n; i++) {
		if (!talk_word(line, lines[i].word, &rest))
			continue;
		if (lines[i].reply)
			buf_puts(out, lines[i].reply);
		return lines[i].fn ? lines[i].fn(t, rest, out) : TALK_ON;
	}
	buf_puts(out, otherwise);
	return TALK_ON;
}

static enum talked by_lines(struct talk *t, struct buf *out,
			    enum talked (*fn)(struct talk *t, char *line, struct buf *out))
{
	char line[TALK_LINE_MAX];
	enum talked talked = TALK_ON;

	while (talked == TALK_ON && out->n < TALK_OUT_MAX && talk_line(t, line))
		talked = fn(t, line, out);
	if (talked == TALK_ON && out->n >= TALK_OUT_MAX && talk_left(t))
		return TALK_MORE;
	return talked;
}

static enum talked bye(struct talk *t UNUSED, const char *rest UNUSED, struct buf *out UNUSED)
{
	return TALK_CLOSE;
}

/* ---- SMTP --------------------------------------------------------------------------------- */

enum smtp_state { SMTP_COMMAND, SMTP_DATA, SMTP_BDAT, SMTP_USER, SMTP_PASSWORD, SMTP_SECRET };
struct smtp {
	enum smtp_state state;
	uint64_t left; /* BDAT */
};

static enum talked smtp_greet(struct talk *t, struct buf *out)
{
	buf_printf(out, "220 %s ESMTP ready\r\n", t->host);
	return TALK_ON;
}

static enum talked smtp_ehlo(struct talk *t, const char *rest UNUSED, struct buf *out)
{
	buf_printf(out,
		   "250-%s\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
		   "250-SMTPUTF8\r\n250-CHUNKING\r\n%s250 AUTH PLAIN LOGIN\r\n",
		   t->host, t->tls_possible ? "250-STARTTLS\r\n" : "");
	return TALK_ON;
}

static enum talked smtp_helo(struct talk *t, const char *rest UNUSED, struct buf *out)
{
	buf_printf(out, "250 %s\r\n", t->host);
	return TALK_ON;
}

static enum talked smtp_starttls(struct talk *t, const char *rest UNUSED, struct buf *out)
{
	if (!t->tls_possible) {
		buf_puts(out, "454 TLS not available\r\n");
		return TALK_ON;
	}
	buf_puts(out, "220 Ready to start TLS\r\n");
	return TALK_TLS;
}

static enum talked smtp_auth(struct talk *t, const char *rest, struct buf *out)
{
	struct smtp *s = t->state;

	if (talk_word(rest, "LOGIN", &rest)) {
		s->state = *rest ? SMTP_PASSWORD : SMTP_USER;
		/* base64 of "Username:" and "Password:" */
		buf_puts(out, *rest ? "334 UGFzc3dvcmQ6\r\n" : "334 VXNlcm5hbWU6\r\n");
	} else if (strchr(rest, ' ')) { /* an initial response */
		buf_puts(out, "235 2.7.0 Authentication successful\r\n");
	} else {
		s->state = SMTP_SECRET;
		buf_puts(out, "334 \r\n");
	}
	return TALK_ON;
}

static enum talked smtp_data(struct talk *t, const char *rest UNUSED, struct buf *out UNUSED)
{
	((struct smtp *)t->state)->state = SMTP_DATA;
	return TALK_ON;
}

static enum talked smtp_bdat(struct talk *t, const char *rest, struct buf *out UNUSED)
{
	struct smtp *s = t->state;

	s->left = strtoull(rest, NULL, 10);
	s->state = SMTP_BDAT;
	return TALK_ON;
}

static const struct line smtp_lines[] = {
	{ "EHLO", NULL, smtp_ehlo },
	{ "HELO", NULL, smtp_helo },
	{ "STARTTLS", NULL, smtp_starttls },
	{ "AUTH", NULL, smtp_auth },
	{ "MAIL", "250 2.1.0 Ok\r\n", NULL },
	{ "RCPT", "250 2.1.5 Ok\r\n", NULL },
	{ "DATA", "354 End data with <CR><LF>.<CR><LF>\r\n", smtp_data },
	{ "BDAT", NULL, smtp_bdat },
	{ "RSET", "250 2.0.0 Ok\r\n", NULL },
	{ "NOOP", "250 2.0.0 Ok\r\n", NULL },
	{ "VRFY", "252 2.0.0 Ok\r\n", NULL },
	{ "QUIT", "221 2.0.0 Bye\r\n", bye },
};

static enum talked smtp_line(struct talk *t, char *line, struct buf *out)
{
	struct smtp *s = t->state;

	switch (s->state) {
	case SMTP_DATA:
		if (!strcmp(line, ".")) {
			buf_puts(out, "250 2.0.0 Ok: queued\r\n");
			s->state = SMTP_COMMAND;
		}
		return TALK_ON;
	case SMTP_USER:
		buf_puts(out, "334 UGFzc3dvcmQ6\r\n");
		s->state = SMTP_PASSWORD;
		return TALK_ON;
	case SMTP_PASSWORD:
	case SMTP_SECRET:
		buf_puts(out, "235 2.7.0 Authentication successful\r\n");
		s->state = SMTP_COMMAND;
		return TALK_ON;
	default:
		return by_table(t, smtp_lines, ARRAY_SIZE(smtp_lines), line,
				"500 5.5.2 Command not recognized\r\n", out);
	}
}

static enum talked smtp_input(struct talk *t, struct buf *out)
{
	struct smtp *s = t->state;
	enum talked talked;

	do {
		if (s->state == SMTP_BDAT) {
			size_t n = talk_left(t) < s->left ? talk_left(t) : (size_t)s->left;

			talk_take(t, n);
			s->left -= n;
			if (s->left)
				return TALK_ON;
			buf_puts(out, "250 2.0.0 Ok\r\n");
			s->state = SMTP_COMMAND;
		}
		/* one line at a time: after BDAT come bytes */
		char line[TALK_LINE_MAX];

		if (out->n >= TALK_OUT_MAX)
			return talk_left(t) ? TALK_MORE : TALK_ON;
		if (!talk_line(t, line))
			return TALK_ON;
		talked = smtp_line(t, line, out);
	} while (talked == TALK_ON);
	return talked;
}

static enum looks smtp_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	enum looks a = talk_starts(p, n, "EHLO "), b = talk_starts(p, n, "HELO ");

	return a > b ? a : b;
}

const struct speaker speaker_smtp = {
	.state = sizeof(struct smtp), .looks = smtp_looks, .greet = smtp_greet, .input = smtp_input
};

/* ---- POP3 --------------------------------------------------------------------------------- */

struct pop3 {
	bool secret; /* the next line answers AUTH */
};

static enum talked pop3_greet(struct talk *t UNUSED, struct buf *out)
{
	buf_puts(out, "+OK ready\r\n");
	return TALK_ON;
}

static enum talked pop3_capa(struct talk *t, const char *rest UNUSED, struct buf *out)
{
	buf_printf(out, "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nSASL PLAIN\r\n%s.\r\n",
		   t->tls_possible ? "STLS\r\n" : "");
	return TALK_ON;
}

static enum talked pop3_stls(struct talk *t, const char *rest UNUSED, struct buf *out)
{
	buf_puts(out, t->tls_possible ? "+OK begin TLS\r\n" : "-ERR no TLS\r\n");
	return t->tls_possible ? TALK_TLS : TALK_ON;
}

static enum talked pop3_auth(struct talk *t, const char *rest, struct buf *out)
{
	struct pop3 *p = t->state;

	if (!*rest) {
		buf_puts(out, "+OK\r\nPLAIN\r\n.\r\n");
	} else if (strchr(rest, ' ')) {
		buf_puts(out, "+OK\r\n");
	} else {
		p->secret = true;
		buf_puts(out, "+ \r\n");
	}
	return TALK_ON;
}

/* with a number: that message, which is not there; without: the list, which is empty */
static enum talked pop3_list(struct talk *t UNUSED, const char *rest, struct buf *out)
{
	buf_puts(out, *rest ? "-ERR no such message\r\n" : "+OK\r\n.\r\n");
	return TALK_ON;
}

static const struct line pop3_lines[] = {
	{ "CAPA", NULL, pop3_capa },
	{ "STLS", NULL, pop3_stls },
	{ "AUTH", NULL, pop3_auth },
	{ "USER", "+OK\r\n", NULL },
	{ "PASS", "+OK\r\n", NULL },
	{ "APOP", "+OK\r\n", NULL },
	{ "STAT", "+OK 0 0\r\n", NULL },
	{ "LIST", NULL, pop3_list },
	{ "UIDL", NULL, pop3_list },
	{ "NOOP", "+OK\r\n", NULL },
	{ "RSET", "+OK\r\n", NULL },
	{ "QUIT", "+OK\r\n", bye },
	{ "RETR", "-ERR no such message\r\n", NULL },
	{ "TOP", "-ERR no such message\r\n", NULL },
	{ "DELE", "-ERR no such message\r\n", NULL },
};

static enum talked pop3_line(struct talk *t, char *line, struct buf *out)
{
	struct pop3 *p = t->state;

	if (p->secret) {
		p->secret = false;
		buf_puts(out, "+OK\r\n");
		return TALK_ON;
	}
	return by_table(t, pop3_lines, ARRAY_SIZE(pop3_lines), line, "-ERR unknown command\r\n",
			out);
}

static enum talked pop3_input(struct talk *t, struct buf *out)
{
	return by_lines(t, out, pop3_line);
}

/* Only what no other protocol begins with. */
static enum looks pop3_looks(const struct talk *t, const char *p, size_t n)
{
	enum looks best = LOOKS_NO;
	static const char *const words[] = { "APOP ", "CAPA\r", "STLS\r" };

	if (t->facts->dst.port == 110 || t->facts->dst.port == 995)
		return talk_starts(p, n, "USER ");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		enum looks l = talk_starts(p, n, words[i]);

		best = l > best ? l : best;
	}
	return best;
}

const struct speaker speaker_pop3 = {
	.state = sizeof(struct pop3), .looks = pop3_looks, .greet = pop3_greet, .input = pop3_input
};
