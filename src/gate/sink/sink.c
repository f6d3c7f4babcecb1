// SPDX-License-Identifier: Apache-2.0
/*
 * sink.c - a session of the sinkhole: which protocol, and through how many layers
 *
 * Theory of operation
 *
 * A session is a short stack of layers. The lowest has the bytes of the connection. A layer begins
 * with nobody in it; the first bytes decide, or, when the program waits for the server, the port:
 *
 *   TLS      a handshake, then the layer above has what is inside - and guesses again
 *   speaker  somebody answers (talk.h); STARTTLS turns its layer to TLS, CONNECT puts a layer above
 *   silence  nobody answers; the bytes are on record like all others
 *
 * A program that sends without waiting for answers is stopped by bounds: a layer holds at most
 * HELD_MAX bytes that its speaker has not taken, then the session ends.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <strings.h>

#include "gate/sink/answers.h"
#include "gate/sink/talk.h"

#define LAYERS_MAX 5	/* e.g. CONNECT in TLS, TLS in the tunnel, what is inside */
#define GUESS_MAX  8192 /* bytes to guess by; a request line can be long */
#define HELD_MAX   (2 * SINK_INPUT_MAX)

enum layer_kind { LAYER_NEW, LAYER_TLS, LAYER_SPEAKER, LAYER_TUNNEL, LAYER_SILENT };

struct layer {
	enum layer_kind kind;
	const struct speaker *speaker;
	struct talk talk;
	SSL *ssl;
	struct ca_session session;
	char host[NAME_MAX_DNS + 1];
};

struct sink {
	const struct sink_env *env;
	struct flow_facts facts;
	char ip[ADDR_TEXT_MAX];
	bool ended, eof;
	int depth; /* of layers in use, at least 1 */
	struct layer *layer[LAYERS_MAX];
};

/* ---- who answers -------------------------------------------------------------------------- */

/* Asked in this order. */
static const struct speaker *const by_bytes[] = { &speaker_http2, &speaker_http1, &speaker_ssh,
						  &speaker_smtp,  &speaker_imap,  &speaker_irc,
						  &speaker_pop3,  &speaker_ftp,	  &speaker_mqtt };

/* A server that speaks first: on its port, or when it is asked for by such a name. */
static const struct at_port {
	const char *name; /* first label of the name, NULL: any */
	const struct speaker *speaker;
	uint16_t port;
	bool tls_first;
} by_port[] = {
	{ NULL, &speaker_ftp, 21, false },     { NULL, &speaker_ftp, 990, true },
	{ NULL, &speaker_ssh, 22, false },     { NULL, &speaker_ssh, 2222, false },
	{ NULL, &speaker_smtp, 25, false },    { NULL, &speaker_smtp, 587, false },
	{ NULL, &speaker_smtp, 2525, false },  { NULL, &speaker_smtp, 465, true },
	{ NULL, &speaker_pop3, 110, false },   { NULL, &speaker_pop3, 995, true },
	{ NULL, &speaker_imap, 143, false },   { NULL, &speaker_imap, 993, true },
	{ NULL, &speaker_daytime, 13, false }, { NULL, &speaker_time, 37, false },
	{ "smtp", &speaker_smtp, 0, false },   { "mail", &speaker_smtp, 0, false },
	{ "mx", &speaker_smtp, 0, false },     { "pop", &speaker_pop3, 0, false },
	{ "pop3", &speaker_pop3, 0, false },   { "imap", &speaker_imap, 0, false },
	{ "ftp", &speaker_ftp, 0, false },
};

/* Ports where a mail-like name still means the web. */
static bool web_port(uint16_t port)
{
	return port == 80 || port == 443 || port == 8080 || port == 8443;
}

static const struct speaker *speaker_by_port(const struct sink *s, bool inner)
{
	const char *name = s->facts.name;
	size_t label = strcspn(name, ".");

	if (s->facts.dst.port >= FTP_DATA_FIRST && s->facts.dst.port <= FTP_DATA_LAST)
		return &speaker_ftp_data;
	for (size_t i = 0; i < ARRAY_SIZE(by_port); i++) {
		const struct at_port *a = &by_port[i];

		if (a->name) {
			if (!web_port(s->facts.dst.port) && label == strlen(a->name) &&
			    !strncasecmp(name, a->name, label))
				return a->speaker;
		} else if (a->port == s->facts.dst.port) {
			return a->tls_first == inner ? a->speaker : NULL;
		}
	}
	return NULL;
}

/* The start of a TLS ClientHello (RFC 8446 5.1), or of one in the format of SSL 2.0. */
static enum looks looks_tls(const uint8_t *p, size_t n)
{
	if (!n)
		return LOOKS_SHORT;
	if (p[0] == 0x16)
		return n < 3 ? (n < 2 || p[1] == 3 ? LOOKS_SHORT : LOOKS_NO)
			     : (p[1] == 3 && p[2] <= 4 ? LOOKS_YES : LOOKS_NO);
	if (p[0] & 0x80)
		return n < 4 ? LOOKS_SHORT : p[2] == 1 && p[3] == 3 ? LOOKS_YES : LOOKS_NO;
	return LOOKS_NO;
}

/* ---- layers ------------------------------------------------------------------------------- */

/* It stands in greetings: one printable word. */
static void set_host(struct layer *l, const char *host)
{
	size_t n = 0;

	for (; host[n] && n + 1 < sizeof(l->host); n++)
		l->host[n] = host[n] > ' ' && host[n] < 0x7f ? host[n] : '?';
	l->host[n] = 0;
	if (!n)
		strcpy(l->host, "localhost");
}

static struct layer *layer_push(struct sink *s, bool inner, const char *host)
{
	struct layer *l = xcalloc(1, sizeof(*l));

	set_host(l, host);
	l->talk = (struct talk){ .env = s->env,
				 .facts = &s->facts,
				 .host = l->host,
				 .inner = inner,
				 .in = { .limit = HELD_MAX } };
	l->talk.tls_possible = s->env->ca && !inner && s->depth + 2 <= LAYERS_MAX;
	s->layer[s->depth++] = l;
	return l;
}

static void layer_free(struct layer *l)
{
	if (l->speaker && l->speaker->end)
		l->speaker->end(&l->talk);
	free(l->talk.state);
	buf_free(&l->talk.in);
	SSL_free(l->ssl);
	free(l);
}

struct sink *sink_new(const struct sink_env *env, const struct flow_facts *f)
{
	struct sink *s = xcalloc(1, sizeof(*s));

	s->env = env;
	s->facts = *f;
	if (!addr_text(&f->dst, s->ip))
		s->ip[0] = 0;
	layer_push(s, false, f->name[0] ? f->name : s->ip);
	return s;
}

static void give_plain(struct sink *s, const struct layer *l, enum dir dir, const void *p, size_t n)
{
	if (n && s->env->plain)
		s->env->plain(s->env->ctx, &s->facts, dir, l->talk.inner, p, n);
}

/* What was held while nobody knew what it is, and is not TLS. */
static void give_held(struct sink *s, const struct layer *l)
{
	give_plain(s, l, DIR_OUT, talk_bytes(&l->talk), talk_left(&l->talk));
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->depth; i++) {
		if (s->layer[i]->kind == LAYER_NEW)
			give_held(s, s->layer[i]);
		layer_free(s->layer[i]);
	}
	free(s);
}

static void silence(struct layer *l)
{
	l->kind = LAYER_SILENT;
	buf_free(&l->talk.in);
	l->talk.at = 0;
}

static int layer_input(struct sink *s, int i, const void *p, size_t n, struct buf *out);

/* ---- a speaker's layer -------------------------------------------------------------------- */

static void give_speaker(struct layer *l, const struct speaker *speaker)
{
	l->kind = LAYER_SPEAKER;
	l->speaker = speaker;
	l->talk.state = speaker->state ? xcalloc(1, speaker->state) : NULL;
}

static int begin_tls(struct sink *s, int i);

/* Bytes that came with the last ones, after which another protocol begins. */
static int pass_rest_up(struct sink *s, int i, struct buf *out)
{
	struct layer *l = s->layer[i];
	cleanup_buf struct buf rest = { 0 };

	buf_add(&rest, talk_bytes(&l->talk), talk_left(&l->talk));
	buf_free(&l->talk.in);
	l->talk.in.limit = HELD_MAX;
	l->talk.at = 0;
	return rest.n ? layer_input(s, i, rest.p, rest.n, out) : 0;
}

static int after_speaking(struct sink *s, int i, enum talked talked, struct buf *out)
{
	struct layer *l = s->layer[i];
	struct talk *t = &l->talk;

	switch (talked) {
	case TALK_CLOSE:
		return 1;
	case TALK_TLS:
		if (begin_tls(s, i))
			return 1;
		return pass_rest_up(s, i, out);
	case TALK_TUNNEL:
		if (s->depth == LAYERS_MAX) {
			silence(l);
			return 0;
		}
		l->kind = LAYER_TUNNEL;
		layer_push(s, t->inner, t->tunnel)->talk.tls_possible = false;
		return pass_rest_up(s, i, out);
	case TALK_OTHER:
		silence(l);
		return 0;
	case TALK_ON:
	case TALK_MORE:
		break;
	}
	if (t->in.overflow)
		return 1; /* it does not wait for what is said */
	if (!talk_left(t)) {
		buf_free(&t->in);
		t->in.limit = HELD_MAX;
	} else if (t->at) {
		memmove(t->in.p, t->in.p + t->at, talk_left(t));
		t->in.n -= t->at;
	}
	t->at = 0;
	return s->eof && talked != TALK_MORE;
}

/* what a speaker says now, through @fn of it */
static int speak(struct sink *s, int i, enum talked (*fn)(struct talk *t, struct buf *out),
		 struct buf *out)
{
	struct layer *l = s->layer[i];
	size_t before = out->n;
	enum talked talked = fn(&l->talk, out);

	give_plain(s, l, DIR_IN, out->p ? out->p + before : "", out->n - before);
	return after_speaking(s, i, talked, out);
}

/* ---- guessing ----------------------------------------------------------------------------- */

static const struct speaker *guess(struct talk *t, bool *ret_short)
{
	*ret_short = false;
	for (size_t i = 0; i < ARRAY_SIZE(by_bytes); i++) {
		enum looks looks = by_bytes[i]->looks(t, talk_bytes(t), talk_left(t));

		if (looks == LOOKS_YES)
			return by_bytes[i];
		*ret_short |= looks == LOOKS_SHORT;
	}
	return NULL;
}

static int new_input(struct sink *s, int i, struct buf *out)
{
	struct layer *l = s->layer[i];
	struct talk *t = &l->talk;
	const struct speaker *speaker;
	enum looks tls = looks_tls((const uint8_t *)talk_bytes(t), talk_left(t));
	bool more;

	if (tls == LOOKS_YES) {
		cleanup_buf struct buf hello = t->in;

		t->in = (struct buf){ .limit = HELD_MAX };
		if (begin_tls(s, i)) {
			give_plain(s, l, DIR_OUT, hello.p, hello.n);
			silence(l);
			return 0;
		}
		return layer_input(s, i, hello.p, hello.n, out);
	}
	if (answers_speak(s->env->answers, t)) {
		give_held(s, l);
		give_speaker(l, &speaker_recorded);
		return speak(s, i, l->speaker->input, out);
	}
	speaker = guess(t, &more);
	if (!speaker && (more || tls == LOOKS_SHORT) && talk_left(t) < GUESS_MAX)
		return 0;
	if (!speaker)
		speaker = speaker_by_port(s, t->inner);
	give_held(s, l);
	if (!speaker) {
		silence(l);
		return 0;
	}
	give_speaker(l, speaker);
	return speak(s, i, speaker->input, out);
}

/* ---- TLS ---------------------------------------------------------------------------------- */

static int begin_tls(struct sink *s, int i)
{
	struct layer *l = s->layer[i];

	if (!s->env->ca || s->depth == LAYERS_MAX || i != s->depth - 1)
		return -1;
	l->session = (struct ca_session){ .name = strcmp(l->host, s->ip) ? l->host : "",
					  .ip_text = i ? "" : s->ip,
					  .alpn = "h2,http/1.1,http/1.0",
					  .ctx = s->env->ctx,
					  .keylog = s->env->keylog };
	l->ssl = ca_server(s->env->ca, &l->session);
	if (!l->ssl)
		return -1;
	SSL_set_bio(l->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(l->ssl), -1);
	l->kind = LAYER_TLS;
	return 0;
}

static void tls_flush(struct layer *l, struct buf *out)
{
	char *p;
	BIO *b = SSL_get_wbio(l->ssl);
	long n = BIO_get_mem_data(b, &p);

	if (n > 0)
		buf_add(out, p, (size_t)n);
	(void)BIO_reset(b);
}

static void tls_say(struct layer *l, const struct buf *plain)
{
	if (plain->n)
		SSL_write(l->ssl, plain->p, (int)plain->n);
}

/* The handshake is over: now it is known who is meant, and on some ports the server speaks. */
static int tls_ready(struct sink *s, int i, struct buf *plain)
{
	struct layer *l = s->layer[i], *up;
	const char *sni = SSL_get_servername(l->ssl, TLSEXT_NAMETYPE_host_name);
	const struct speaker *speaker = NULL;

	if (sni && *sni)
		set_host(l, sni);
	up = layer_push(s, true, l->host);
	if (l->speaker) /* after STARTTLS the same server goes on, without another greeting */
		give_speaker(up, l->speaker);
	else if (answers_greets(s->env->answers, &up->talk))
		speaker = &speaker_recorded;
	else if (i == 0)
		speaker = speaker_by_port(s, true);
	if (!speaker || !speaker->greet)
		return 0;
	give_speaker(up, speaker);
	return speak(s, i + 1, speaker->greet, plain);
}

static int tls_input(struct sink *s, int i, const void *p, size_t n, struct buf *out)
{
	struct layer *l = s->layer[i];
	cleanup_buf struct buf plain = { 0 };
	char piece[16384];
	int k, end = 0;

	ERR_clear_error();
	if (n && BIO_write(SSL_get_rbio(l->ssl), p, (int)n) != (int)n)
		return 1;
	if (s->depth == i + 1) {
		k = SSL_do_handshake(l->ssl);
		if (k == 1)
			end = tls_ready(s, i, &plain);
	} else {
		k = 1;
	}
	while (k > 0 && !end && (k = SSL_read(l->ssl, piece, sizeof(piece))) > 0)
		end = layer_input(s, i + 1, piece, (size_t)k, &plain);
	if (k <= 0) {
		int why = SSL_get_error(l->ssl, k);

		/* refused our certificate, closed its side, or spoke nonsense; our alert goes out
		 */
		end |= why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
	}
	tls_say(l, &plain);
	if (end && SSL_is_init_finished(l->ssl))
		SSL_shutdown(l->ssl);
	tls_flush(l, out);
	ERR_clear_error();
	return end;
}

/* ---- bytes come --------------------------------------------------------------------------- */

static int layer_input(struct sink *s, int i, const void *p, size_t n, struct buf *out)
{
	struct layer *l = s->layer[i];

	switch (l->kind) {
	case LAYER_TLS:
		return tls_input(s, i, p, n, out);
	case LAYER_TUNNEL:
		return layer_input(s, i + 1, p, n, out);
	case LAYER_NEW:
		buf_add(&l->talk.in, p, n);
		return new_input(s, i, out);
	case LAYER_SPEAKER:
		give_plain(s, l, DIR_OUT, p, n);
		buf_add(&l->talk.in, p, n);
		return speak(s, i, l->speaker->input, out);
	case LAYER_SILENT:
		give_plain(s, l, DIR_OUT, p, n);
		return 0;
	}
	return 1;
}

int sink_input(struct sink *s, const void *p, size_t n, struct buf *reply)
{
	if (s->ended)
		return 1;
	if (!s->facts.tcp) {
		give_plain(s, s->layer[0], DIR_OUT, p, n);
		if (!answers_datagram(s->env->answers, s->layer[0]->host, s->facts.dst.port, reply))
			sink_datagram(s->env, &s->facts, p, n, reply);
		give_plain(s, s->layer[0], DIR_IN, reply->p, reply->n);
		return 0;
	}
	if (!n) {
		s->eof = true;
		return sink_drained(s, reply);
	}
	s->ended = layer_input(s, 0, p, n, reply);
	return s->ended;
}

int sink_drained(struct sink *s, struct buf *reply)
{
	int top = s->depth - 1, end = 0;
	struct layer *l = s->layer[top];
	cleanup_buf struct buf plain = { 0 };

	if (s->ended)
		return 1;
	if (l->kind == LAYER_SPEAKER && l->speaker->input)
		end = speak(s, top, l->speaker->input, &plain);
	else
		end = s->eof;
	/* down through the layers below */
	for (int i = top - 1; i >= 0; i--) {
		l = s->layer[i];
		if (l->kind != LAYER_TLS)
			continue;
		tls_say(l, &plain);
		if (end)
			SSL_shutdown(l->ssl);
		buf_free(&plain);
		tls_flush(l, &plain);
	}
	ERR_clear_error();
	buf_add(reply, plain.p, plain.n);
	s->ended = end;
	return end;
}

int sink_quiet(struct sink *s, struct buf *reply)
{
	struct layer *l = s->layer[0];
	const struct speaker *speaker;

	if (s->ended || !s->facts.tcp || l->kind != LAYER_NEW || l->talk.in.n)
		return s->ended;
	speaker = answers_greets(s->env->answers, &l->talk) ? &speaker_recorded
							    : speaker_by_port(s, false);
	if (!speaker || !speaker->greet)
		return 0;
	give_speaker(l, speaker);
	s->ended = speak(s, 0, speaker->greet, reply);
	return s->ended;
}
