// SPDX-License-Identifier: Apache-2.0
/*
 * guess.c - which protocol do the first bytes speak?
 *
 * A table of signatures, each for what a client or a server says first. A signature answers yes,
 * no, or more bytes please; the first yes decides. When all say no for both sides, or enough has
 * come, the flow is text or binary that nobody here knows, and needs no more reading.
 */
#include "gate/decode/be.h"
#include "gate/decode/dns.h"
#include "gate/decode/http1.h"
#include "gate/decode/http2.h"
#include "gate/decode/quic.h"

#define GUESS_MAX 4096	      /* bytes of a side without a yes: it will not come */
#define FIRST_MAX (64u << 10) /* bytes after which a banner waits no more for the other side */

enum answer { NO, MORE, YES };

/* ---- signatures --------------------------------------------------------------------------- */

/* Does it begin with @z? MORE while it could still. */
static enum answer begins(const uint8_t *p, size_t n, const char *z)
{
	size_t k = strlen(z);

	if (memcmp(p, z, n < k ? n : k))
		return NO;
	return n < k ? MORE : YES;
}

static enum answer begins_any(const uint8_t *p, size_t n, const char *const *z)
{
	enum answer best = NO;

	for (; *z && best != YES; z++) {
		enum answer a = begins(p, n, *z);

		if (a > best)
			best = a;
	}
	return best;
}

static enum answer is_tls(const uint8_t *p, size_t n)
{
	if (p[0] != 22 || (n > 1 && p[1] != 3) || (n > 2 && p[2] > 4) || (n > 5 && p[5] != 1))
		return NO;
	return n > 5 ? YES : MORE;
}

#define METHOD_MAX 64
#define TOKEN_NOT  "\"(),/:;<=>?@[\\]{}" /* RFC 9110 5.6.2 */

/* method, space, target - decided by the version at the end of the line, or at once by a well-known
 * method with a path, since its line can be long */
static enum answer is_http_request(const uint8_t *p, size_t n)
{
	static const char *const usual[] = { "GET /",	  "GET http", "POST /",	  "POST http",
					     "HEAD /",	  "PUT /",    "DELETE /", "OPTIONS /",
					     "OPTIONS *", "PATCH /",  NULL };
	const uint8_t *end;
	size_t i = 0, line;

	if (begins_any(p, n, usual) == YES)
		return YES;
	if (begins(p, n, H2_PREFACE) != NO)
		return NO;
	/* as lenient as http1_head_read() */
	while (n && memchr(" \t\r\n", *p, 4)) {
		p++;
		n--;
	}
	end = memchr(p, '\n', n);
	line = end ? (size_t)(end - p) : n;
	while (i < line && i < METHOD_MAX && p[i] > ' ' && p[i] < 0x7f && !strchr(TOKEN_NOT, p[i]))
		i++;
	if ((!i && n) || i == METHOD_MAX || (i < line && p[i] != ' ' && p[i] != '\t'))
		return NO;
	if (!end)
		return MORE;
	while (line && memchr(" \t\r", p[line - 1], 3))
		line--;
	return line > i + 9 && http1_is_version(p + line - 8) && memchr(" \t", p[line - 9], 2) ? YES
											       : NO;
}

static enum answer is_http2(const uint8_t *p, size_t n)
{
	return begins(p, n, H2_PREFACE);
}

static enum answer is_http_response(const uint8_t *p, size_t n)
{
	return begins(p, n, "HTTP/1.");
}

static enum answer is_ssh(const uint8_t *p, size_t n)
{
	return begins(p, n, "SSH-");
}

static enum answer is_mqtt(const uint8_t *p, size_t n)
{
	size_t i = 1;

	if (p[0] != 0x10)
		return NO;
	while (i < n && i < 5 && p[i] & 0x80)
		i++;
	if (i == 5)
		return NO;
	i++;
	if (n < i + 6)
		return MORE;
	return !memcmp(p + i, "\0\4MQTT", 6) || !memcmp(p + i, "\0\6MQIs", 6) ? YES : NO;
}

/* TPKT (RFC 1006) with an X.224 connection request or confirm */
static enum answer is_rdp(const uint8_t *p, size_t n)
{
	if (p[0] != 3 || (n > 1 && p[1]) || (n > 5 && p[5] != 0xe0 && p[5] != 0xd0))
		return NO;
	if (n < 6)
		return MORE;
	return p[4] + 5u == be16(p + 2) ? YES : NO;
}

static enum answer is_socks(const uint8_t *p, size_t n)
{
	static const enum answer answers[] = { NO, MORE, YES };

	return answers[socks_begins(p, n) + 1];
}

static enum answer is_irc_client(const uint8_t *p, size_t n)
{
	static const char *const words[] = { "NICK ", "CAP LS", "CAP REQ", NULL };

	return begins_any(p, n, words);
}

static enum answer is_irc_server(const uint8_t *p, size_t n)
{
	const uint8_t *end = memchr(p, '\n', n);
	size_t line = end ? (size_t)(end - p) : n;

	if (begins(p, n, "NOTICE AUTH ") != NO)
		return begins(p, n, "NOTICE AUTH ");
	if (p[0] != ':')
		return NO;
	if (memmem(p, line, " NOTICE ", 8) || memmem(p, line, " 001 ", 5))
		return YES;
	return end || n > 512 ? NO : MORE;
}

/* "220" is said by SMTP and by FTP: the words of the greeting tell which, else nothing does yet. It
 * ends with the line that has a space behind the number. */
static enum answer greeting(const uint8_t *p, size_t n, const char *word)
{
	const uint8_t *line = p, *nl;

	if (begins(p, n, "220 ") == NO && begins(p, n, "220-") == NO)
		return NO;
	while ((nl = memchr(line, '\n', (size_t)(p + n - line)))) {
		for (const uint8_t *q = line; q + strlen(word) <= nl; q++)
			if (!strncasecmp((const char *)q, word, strlen(word)))
				return YES;
		if (nl - line < 4 || line[3] != '-')
			return NO;
		line = nl + 1;
	}
	return n > 1024 ? NO : MORE;
}

static enum answer is_smtp_server(const uint8_t *p, size_t n)
{
	return greeting(p, n, "SMTP");
}

static enum answer is_ftp_server(const uint8_t *p, size_t n)
{
	return greeting(p, n, "FTP");
}

static enum answer is_smtp_client(const uint8_t *p, size_t n)
{
	static const char *const words[] = { "EHLO ", "HELO ", "LHLO ", "ehlo ", "helo ", NULL };

	return begins_any(p, n, words);
}

static enum answer is_pop3_server(const uint8_t *p, size_t n)
{
	return begins(p, n, "+OK");
}

static enum answer is_imap_server(const uint8_t *p, size_t n)
{
	static const char *const words[] = { "* OK", "* PREAUTH", "* BYE", NULL };

	return begins_any(p, n, words);
}

/* a message behind its length (RFC 1035 4.2.2) */
static enum answer is_plain_dns(const uint8_t *p, size_t n);

static enum answer is_dns_stream(const uint8_t *p, size_t n)
{
	if ((n > 0 && p[0] > 0x10) || (n > 1 && be16(p) < 17))
		return NO;
	if (n < 2 + 12u)
		return MORE;
	if (!dns_looks_like(p + 2, be16(p))) /* of which it reads the head alone */
		return NO;
	return n < 2u + be16(p) ? MORE : is_plain_dns(p + 2, be16(p));
}

/* ---- datagrams ---------------------------------------------------------------------------- */

static enum answer is_ntp(const uint8_t *p, size_t n)
{
	/* RFC 5905 7.3: version 1 to 4, mode 1 to 5; extension fields make it longer */
	return n >= 48 && n % 4 == 0 && n < 512 && (p[0] >> 3 & 7) >= 1 && (p[0] >> 3 & 7) <= 4 &&
			       (p[0] & 7) >= 1 && (p[0] & 7) <= 5
		       ? YES
		       : NO;
}

static enum answer is_quic(const uint8_t *p, size_t n)
{
	return quic_is_initial(p, n) ? YES : NO;
}

static enum answer read_dns(const uint8_t *p, size_t n, bool any)
{
	struct dns_message *m;
	enum answer a = NO;

	if (!dns_looks_like(p, n))
		return NO;
	m = xmalloc(sizeof(*m));
	if (!dns_read(p, n, m) && (any || (m->nquestions == 1 && m->qname[1] && m->qclass == 1)))
		a = YES;
	free(m);
	return a;
}

static enum answer is_dns(const uint8_t *p, size_t n)
{
	return read_dns(p, n, true);
}

/* where nothing else speaks for it, only what nothing else looks like */
static enum answer is_plain_dns(const uint8_t *p, size_t n)
{
	return read_dns(p, n, false);
}

/* ---- the table ---------------------------------------------------------------------------- */

struct signature {
	enum watch_protocol protocol;
	uint16_t port; /* UDP: only to or from this port; 0 any */
	enum answer (*client)(const uint8_t *p, size_t n);
	enum answer (*server)(const uint8_t *p, size_t n);
	void (*begin)(struct watch *w); /* NULL: nothing is read after the banner */
};

static const struct signature stream_signatures[] = {
	{ PROTO_TLS, 0, is_tls, NULL, tls_begin },
	{ PROTO_HTTP1, 0, is_http_request, is_http_response, http1_begin },
	{ PROTO_HTTP2, 0, is_http2, NULL, http2_begin },
	{ PROTO_SSH, 0, is_ssh, is_ssh, NULL },
	{ PROTO_SMTP, 0, is_smtp_client, is_smtp_server, text_begin },
	{ PROTO_FTP, 0, NULL, is_ftp_server, text_begin },
	{ PROTO_POP3, 0, NULL, is_pop3_server, text_begin },
	{ PROTO_IMAP, 0, NULL, is_imap_server, text_begin },
	{ PROTO_IRC, 0, is_irc_client, is_irc_server, text_begin },
	{ PROTO_MQTT, 0, is_mqtt, NULL, NULL },
	{ PROTO_RDP, 0, is_rdp, is_rdp, NULL },
	{ PROTO_SOCKS, 0, is_socks, NULL, socks_begin },
	{ PROTO_DNS, 0, is_dns_stream, is_dns_stream, dns_begin },
};

static const struct signature datagram_signatures[] = {
	{ PROTO_DNS, 53, is_dns, is_dns, dns_begin },
	{ PROTO_DNS, 5353, is_dns, is_dns, dns_begin },
	{ PROTO_DNS, 5355, is_dns, is_dns, dns_begin },
	{ PROTO_QUIC, 0, is_quic, NULL, quic_begin },
	{ PROTO_NTP, 123, is_ntp, is_ntp, NULL },
	{ PROTO_DNS, 0, is_plain_dns, is_plain_dns, dns_begin },
};

bool watch_looks_like_text(const uint8_t *p, size_t n)
{
	size_t odd = 0;

	for (size_t i = 0; i < n; i++) {
		if (!p[i])
			return false;
		odd += (p[i] < ' ' && !strchr("\t\r\n\f\033\b", p[i])) || p[i] == 0x7f;
	}
	/* a sequence that is cut at the end is no sign of binary */
	for (size_t cut = 1; odd == 0 && cut <= 3 && cut <= n; cut++)
		if (p[n - cut] >= 0xc2 && p[n - cut] <= 0xf4 &&
		    utf8_valid((const char *)p, n - cut))
			return true;
	return !odd && utf8_valid((const char *)p, n);
}

/* ---- the readers --------------------------------------------------------------------------- */

/* of what is known and not read: only until there is enough for the banner */
static ssize_t first_feed(struct watch *w, enum dir dir UNUSED, uint64_t t UNUSED,
			  const uint8_t *p UNUSED, size_t n)
{
	if ((w->side[DIR_OUT].first_n == BANNER_TEXT && w->side[DIR_IN].first_n == BANNER_TEXT) ||
	    w->side[DIR_OUT].bytes + w->side[DIR_IN].bytes > FIRST_MAX)
		w->done = true;
	return (ssize_t)n;
}

static bool first_skip(struct watch *w UNUSED, enum dir dir UNUSED, uint64_t n UNUSED)
{
	return true;
}

static const struct reader first_reader = { .feed = first_feed, .skip = first_skip };

/* what is known while nothing is decided */
struct guess {
	bool no[2]; /* this side speaks nothing that is known */
};

static void decide(struct watch *w, uint64_t t, const struct signature *s)
{
	watch_speaks(w, t, s->protocol);
	if (s->begin)
		s->begin(w);
	else if (w->facts.tcp || w->inner)
		watch_become(w, &first_reader, NULL);
	else
		w->done = true;
}

static const struct signature *try_all(enum dir dir, const uint8_t *p, size_t n, bool *ret_more)
{
	*ret_more = false;
	for (size_t i = 0; i < ARRAY_SIZE(stream_signatures); i++) {
		const struct signature *s = &stream_signatures[i];
		enum answer (*ask)(const uint8_t *, size_t) =
			dir == DIR_OUT ? s->client : s->server;
		enum answer a = ask ? ask(p, n) : NO;

		if (a == YES)
			return s;
		if (a == MORE)
			*ret_more = true;
	}
	return NULL;
}

static const struct signature *signature_of(enum watch_protocol protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(stream_signatures); i++)
		if (stream_signatures[i].protocol == protocol)
			return &stream_signatures[i];
	return NULL;
}

static bool is_greeting(const uint8_t *p, size_t n)
{
	return n && (begins(p, n, "220 ") == YES || begins(p, n, "220-") == YES);
}

/* A greeting that SMTP and FTP share is decided by its port, or by a client that says no EHLO. */
static const struct signature *by_context(const struct watch *w, enum dir dir, const uint8_t *p,
					  size_t n)
{
	enum watch_protocol expected = watch_expected(true, w->facts.dst.port);

	if (dir == DIR_IN && is_greeting(p, n) && (expected == PROTO_SMTP || expected == PROTO_FTP))
		return signature_of(expected);
	if (dir == DIR_OUT && is_greeting(w->side[DIR_IN].stash, w->side[DIR_IN].stash_n))
		return signature_of(PROTO_FTP);
	return NULL;
}

static ssize_t feed(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	struct guess *g = w->state;
	bool more;
	const struct signature *s = try_all(dir, p, n, &more);

	if (!s && !more)
		s = by_context(w, dir, p, n);
	if (s) {
		decide(w, t, s);
		return 0;
	}
	if (more && n < GUESS_MAX)
		return 0;
	/* the other side may still say what it is, unless it has had its turn too */
	g->no[dir] = true;
	if (n >= GUESS_MAX || g->no[!dir])
		w->done = true;
	return 0;
}

static void datagram(struct watch *w, enum dir dir, uint64_t t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(datagram_signatures); i++) {
		const struct signature *s = &datagram_signatures[i];
		enum answer (*ask)(const uint8_t *, size_t) =
			dir == DIR_OUT ? s->client : s->server;

		if (s->port && s->port != w->facts.dst.port && s->port != w->facts.src.port)
			continue;
		if (!ask || ask(p, n) != YES)
			continue;
		decide(w, t, s);
		if (!w->done)
			w->reader->datagram(w, dir, t, p, n);
		return;
	}
	/* the first datagrams of both sides decide */
	if ((w->side[DIR_OUT].bytes && w->side[DIR_IN].bytes) || w->side[dir].bytes > GUESS_MAX)
		w->done = true;
}

static const struct reader guess_reader = { .feed = feed, .datagram = datagram, .free = free };

void guess_begin(struct watch *w)
{
	watch_become(w, &guess_reader, xcalloc(1, sizeof(struct guess)));
	w->again = false;
}
