// SPDX-License-Identifier: Apache-2.0
/*
 * inside.c - the gate process: its sockets, its loop, and what it says to the desk
 *
 * Everything that needs a call which lockdown_gate() forbids is done before: listeners, packet
 * sockets, the capture thread. Then the process is locked, says so, and serves until the desk says
 * END or is gone.
 */
#include "gate/inside.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif
#ifndef ICMP_FILTER
#define ICMP_FILTER 1 /* linux/icmp.h, which netinet/ip_icmp.h does not go with */
#endif

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

/* ---- queues: each holds one constant delay, so its first is due first ---------------------- */

static struct queued *member(struct flow *f, bool idle)
{
	return idle ? &f->idle : &f->wait;
}

void queue_drop(struct flow *f, struct queued *at, bool idle)
{
	struct queue *q = at->in;

	if (!q)
		return;
	if (at->prev)
		member(at->prev, idle)->next = at->next;
	else
		q->first = at->next;
	if (at->next)
		member(at->next, idle)->prev = at->prev;
	else
		q->last = at->prev;
	*at = (struct queued){ 0 };
	(void)f;
}

void queue_put(struct queue *q, struct flow *f, struct queued *at, uint64_t due, bool idle)
{
	queue_drop(f, at, idle);
	at->due = due;
	at->in = q;
	at->prev = q->last;
	if (q->last)
		member(q->last, idle)->next = f;
	else
		q->first = f;
	q->last = f;
}

static int due_ms(const struct inside *in, const struct queue *q, bool idle, int ms)
{
	uint64_t due;
	int left;

	if (!q->first)
		return ms;
	due = member(q->first, idle)->due;
	left = due <= in->now ? 0 : (int)((due - in->now) / 1000000 + 1);
	return ms < 0 || left < ms ? left : ms;
}

static struct flow *due(struct inside *in, struct queue *q, bool idle)
{
	struct flow *f = q->first;

	if (!f || member(f, idle)->due > in->now)
		return NULL;
	queue_drop(f, member(f, idle), idle);
	return f;
}

static void run_queues(struct inside *in)
{
	struct flow *f;

	while ((f = due(in, &in->quiet, false)))
		tcp_quiet(in, f);
	while ((f = due(in, &in->dialing, false)))
		flow_dial_failed(in, f, ETIMEDOUT, "nobody answers at this address");
	while ((f = due(in, &in->holding, true)))
		tcp_held_long(in, f);
	while ((f = due(in, &in->checking, true)))
		gate_check_late(in, f);
	while ((f = due(in, &in->udp_idle, true)))
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

/* ---- sockets, before the lock-down -------------------------------------------------------- */

int inside_watch(struct inside *in, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	return epoll_ctl(in->ep, EPOLL_CTL_ADD, s->fd, &ev) ? -errno : 0;
}

static int transparent(int family, int type, struct err *err)
{
	struct addr at = { .port = GATE_PORT, .v6 = family == AF_INET6 };
	struct sockaddr_storage ss;
	uint32_t mark = GATE_MARK;
	int one = 1, big = 4 << 20;
	int s = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;
	socklen_t n;

	if (s < 0)
		return -errno;
	if (at.v6)
		at.ip[15] = 1;
	else
		memcpy(at.ip, "\x7f\0\0\1", 4);
	n = addr_to_sockaddr(&at, &ss);
	rc = at.v6 ? setsockopt(s, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) ||
			     setsockopt(s, SOL_IPV6, IPV6_RECVORIGDSTADDR, &one, sizeof(one)) ||
			     setsockopt(s, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one))
		   : setsockopt(s, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) ||
			     setsockopt(s, SOL_IP, IP_RECVORIGDSTADDR, &one, sizeof(one));
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &big, type == SOCK_DGRAM ? sizeof(big) : 0);
	if (type == SOCK_STREAM)
		rc = rc || setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (rc || setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    bind(s, (struct sockaddr *)&ss, n) || (type == SOCK_STREAM && listen(s, 4096))) {
		rc = err_set_exit(err, EXIT_NO_WALL, errno, "gate: listen in the box");
		close(s);
		return rc;
	}
	return s;
}

static int pings(int family)
{
	struct icmp6_filter only6;
	uint32_t only = ~(1u << ICMP_ECHO);
	int one = 1, s = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
				family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (s < 0)
		return -1;
	if (family == AF_INET) {
		setsockopt(s, SOL_RAW, ICMP_FILTER, &only, sizeof(only));
	} else {
		ICMP6_FILTER_SETBLOCKALL(&only6);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REQUEST, &only6);
		setsockopt(s, IPPROTO_ICMPV6, ICMP6_FILTER, &only6, sizeof(only6));
		setsockopt(s, SOL_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	}
	return s;
}

/* The box's own address, as what it sends to everybody else has it. */
static int own_address(int family, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	struct addr at = { .v6 = family == AF_INET6, .port = 9 };
	cleanup_close int s = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(at.ip, at.v6 ? "\x20\x01\x0d\xb8" : "\xc0\0\2\1", 4);
	*ret_n = addr_to_sockaddr(&at, ret);
	if (s < 0 || connect(s, (struct sockaddr *)ret, *ret_n))
		return -errno;
	*ret_n = sizeof(*ret);
	return getsockname(s, (struct sockaddr *)ret, ret_n) ? -errno : 0;
}

/* Writes whole packets in the name of anybody, and reads nothing. They are routed as the box's own
 * kernel would: so they are for sockets that are bound to the interface as well. */
static int raw(int family, struct err *err)
{
	int s = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW), none = 0;
	struct sockaddr_storage own;
	uint32_t mark = GATE_MARK;
	socklen_t n = 0;
	int rc = s < 0 ? -errno : own_address(family, &own, &n);

	if (!rc && (setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
		    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &none, sizeof(none)) ||
		    connect(s, (struct sockaddr *)&own, n)))
		rc = -errno;
	if (!rc)
		return s;
	if (s >= 0)
		close(s);
	return err_set_exit(err, EXIT_NO_WALL, -rc, "gate: open a raw socket");
}

#define ETHER_HEAD 14

void inside_inject(struct inside *in, size_t n)
{
	/* a datagram may be lost, as in any network */
	if (n > ETHER_HEAD)
		(void)!send(in->raw[in->frame[ETHER_HEAD] >> 4 == 6], in->frame + ETHER_HEAD,
			    n - ETHER_HEAD, MSG_DONTWAIT);
}

static int open_sockets(struct inside *in, struct err *err)
{
	static const int family[] = { AF_INET, AF_INET6 };
	bool v6 = true;

	in->ep = epoll_create1(EPOLL_CLOEXEC);
	in->astray = (struct source){ SOURCE_ASTRAY, astray_open("eth0", err) };
	if (in->ep < 0 || in->astray.fd < 0)
		return in->astray.fd < 0 ? in->astray.fd : err_set(err, errno, "gate: epoll");
	if (inside_watch(in, &in->astray, EPOLLIN))
		return err_set(err, errno, "gate: watch a socket");
	for (int i = 0; i < 2; i++) {
		struct source *s[] = { &in->tcp[i], &in->udp[i], &in->ping[i] };

		*s[0] = (struct source){ SOURCE_TCP, transparent(family[i], SOCK_STREAM, err) };
		/* a kernel without IPv6 */
		v6 = i == 0 || in->tcp[i].fd != -EAFNOSUPPORT;
		if (!v6)
			break;
		in->raw[i] = raw(family[i], err);
		if (in->raw[i] < 0)
			return in->raw[i];
		*s[1] = (struct source){ SOURCE_UDP, transparent(family[i], SOCK_DGRAM, err) };
		*s[2] = (struct source){ SOURCE_PING, pings(family[i]) };
		for (int k = 0; k < 3; k++) {
			if (s[k]->fd < 0)
				return err->code ? -err->code
						 : err_set_exit(err, EXIT_NO_WALL, errno,
								"gate: open sockets in the box");
			if (inside_watch(in, s[k], EPOLLIN))
				return err_set(err, errno, "gate: watch a socket");
		}
	}
	in->desk_source = (struct source){ SOURCE_DESK, in->desk };
	return inside_watch(in, &in->desk_source, EPOLLIN) ? err_set(err, errno, "gate: epoll") : 0;
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
	for (size_t i = 0; i < ARRAY_SIZE(q); i++) {
		if (q[i]->first && member(q[i]->first, i >= 2)->due < first)
			first = member(q[i]->first, i >= 2)->due;
	}
	c->due = first;
	if (in->dialing.first || in->nasked)
		c->outside = clock_mono_ns() + DIAL_NS;
	else
		c->outside = in->passed + PASSED_NS;
}

/* @ms: how long to wait for something, -1 until it is there */
static void turn(struct inside *in, int ms)
{
	struct epoll_event ev[EVENTS_A_TURN];
	int n;

	if (in->again)
		ms = 0;
	ms = due_ms(in, &in->quiet, false, ms);
	ms = due_ms(in, &in->dialing, false, ms);
	ms = due_ms(in, &in->holding, true, ms);
	ms = due_ms(in, &in->checking, true, ms);
	ms = due_ms(in, &in->udp_idle, true, ms);
	tell_clock(in);
	n = epoll_wait(in->ep, ev, EVENTS_A_TURN, ms);
	in->now = inside_now(in);
	if (in->opts->clock)
		in->box_time_ahead = in->opts->clock->ahead + in->opts->clock->date;
	for (int i = 0; i < n; i++)
		dispatch(in, ev[i].data.ptr, ev[i].events);
	run_again(in);
	run_queues(in);
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
	return ring_open(fd, in->opts->clock, &in->ring, err);
}

static int prepare(struct inside *in, struct err *err)
{
	struct rlimit files = { 1024, 1024 };
	int rc;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	in->files_max = files.rlim_cur > 2 * FILES_SPARE ? (uint32_t)(files.rlim_cur - FILES_SPARE)
							 : FILES_SPARE;
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
	rc = open_sockets(in, err);
	if (!rc && in->opts->ncanaries)
		rc = canaries_new(in->opts->canary, in->opts->ncanaries, &in->canaries, err);
	if (!rc && in->opts->pcap_fd >= 0)
		rc = take_capture_file(in, err);
	return rc ? rc : lockdown_gate(err);
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
