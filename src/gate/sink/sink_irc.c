// SPDX-License-Identifier: Apache-2.0
/*
 * sink_irc.c - IRC server of the sinkhole (RFC 2812): every name is welcome, every channel is empty
 */
#include <ctype.h>
#include <strings.h>

#include "gate/sink/talk.h"

#define NICK_MAX    31
#define CHANNEL_MAX 64

struct irc {
	char nick[NICK_MAX + 1];
	bool user, welcomed;
};

/* One word that comes back: printable, without what separates. */
static void word_copy(char *to, size_t room, const char *from)
{
	size_t n = 0;

	for (; n + 1 < room && isgraph((unsigned char)from[n]) && from[n] != ',' && from[n] != ':';
	     n++)
		to[n] = from[n];
	to[n] = 0;
}

static void welcome(struct talk *t, struct buf *out)
{
	struct irc *i = t->state;

	if (i->welcomed || !i->user || !i->nick[0])
		return;
	i->welcomed = true;
	buf_printf(out,
		   ":%s 001 %s :Welcome\r\n:%s 002 %s :Your host is %s\r\n"
		   ":%s 003 %s :Created today\r\n:%s 004 %s %s 1.0 io nt\r\n"
		   ":%s 422 %s :No MOTD\r\n",
		   t->host, i->nick, t->host, i->nick, t->host, t->host, i->nick, t->host, i->nick,
		   t->host, t->host, i->nick);
}

static enum talked irc_line(struct talk *t, const char *line, struct buf *out)
{
	struct irc *i = t->state;
	const char *rest;
	char channel[CHANNEL_MAX];

	if (talk_word(line, "NICK", &rest)) {
		word_copy(i->nick, sizeof(i->nick), rest + (*rest == ':'));
	} else if (talk_word(line, "USER", &rest)) {
		i->user = true;
	} else if (talk_word(line, "CAP", &rest)) {
		if (talk_word(rest, "LS", NULL) || talk_word(rest, "LIST", NULL))
			buf_printf(out, ":%s CAP * LS :\r\n", t->host);
		else if (talk_word(rest, "REQ", &rest))
			buf_printf(out, ":%s CAP * NAK :\r\n", t->host);
	} else if (talk_word(line, "PING", &rest)) {
		word_copy(channel, sizeof(channel), rest + (*rest == ':'));
		buf_printf(out, ":%s PONG %s :%s\r\n", t->host, t->host, channel);
	} else if (talk_word(line, "JOIN", &rest) && i->welcomed) {
		word_copy(channel, sizeof(channel), rest);
		buf_printf(out,
			   ":%s!%s@%s JOIN %s\r\n:%s 353 %s = %s :%s\r\n"
			   ":%s 366 %s %s :End of names\r\n",
			   i->nick, i->nick, "host", channel, t->host, i->nick, channel, i->nick,
			   t->host, i->nick, channel);
	} else if (talk_word(line, "QUIT", NULL)) {
		buf_puts(out, "ERROR :Closing link\r\n");
		return TALK_CLOSE;
	}
	welcome(t, out);
	return TALK_ON;
}

static enum talked irc_input(struct talk *t, struct buf *out)
{
	char line[TALK_LINE_MAX];
	enum talked talked = TALK_ON;

	while (talked == TALK_ON && out->n < TALK_OUT_MAX && talk_line(t, line))
		talked = irc_line(t, line, out);
	return talked == TALK_ON && out->n >= TALK_OUT_MAX ? TALK_MORE : talked;
}

static enum looks irc_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	enum looks best = talk_starts(p, n, "NICK "), cap = talk_starts(p, n, "CAP LS");
	enum looks user = talk_starts(p, n, "USER ");
	const char *nl = n ? memchr(p, '\n', n) : NULL;
	int words = 1;

	if (user == LOOKS_YES) { /* USER name mode unused :real name */
		for (const char *c = p; nl && c < nl; c++)
			words += c[0] == ' ' && c[1] != ' ';
		user = !nl ? LOOKS_SHORT : words >= 5 ? LOOKS_YES : LOOKS_NO;
	}
	best = cap > best ? cap : best;
	return user > best ? user : best;
}

const struct speaker speaker_irc = { .state = sizeof(struct irc),
				     .looks = irc_looks,
				     .input = irc_input };
