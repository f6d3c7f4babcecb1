// SPDX-License-Identifier: Apache-2.0
/*
 * inside.c - the gate process: its loop, and what it says to the desk
 *
 * Everything that needs a call which lockdown_gate() forbids is done before: the sockets
 * (sockets.c), the capture thread. Then the process is locked, says so, and serves until the desk
 * says END or is gone.
 */
#include "gate/inside/inside.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#define EVENTS_A_TURN 256

/* ---- to the desk -------------------------------------------------------------------------- */

static void flush(struct inside *in)
{
	if (in->out.n && send(in->desk, in->out.p, in->out.n, MSG_NOSIGNAL) < 0)
		_exit(EXIT_INTERNAL); /* the supervisor is gone */
	in->out.n = 0;
}

void inside_say(struct inside *in, enum wire_type type, const void *a, size_t na, const void *b,
		size_t nb)
{
	if (in->out.n + sizeof(struct wire_head) + na + nb > WIRE_MAX)
		flush(in);
	wire_add(&in->out, type, a, na, b, nb);
}

static void part(void *ctx, const struct wire_content *head, const void *p, size_t n)
{
	inside_say(ctx, WIRE_CONTENT, head, sizeof(*head), p, n);
}

static void keylog(void *ctx, const char *line)
{
	inside_say(ctx, WIRE_KEYLOG, line, strlen(line), NULL, 0);
}

/* A request inside of an allowed flow may name somebody else. */
static void look_at_host(struct inside *in, const struct event *ev)
{
	const struct val *host = &ev->v[EV_AT(HTTP, HOST)];
	const struct val *op = &ev->v[EV_AT(HTTP, OP)];
	struct flow *f = in->current;
	char name[NAME_MAX_DNS + 8];
	struct judged j;
	size_t n;

	if (!f || f->way != WAY_PEER || f->refused[0] || host->type != VAL_TEXT ||
	    op->type != VAL_TEXT || !str_eq(op->s, STR("request")))
		return;
	n = host->s.n < sizeof(name) - 1 ? host->s.n : sizeof(name) - 1;
	memcpy(name, host->s.p, n);
	name[n] = 0;
	host_without_port(name);
	j = policy_inner_name(in->policy, f->facts.name, name, f->facts.dst.port, "Host");
	if (j.verdict != VERDICT_ALLOW)
		snprintf(f->refused, sizeof(f->refused), "%s", j.reason);
}

/* Texts that no message could carry are cut, and that is told. */
static bool cut_texts(struct event *ev)
{
	bool cut = false;

	for (int i = 0; i < EVENT_FIELDS_MAX; i++)
		if (ev->v[i].type == VAL_TEXT && ev->v[i].s.n > WIRE_TEXT_MAX) {
			ev->v[i].s.n = WIRE_TEXT_MAX;
			cut = true;
		}
	return cut;
}

void inside_emit(struct inside *in, struct event *ev)
{
	static uint8_t bytes[WIRE_MAX];
	struct event gap = { .kind = EV_GAP };
	bool cut = cut_texts(ev);
	ssize_t n;

	if (!ev->t || ev->t == UINT64_MAX)
		ev->t = in->now;
	if (ev->kind == EV_HTTP)
		look_at_host(in, ev);
	n = event_encode(ev, bytes, WIRE_MAX - sizeof(struct wire_head));
	if (n > 0)
		inside_say(in, WIRE_EVENT, bytes, (size_t)n, NULL, 0);
	if (n > 0 && !cut)
		return;
	gap.t = in->now;
	gap.v[EV_AT(GAP, SOURCE)] = V_Z("gate");
	gap.v[EV_AT(GAP, DETAIL)] = V_Z(n > 0 ? "a long text was cut" : "an event was too long");
	n = event_encode(&gap, bytes, sizeof(bytes));
	if (n > 0)
		inside_say(in, WIRE_EVENT, bytes, (size_t)n, NULL, 0);
}

static void emitted(void *ctx, struct event *ev)
{
	inside_emit(ctx, ev);
}

static void plain(void *ctx, const struct flow_facts *facts UNUSED, enum dir dir, bool inner,
		  const void *p, size_t n)
{
	struct inside *in = ctx;

	/* what is not inside of TLS has been seen as it came */
	if (in->current && inner && n)
		flow_saw_inside(in, in->current, dir, p, n);
}

static void opened_plain(void *ctx, const struct flow_facts *facts, enum dir dir, const void *p,
			 size_t n)
{
	plain(ctx, facts, dir, true, p, n);
}

static void run_queues(struct inside *in)
{
	struct flow *f;

	while ((f = queue_take_due(&in->quiet, in->now)))
		tcp_quiet(in, f);
	while ((f = queue_take_due(&in->dialing, in->now)))
		flow_dial_failed(in, f, ETIMEDOUT, "nobody answers at this address");
	while ((f = queue_take_due(&in->holding, in->now)))
		tcp_held_long(in, f);
	while ((f = queue_take_due(&in->checking, in->now)))
		gate_check_late(in, f);
	while ((f = queue_take_due(&in->udp_idle, in->now)))
		flow_end(in, f, "timeout");
}

/* ---- from the desk ------------------------------------------------------------------------ */

static void dialed(struct inside *in, const struct wire_dialed *d, int *fd)
{
	struct flow *f = flow_by_id(in, d->flow);
	char ip[ADDR_TEXT_MAX];

	if (!f || f->ended || (d->check && !f->check) || (!d->check && f->server.src.fd >= 0))
		return;
	if (d->code && d->check) {
		gate_check_step(in, f, "", 0, true);
	} else if (d->code) {
		flow_dial_failed(in, f, d->code, d->reason);
	} else if (*fd >= 0) {
		snprintf(f->dialed, sizeof(f->dialed), f->facts.dst.v6 ? "[%s]:%u" : "%s:%u",
			 addr_text(&f->facts.dst, ip), f->facts.dst.port);
		if (f->facts.tcp)
			tcp_dialed(in, f, d->check, steal_fd(fd));
		else
			udp_dialed(in, f, steal_fd(fd));
	}
}

uint64_t inside_now(const struct inside *in)
{
	return clock_mono_ns() + box_clock_ahead(in->opts->clock) - in->t0;
}

static void new_policy(struct inside *in, const void *p, size_t n, int fd)
{
	struct policy *policy = policy_new(GATE_CLOSED);
	struct err err = { 0 };
	char *text = NULL;
	uint64_t size;

	if (n == sizeof(size) && fd >= 0) {
		memcpy(&size, p, sizeof(size));
		text = xmalloc(size + 1);
		if (pread(fd, text, size, 0) == (ssize_t)size &&
		    !policy_parse(policy, text, size, "policy", &err)) {
			resolver_set_policy(in->resolver, policy);
			policy_free(in->policy);
			in->policy = steal_ptr(&policy);
			flows_rejudge(in);
		}
		free(text);
	}
	policy_free(policy);
}

static void heard(struct inside *in, enum wire_type type, struct str s, int *fd)
{
	struct wire_begin b;
	struct wire_dialed d;
	struct wire_looked_up l;
	struct wire_manners m;

	switch (type) {
	case WIRE_BEGIN:
		if (s.n == sizeof(b)) {
			memcpy(&b, s.p, sizeof(b));
			in->t0 = b.t0;
			in->now = inside_now(in);
			in->begun = true;
		}
		break;
	case WIRE_DIALED:
		if (s.n == sizeof(d)) {
			memcpy(&d, s.p, sizeof(d));
			dialed(in, &d, fd);
		}
		break;
	case WIRE_LOOKED_UP:
		if (s.n >= sizeof(l)) {
			memcpy(&l, s.p, sizeof(l));
			names_answer(in, &l, s.p + sizeof(l), s.n - sizeof(l));
		}
		break;
	case WIRE_POLICY:
		new_policy(in, s.p, s.n, *fd);
		break;
	case WIRE_BOX_TIME:
		break; /* this turn has seen to it */
	case WIRE_MANNERS:
		if (s.n == sizeof(m)) {
			memcpy(&m, s.p, sizeof(m));
			in->cut = m.silent;
			in->silent = m.silent || in->opts->sink_silent;
			resolver_set_book(in->resolver, m.book);
		}
		break;
	case WIRE_END:
		in->ending = true;
		break;
	default:
		break;
	}
}

static void hear_desk(struct inside *in)
{
	static uint8_t bytes[WIRE_MAX];

	for (;;) {
		int fd = -1, nfds = 1;
		ssize_t k;
		struct wire_cursor c;
		enum wire_type type;
		struct str s;
		union {
			struct cmsghdr h;
			char room[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = { bytes, sizeof(bytes) };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &control,
				    .msg_controllen = CMSG_LEN(sizeof(int)) };

		k = recvmsg(in->desk, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return;
		if (k == 0)
			_exit(0);
		if (m.msg_controllen >= CMSG_LEN(sizeof(int)) && nfds)
			memcpy(&fd, CMSG_DATA(&control.h), sizeof(int));
		c = (struct wire_cursor){ bytes, bytes + k };
		while (wire_next(&c, &type, &s) == 1)
			heard(in, type, s, &fd);
		if (fd >= 0)
			close(fd);
	}
}

/* ---- life --------------------------------------------------------------------------------- */

static void dispatch(struct inside *in, struct source *s, uint32_t events)
{
	switch (s->kind) {
	case SOURCE_DESK:
		hear_desk(in);
		break;
	case SOURCE_TCP:
		if (in->begun)
			tcp_accept(in, s);
		break;
	case SOURCE_UDP:
		if (in->begun)
			udp_receive(in, s);
		break;
	case SOURCE_PING:
		if (in->begun)
			ping_receive(in, s);
		break;
	case SOURCE_ASTRAY:
		if (in->begun)
			astray_receive(in, s);
		break;
	case SOURCE_FRAMES:
		if (in->begun)
			frames_receive(in);
		break;
	case SOURCE_CLIENT:
	case SOURCE_SERVER:
	case SOURCE_CHECK:
		if (s->flow->ended)
			break;
		if (s->flow->server.src.fd >= 0)
			in->passed = clock_mono_ns();
		if (s->flow->facts.tcp)
			tcp_event(in, s, events);
		else
			udp_event(in, s, events);
		break;
	}
}

static void run_again(struct inside *in)
{
	struct flow *f = in->again, *next;

	in->again = NULL;
	for (; f; f = next) {
		next = f->next_again;
		f->again = false;
		tcp_go_on(in, f);
	}
}

/* For time-lapse: what we wait for, and whether somebody outside is about to answer. */
static void tell_clock(struct inside *in)
{
	struct clock_hints *c = in->opts->hints;
	const struct queue *q[] = { &in->quiet, &in->dialing, &in->holding, &in->udp_idle };
	uint64_t first = UINT64_MAX;

	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(q); i++)
		if (queue_next(q[i]) < first)
			first = queue_next(q[i]);
	c->due = first;
	if (in->dialing.first || in->nasked)
		c->outside = clock_mono_ns() + DIAL_NS;
	else
		c->outside = in->passed + PASSED_NS;
}

/* @ms, -1: for ever; or less, when something is due before */
static int sooner(const struct inside *in, uint64_t due, int ms)
{
	uint64_t left;

	if (due == UINT64_MAX)
		return ms;
	left = due <= in->now ? 0 : (due - in->now) / 1000000 + 1;
	return ms < 0 || left < (uint64_t)ms ? (int)left : ms;
}

/* @ms: how long to wait for something, -1 until it is there */
static void turn(struct inside *in, int ms)
{
	const struct queue *q[] = { &in->quiet, &in->dialing, &in->holding, &in->checking,
				    &in->udp_idle };
	struct epoll_event ev[EVENTS_A_TURN];
	int n;

	if (in->again)
		ms = 0;
	for (size_t i = 0; i < ARRAY_SIZE(q); i++)
		ms = sooner(in, queue_next(q[i]), ms);
	ms = sooner(in, in->frames_due, ms);
	tell_clock(in);
	n = epoll_wait(in->ep, ev, EVENTS_A_TURN, ms);
	in->now = inside_now(in);
	if (in->opts->clock)
		in->box_time_ahead = in->opts->clock->ahead + in->opts->clock->date;
	for (int i = 0; i < n; i++)
		dispatch(in, ev[i].data.ptr, ev[i].events);
	run_again(in);
	run_queues(in);
	frames_run(in);
	if (!in->again)
		flow_free_dead(in);
	flush(in);
}

static void gap(struct inside *in, uint64_t count, const char *detail)
{
	struct event ev = { .kind = EV_GAP };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z("gate");
	if (count)
		ev.v[EV_AT(GAP, COUNT)] = V_INT(count);
	ev.v[EV_AT(GAP, DETAIL)] = V_Z(detail);
	inside_emit(in, &ev);
}

static void end_all(struct inside *in)
{
	uint64_t lost = 0, packets_written = 0;
	bool full = false;

	/* what the programs sent before they were ended is there already */
	for (int i = 0; i < 3; i++)
		turn(in, 0);
	while (in->flows)
		flow_end(in, in->flows, "box-ended");
	lost = frames_lost(in);
	if (lost)
		gap(in, lost,
		    "packets of the box were not seen: they came too fast; connections send "
		    "theirs again");
	lost = 0;
	if (in->pool.short_of_memory)
		gap(in, 0, "the ends of some streams were not kept: too many at once");
	if (in->ring)
		ring_close(in->ring, &lost, &packets_written, &full);
	if (lost)
		gap(in, lost, "packets are missing in the capture file: they came too fast");
	if (full) {
		struct event ev = { .kind = EV_LIMIT };

		ev.v[EV_AT(LIMIT, WHAT)] = V_Z("capture");
		ev.v[EV_AT(LIMIT, VALUE)] = V_INT(PCAP_FILE_MAX);
		ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z("gate");
		ev.v[EV_AT(LIMIT, DETAIL)] = V_Z("packets after it are not in the capture file");
		inside_emit(in, &ev);
	}
	inside_say(in, WIRE_ENDED, NULL, 0, NULL, 0);
	flush(in);
}

/* The file came over the socket before we were made: no other descriptor crosses. */
static int take_capture_file(struct inside *in, struct err *err)
{
	int fd = -1, nfds = 1;
	char word[8];

	if (fdpass_recv(in->desk, word, sizeof(word), &fd, &nfds) <= 0 || nfds != 1)
		return err_set(err, EIO, "gate: take the capture file");
	return ring_open(fd, in->frames, in->opts->clock, &in->ring, err);
}

static int prepare(struct inside *in, struct err *err)
{
	size_t files = descriptors_most();
	int rc;

	signal(SIGPIPE, SIG_IGN);
	in->files_max = files > 2 * FILES_SPARE ? (uint32_t)(files - FILES_SPARE) : FILES_SPARE;
	in->emit = (struct emit){ .ctx = in, .event = emitted };
	in->pool = (struct content_pool){ .max = CONTENT_MEMORY, .ctx = in, .part = part };
	if (in->opts->clock)
		in->box_time_ahead = in->opts->clock->date;
	in->silent = in->opts->sink_silent;
	in->sink_env = (struct sink_env){ .ca = in->ca,
					  .answers = in->answers,
					  .box_time_ahead = &in->box_time_ahead,
					  .ctx = in,
					  .plain = plain,
					  .keylog = keylog };
	in->opened_env = (struct opened_env){ .ca = in->ca,
					      .trust = in->trust,
					      .emit = &in->emit,
					      .ctx = in,
					      .plain = opened_plain,
					      .keylog = keylog };
	in->resolver = resolver_new(in->policy, in->opts->nxdomain_first, &in->emit);
	rc = inside_open(in, err);
	if (!rc && in->opts->ncanaries)
		rc = canaries_new(in->opts->canary, in->opts->ncanaries, &in->canaries, err);
	if (!rc && in->opts->pcap_fd >= 0)
		rc = take_capture_file(in, err);
	return rc ? rc : lockdown_gate(in->frames, err);
}

void inside_main(void *arg, int fd)
{
	struct inside *in = arg;
	struct err err = { 0 };

	in->desk = fd;
	in->out.limit = 2 * WIRE_MAX;
	prepare(in, &err);
	inside_say(in, WIRE_READY, err.msg, strlen(err.msg), NULL, 0);
	flush(in);
	if (err.code)
		_exit(EXIT_INTERNAL);
	while (!in->ending)
		turn(in, -1);
	end_all(in);
	/* the desk has all; nothing of ours outlives the process */
	_exit(0);
}
