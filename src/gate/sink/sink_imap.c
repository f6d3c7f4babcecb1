// SPDX-License-Identifier: Apache-2.0
/*
 * sink_imap.c - an IMAP server (RFC 9051) of the sinkhole: every password is right, one empty
 * mailbox
 */
#include <ctype.h>
#include <strings.h>

#include "gate/sink/talk.h"

#define TAG_MAX 64
struct imap {
	uint64_t literal; /* bytes of a literal that are still to come */
	bool continued;	  /* the next line belongs to the same command */
	bool waits;	  /* AUTHENTICATE, IDLE: one more line, then .tag is done */
	char tag[TAG_MAX], command[16];
};

static void imap_capability(const struct talk *t, struct buf *out)
{
	buf_printf(out, "CAPABILITY IMAP4rev1 LITERAL+ IDLE AUTH=PLAIN SASL-IR%s",
		   t->tls_possible ? " STARTTLS" : "");
}

static enum talked imap_greet(struct talk *t, struct buf *out)
{
	buf_puts(out, "* OK [");
	imap_capability(t, out);
	buf_puts(out, "] ready\r\n");
	return TALK_ON;
}

/* untagged lines before the tagged OK */
static const struct {
	const char *command, *lines;
} imap_commands[] = {
	{ "LIST", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n" },
	{ "LSUB", "* LSUB () \"/\" INBOX\r\n" },
	{ "SELECT", "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n* 0 EXISTS\r\n"
		    "* 0 RECENT\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 1]\r\n" },
	{ "EXAMINE", "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n* 0 EXISTS\r\n"
		     "* 0 RECENT\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 1]\r\n" },
	{ "STATUS", "* STATUS INBOX (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY 1 UNSEEN 0)\r\n" },
	{ "SEARCH", "* SEARCH\r\n" },
	{ "NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" },
	{ "ID", "* ID NIL\r\n" },
	{ "LOGOUT", "* BYE\r\n" },
};

static enum talked imap_done(struct talk *t, struct buf *out)
{
	struct imap *m = t->state;

	for (size_t i = 0; i < ARRAY_SIZE(imap_commands); i++)
		if (!strcasecmp(m->command, imap_commands[i].command))
			buf_puts(out, imap_commands[i].lines);
	if (!strcasecmp(m->command, "CAPABILITY")) {
		buf_puts(out, "* ");
		imap_capability(t, out);
		buf_puts(out, "\r\n");
	}
	buf_printf(out, "%s OK done\r\n", m->tag);
	if (!strcasecmp(m->command, "STARTTLS") && t->tls_possible)
		return TALK_TLS;
	return strcasecmp(m->command, "LOGOUT") ? TALK_ON : TALK_CLOSE;
}

/* A literal at the line's end, "{5}" or "{5+}" (RFC 7888)? Its bytes come next. */
static bool imap_literal(struct imap *m, const char *line, struct buf *out)
{
	const char *open = strrchr(line, '{');
	char *end;

	if (!open || !isdigit((unsigned char)open[1]))
		return false;
	m->literal = strtoull(open + 1, &end, 10);
	if (strcmp(end, "}") && strcmp(end, "+}"))
		return false;
	if (*end == '}')
		buf_puts(out, "+ go on\r\n");
	m->continued = true;
	return true;
}

/* IDLE, and AUTHENTICATE without an initial response (RFC 4959), are ended by a line of the client
 */
static bool imap_waits(const struct imap *m, const char *word)
{
	const char *mechanism;

	if (talk_word(word, "AUTHENTICATE", &mechanism))
		return !strchr(mechanism, ' ');
	return !strcasecmp(m->command, "IDLE");
}

static enum talked imap_line(struct talk *t, const char *line, struct buf *out)
{
	struct imap *m = t->state;
	size_t tag = strcspn(line, " ");
	const char *word = line + tag + strspn(line + tag, " ");

	if (m->waits) {
		m->waits = false;
		return imap_done(t, out);
	}
	if (!m->continued) {
		for (size_t i = 0; i < tag; i++)
			if (!isgraph((unsigned char)line[i]))
				tag = 0;
		snprintf(m->tag, sizeof(m->tag), "%.*s", (int)(tag < TAG_MAX ? tag : TAG_MAX - 1),
			 line);
		snprintf(m->command, sizeof(m->command), "%.*s",
			 (int)(strcspn(word, " ") < 15 ? strcspn(word, " ") : 15), word);
		if (!tag || !*word) {
			buf_puts(out, "* BAD no command\r\n");
			return TALK_ON;
		}
	}
	m->continued = false;
	if (imap_literal(m, line, out))
		return TALK_ON;
	if (imap_waits(m, word)) {
		m->waits = true;
		buf_puts(out, "+ \r\n");
		return TALK_ON;
	}
	return imap_done(t, out);
}

static enum talked imap_input(struct talk *t, struct buf *out)
{
	struct imap *m = t->state;
	char line[TALK_LINE_MAX];
	enum talked talked;

	do {
		size_t n = talk_left(t) < m->literal ? talk_left(t) : (size_t)m->literal;

		talk_take(t, n);
		m->literal -= n;
		if (m->literal)
			return TALK_ON;
		if (out->n >= TALK_OUT_MAX)
			return talk_left(t) ? TALK_MORE : TALK_ON;
		if (!talk_line(t, line))
			return TALK_ON;
		talked = imap_line(t, line, out);
	} while (talked == TALK_ON);
	return talked;
}

static enum looks imap_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	static const char *const words[] = { "LOGIN ", "CAPABILITY\r", "CAPABILITY\n",
					     "AUTHENTICATE ", "STARTTLS\r" };
	enum looks best = LOOKS_NO;
	size_t tag = 0;

	while (tag < n && tag < 12 && isalnum((unsigned char)p[tag]))
		tag++;
	if (tag == n)
		return tag < 12 && tag ? LOOKS_SHORT : LOOKS_NO;
	if (!tag || p[tag] != ' ')
		return LOOKS_NO;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		enum looks l = talk_starts(p + tag + 1, n - tag - 1, words[i]);

		best = l > best ? l : best;
	}
	return best;
}

const struct speaker speaker_imap = {
	.state = sizeof(struct imap), .looks = imap_looks, .greet = imap_greet, .input = imap_input
};
