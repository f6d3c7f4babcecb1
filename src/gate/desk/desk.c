// SPDX-License-Identifier: Apache-2.0
/*
 * desk.c - the supervisor's half: what the gate process says becomes the record
 */
#include "gate/desk/desk.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <uthash.h>

/* ---- policy ------------------------------------------------------------------------------- */

int desk_policy(struct gate *g, struct err *err)
{
	struct buf text = { 0 };
	uint64_t n;
	int fd = memfd_create("policy", MFD_CLOEXEC);

	pthread_mutex_lock(&g->lock);
	policy_print(g->policy, &text);
	pthread_mutex_unlock(&g->lock);
	n = text.n;
	if (fd < 0 || write_full(fd, text.p, text.n)) {
		buf_free(&text);
		if (fd >= 0)
			close(fd);
		return err_set(err, errno, "gate: hand the policy over");
	}
	buf_free(&text);
	desk_say(g, WIRE_POLICY, &n, sizeof(n), NULL, 0, fd);
	return 0;
}

/* ---- whose flow --------------------------------------------------------------------------- */

struct owned {
	uint32_t flow, proc;
	UT_hash_handle hh;
};

static uint32_t process_of(const struct gate *g, uint32_t flow)
{
	struct owned *o;

	HASH_FIND(hh, g->owned, &flow, sizeof(flow), o);
	return o ? o->proc : 0;
}

static uint32_t process_named(const struct gate *g, const struct val *flow)
{
	return flow->type == VAL_INT && flow->i > 0 && flow->i <= UINT32_MAX
		       ? process_of(g, (uint32_t)flow->i)
		       : 0;
}

static bool text_is(const struct val *v, const char *z)
{
	return v->type == VAL_TEXT && str_eq(v->s, str_z(z));
}

static uint32_t owner_of(const struct gate *g, const struct event *ev)
{
	const struct val *port = &ev->v[EV_AT(FLOW, SRC_PORT)], *src = &ev->v[EV_AT(FLOW, SRC)];
	const struct val *name = &ev->v[EV_AT(FLOW, PROTOCOL)];
	int protocol = text_is(name, "tcp")    ? IPPROTO_TCP
		       : text_is(name, "icmp") ? IPPROTO_ICMP
					       : IPPROTO_UDP;

	if (!g->opts.owner || port->type != VAL_INT || port->i < 0 || port->i > UINT16_MAX)
		return 0;
	return g->opts.owner(g->opts.owner_ctx, protocol,
			     src->type == VAL_TEXT && memchr(src->s.p, ':', src->s.n) != NULL,
			     (uint16_t)port->i, g->t0 + ev->t);
}

/* Return: 0, or -EBADMSG for what no honest gate says. */
static int flow_event(struct gate *g, struct event *ev)
{
	const struct val *id = &ev->v[EV_AT(FLOW, FLOW)];
	uint32_t flow;
	struct owned *o;

	if (id->type != VAL_INT || id->i < 1 || id->i > UINT32_MAX)
		return -EBADMSG;
	flow = (uint32_t)id->i;
	HASH_FIND(hh, g->owned, &flow, sizeof(flow), o);
	if (text_is(&ev->v[EV_AT(FLOW, OP)], "begin")) {
		if (o || g->nowned >= DESK_FLOWS_MAX)
			return -EBADMSG;
		o = xcalloc(1, sizeof(*o));
		o->flow = flow;
		o->proc = owner_of(g, ev);
		HASH_ADD(hh, g->owned, flow, sizeof(flow), o);
		g->nowned++;
		ev->proc = o->proc;
		return 0;
	}
	if (!o)
		return -EBADMSG;
	ev->proc = o->proc;
	HASH_DEL(g->owned, o);
	free(o);
	g->nowned--;
	return 0;
}

static void forget_owners(struct gate *g)
{
	struct owned *o, *next;

	HASH_ITER(hh, g->owned, o, next)
	{
		HASH_DEL(g->owned, o);
		free(o);
	}
}

/* ---- from the gate process ---------------------------------------------------------------- */

/* Kinds that it may tell, and where each has its flow; -1: it has none. */
static const struct {
	enum event_kind kind;
	int flow;
} told[] = {
	{ EV_FLOW, EV_AT(FLOW, FLOW) },
	{ EV_BURST, EV_AT(BURST, FLOW) },
	{ EV_DNS, EV_AT(DNS, FLOW) },
	{ EV_TLS, EV_AT(TLS, FLOW) },
	{ EV_HTTP, EV_AT(HTTP, FLOW) },
	{ EV_BANNER, EV_AT(BANNER, FLOW) },
	{ EV_CANARY, EV_AT(CANARY, FLOW) },
	{ EV_GAP, -1 },
	{ EV_LIMIT, -1 },
};

/* What it can have come to the end of, and who of the gate counts that. */
static const struct {
	const char *what, *mechanism;
} limits[] = {
	{ "flows", "gate" },
	{ "capture", "gate" },
	{ "dns-names", "resolver" },
	{ "dns-answers", "resolver" },
	{ "canary-hits", "canary search" },
	{ "canary-unpacks", "canary search" },
	{ "canary-unpacked", "canary search" },
};

/* Who tells it is our word, not its: else it could speak for the recorder, or of the box's memory.
 * Return: 0, or -EBADMSG for what no honest gate says. */
static int sign(struct event *ev)
{
	if (ev->kind == EV_GAP)
		ev->v[EV_AT(GAP, SOURCE)] = V_Z("gate");
	if (ev->kind != EV_LIMIT)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (!text_is(&ev->v[EV_AT(LIMIT, WHAT)], limits[i].what))
			continue;
		ev->v[EV_AT(LIMIT, MECHANISM)] = V_Z(limits[i].mechanism);
		return 0;
	}
	return -EBADMSG;
}

static int append(struct gate *g, struct event *ev)
{
	uint64_t now = journal_now(g->j);

	if (ev->t > now)
		ev->t = now;
	return journal_append(g->j, ev, NULL, NULL);
}

static int take_event(struct gate *g, struct str s)
{
	struct event ev = { 0 };
	int at = -2, rc;

	if (event_decode((const uint8_t *)s.p, s.n, &ev))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		if (told[i].kind == ev.kind)
			at = told[i].flow;
	if (at == -2)
		return -EBADMSG;
	ev.proc = at >= 0 ? process_named(g, &ev.v[at]) : 0;
	rc = ev.kind == EV_FLOW ? flow_event(g, &ev) : sign(&ev);
	return rc ? rc : append(g, &ev);
}

static int take_content(struct gate *g, struct str s)
{
	static const char *const parts[] = { "whole", "first", "last" };
	struct event ev = { .kind = EV_CONTENT };
	char sha256[SHA256_HEX] = "";
	struct wire_content c;
	bool kept = false;

	if (s.n <= sizeof(c))
		return -EBADMSG;
	memcpy(&c, s.p, sizeof(c));
	s.p += sizeof(c);
	s.n -= sizeof(c);
	if (c.part >= ARRAY_SIZE(parts) || s.n > CONTENT_PART || c.dir > 1)
		return -EBADMSG;
	if (!g->opts.keep || g->opts.keep(g->opts.keep_ctx, s.p, s.n, sha256, &kept, NULL))
		return 0;
	ev.t = UINT64_MAX;
	ev.proc = process_of(g, c.flow);
	ev.v[EV_AT(CONTENT, FLOW)] = V_INT(c.flow);
	ev.v[EV_AT(CONTENT, DIR)] = V_Z(c.dir == DIR_OUT ? "out" : "in");
	ev.v[EV_AT(CONTENT, PART)] = V_Z(parts[c.part]);
	ev.v[EV_AT(CONTENT, OFFSET)] = V_INT(c.offset);
	ev.v[EV_AT(CONTENT, SIZE)] = V_INT(s.n);
	ev.v[EV_AT(CONTENT, SHA256)] = V_Z(sha256);
	if (c.tls)
		ev.v[EV_AT(CONTENT, TLS)] = V_INT(1);
	return journal_append(g->j, &ev, NULL, NULL);
}

static int take_dial(struct gate *g, struct str s)
{
	struct wire_dial d;

	if (s.n != sizeof(d))
		return -EBADMSG;
	memcpy(&d, s.p, sizeof(d));
	d.name[sizeof(d.name) - 1] = 0;
	desk_dial(g, &d);
	return 0;
}

static void no_answer(struct gate *g, uint32_t ask, int code)
{
	struct wire_looked_up r = { .ask = ask, .code = code };

	desk_say(g, WIRE_LOOKED_UP, &r, sizeof(r), NULL, 0, -1);
}

static int take_lookup(struct gate *g, struct str s)
{
	struct wire_lookup q;
	struct judged j;

	if (s.n != sizeof(q))
		return -EBADMSG;
	memcpy(&q, s.p, sizeof(q));
	q.name[sizeof(q.name) - 1] = 0;
	pthread_mutex_lock(&g->lock);
	j = policy_name(g->policy, q.name, 0);
	pthread_mutex_unlock(&g->lock);
	if (j.verdict != VERDICT_ALLOW)
		no_answer(g, q.ask, EACCES);
	else if (!lookups_ask(g->lookups, &q))
		no_answer(g, q.ask, EAGAIN);
	return 0;
}

static int take_keylog(struct gate *g, struct str s)
{
	if (g->opts.keylog_fd < 0 || s.n > 4096 || memchr(s.p, '\n', s.n))
		return 0;
	if (write_full(g->opts.keylog_fd, s.p, s.n) || write_full(g->opts.keylog_fd, "\n", 1))
		return 0; /* the capture is less readable; nothing of the record is lost */
	return 0;
}

static int take_frame(struct gate *g, enum wire_type type, struct str s)
{
	switch (type) {
	case WIRE_EVENT:
		return take_event(g, s);
	case WIRE_CONTENT:
		return take_content(g, s);
	case WIRE_DIAL:
		return take_dial(g, s);
	case WIRE_LOOKUP:
		return take_lookup(g, s);
	case WIRE_KEYLOG:
		return take_keylog(g, s);
	case WIRE_ENDED:
		g->ended = atomic_load(&g->ending);
		return g->ended ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

/* One message: 1, 0 nothing now, -errno it is gone or says what it cannot mean. */
static int hear(struct gate *g)
{
	static uint8_t bytes[WIRE_MAX + 1];
	struct wire_cursor c;
	enum wire_type type;
	struct str s;
	ssize_t k = recv(g->sock, bytes, sizeof(bytes), MSG_DONTWAIT);
	int rc;

	if (k < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (k == 0)
		return -EPIPE;
	if ((size_t)k > WIRE_MAX)
		return -EBADMSG;
	c = (struct wire_cursor){ bytes, bytes + k };
	while ((rc = wire_next(&c, &type, &s)) == 1) {
		rc = take_frame(g, type, s);
		if (rc)
			return rc;
	}
	return rc ? rc : 1;
}

static void take_answers(struct gate *g)
{
	struct wire_lookup q;
	void *answer;
	size_t n;
	int code;

	while (lookups_take(g->lookups, &q, &answer, &n, &code)) {
		struct wire_looked_up r = { .ask = q.ask, .code = code };

		if (!desk_answer_room(g))
			r.code = code = EAGAIN;
		if (!code)
			desk_know(g, q.name, answer, n);
		desk_say(g, WIRE_LOOKED_UP, &r, sizeof(r), answer, code ? 0 : n, -1);
		free(answer);
	}
}

/* ---- the thread --------------------------------------------------------------------------- */

static void not_seen(struct gate *g, const char *detail)
{
	struct event ev = { .kind = EV_GAP, .t = UINT64_MAX };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z("gate");
	if (g->nowned)
		ev.v[EV_AT(GAP, COUNT)] = V_INT(g->nowned);
	ev.v[EV_AT(GAP, DETAIL)] = V_Z(detail);
	journal_append(g->j, &ev, NULL, NULL);
}

static void clear(int event)
{
	uint64_t n;

	(void)!read(event, &n, sizeof(n));
}

static int turn(struct gate *g)
{
	bool more = desk_send_notes(g);
	struct pollfd p[3] = { { .fd = g->sock, .events = POLLIN | (more ? POLLOUT : 0) },
			       { .fd = g->wake, .events = POLLIN },
			       { .fd = lookups_fd(g->lookups), .events = POLLIN } };
	int rc;

	if (poll(p, 3, atomic_load(&g->ending) ? 100 : -1) < 0 && errno != EINTR)
		return -errno;
	if (p[1].revents)
		clear(g->wake);
	if (p[2].revents) {
		clear(lookups_fd(g->lookups));
		take_answers(g);
	}
	for (int i = 0; i < 64; i++) {
		rc = hear(g);
		if (rc < 0)
			return rc;
		if (desk_is_deaf(g))
			return -ENOBUFS;
		if (!rc)
			break;
	}
	return 0;
}

void *desk_thread(void *arg)
{
	struct gate *g = arg;
	int rc = 0;

	while (!rc && !g->ended) {
		rc = turn(g);
		if (!rc && atomic_load(&g->ending) && clock_mono_ns() > g->end_by)
			rc = -ETIMEDOUT;
	}
	kill(g->pid, SIGKILL);
	if (g->ended) {
		forget_owners(g);
		return NULL;
	}
	not_seen(g, rc == -ETIMEDOUT ? "the gate process did not end in time"
		    : rc == -EBADMSG ? "the gate process said what it cannot mean: it was ended, "
				       "and the box with it"
		    : rc == -ENOBUFS ? "the gate process asked and did not listen: it was ended, "
				       "and the box with it"
		    : rc == -EPIPE || rc == -ECONNRESET
			    ? "the gate process ended by itself, and the box with it"
			    : "what the gate process saw could not be recorded");
	atomic_store(&g->failed, true);
	forget_owners(g);
	return NULL;
}
