// SPDX-License-Identifier: Apache-2.0
/*
 * stack.c - libslirp, whose every connection ends in the gate
 *
 * Theory of operation
 *
 * libslirp ends a guest's TCP in user space, and for each connection opens one of its own to where
 * the guest wants. It does that by connect(2) and its kin, like any program. This file is a module
 * that is loaded so that what it needs is looked for in its own symbols first (RTLD_DEEPBIND): so
 * libslirp, and nobody else in the process, finds the functions below instead of the C library's.
 *
 * socket() makes a pair of connected sockets. One end is libslirp's. When it "connects", the other
 * end goes to the gate, with the addresses of the segment that is being looked at: those that the
 * program used, and not what libslirp makes of them. So there is no call left by which libslirp
 * could reach anybody, whatever comes in; and in the gate process the kernel would refuse it anyway
 * (lockdown_gate()).
 *
 * libslirp gets segments of TCP only. Whatever else it could be told (ARP, DHCP, TFTP, UDP, ICMP)
 * is not shown to it, and what it says that is not TCP is dropped. Of its descriptors it sees
 * numbers from VIRTUAL on: so one can be closed before libslirp is done with it, which for a
 * connection in TIME_WAIT takes ten seconds.
 *
 * Between the two ends the kernel's buffers and their limits are the flow control. What a socket
 * pair cannot carry is that a connection was reset; that is in struct stack_pipe.
 */
#include "gate/slirp/stack.h"

#include <poll.h>
#include <slirp/libslirp.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define VIRTUAL	   (1 << 24) /* our descriptors, as libslirp knows them, are index + VIRTUAL */
#define RUNS_MAX   16
#define SHOWN	   __attribute__((visibility("default")))
#define ETHER_HEAD 14
/* The loopback takes any size. Not more: libslirp tells of a window that has opened when two of its
 * packets fit in, and none of its windows is larger than 64 KiB. */
#define MTU 16384

struct stack_pipe {
	int far;       /* libslirp's end, -1 closed */
	int near;      /* until the gate has it */
	bool eof;      /* the gate says no more, and libslirp knows */
	bool shut;     /* the program says no more */
	bool kept;     /* libslirp has not closed it */
	bool held;     /* the gate has not */
	bool to_reset; /* by the gate */
	bool reset;    /* by the program */
};

struct stack {
	const struct stack_env *env;
	Slirp *slirp;
	const struct addr *src, *dst; /* of the segment that is looked at; NULL: none is */
	struct stack_pipe **pipe;     /* by number */
	uint32_t npipes, room, first_free;
	uint32_t open;
	struct pollfd *poll;
	uint32_t npoll, poll_room;
};

/* libslirp's calls do not say whose they are; there is one stack in the gate process. */
static struct stack *the_stack;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		syscall(SYS_close, *fd);
	*fd = -1;
}

/* ---- pipes -------------------------------------------------------------------------------- */

static struct stack_pipe *of(int fd)
{
	uint32_t at = (uint32_t)fd - VIRTUAL;

	return fd >= VIRTUAL && the_stack && at < the_stack->room ? the_stack->pipe[at] : NULL;
}

static int pipe_new(struct stack *s)
{
	struct stack_pipe *p;
	uint32_t at = s->first_free;
	int pair[2];

	while (at < s->room && s->pipe[at])
		at++;
	if (at == s->room) {
		uint32_t room = s->room ? s->room * 2 : 256;
		struct stack_pipe **more = reallocarray(s->pipe, room, sizeof(*more));

		if (!more)
			return -1;
		memset(more + s->room, 0, (room - s->room) * sizeof(*more));
		s->pipe = more;
		s->room = room;
	}
	p = calloc(1, sizeof(*p));
	if (!p ||
	    syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair)) {
		free(p);
		return -1;
	}
	*p = (struct stack_pipe){ .far = pair[0], .near = pair[1], .kept = true };
	s->pipe[at] = p;
	s->first_free = at + 1;
	s->open++;
	return (int)at + VIRTUAL;
}

static void free_unused(struct stack_pipe *p)
{
	if (!p->kept && !p->held) {
		close_fd(&p->far);
		close_fd(&p->near);
		free(p);
	}
}

/* Nothing can come or go any more, whatever libslirp still waits for. */
static void close_early(struct stack_pipe *p)
{
	if (p->eof && p->shut)
		close_fd(&p->far);
}

static void pipe_closed(int fd, struct stack_pipe *p)
{
	uint32_t at = (uint32_t)fd - VIRTUAL;

	the_stack->pipe[at] = NULL;
	if (at < the_stack->first_free)
		the_stack->first_free = at;
	the_stack->open--;
	p->reset = !p->shut;
	p->kept = false;
	close_fd(&p->far);
	free_unused(p);
}

static void let_go(struct stack_pipe *p, bool reset)
{
	p->to_reset = reset;
	p->held = false;
	free_unused(p);
}

static bool was_reset(const struct stack_pipe *p)
{
	return p->reset;
}

/* ---- what libslirp calls instead of the C library ----------------------------------------- */

static int refused(int code)
{
	errno = code;
	return -1;
}

SHOWN int socket(int domain, int type, int protocol);
SHOWN int socket(int domain, int type, int protocol)
{
	int fd;

	(void)domain;
	(void)protocol;
	if (!the_stack || !the_stack->src || (type & 15) != SOCK_STREAM)
		return refused(EACCES);
	fd = pipe_new(the_stack);
	return fd < 0 ? refused(EMFILE) : fd;
}

SHOWN int connect(int fd, const struct sockaddr *to, socklen_t n);
SHOWN int connect(int fd, const struct sockaddr *to UNUSED, socklen_t n UNUSED)
{
	struct stack_pipe *p = of(fd);
	struct stack *s = the_stack;
	int near;

	if (!p || p->near < 0 || !s->src)
		return refused(ENOTSOCK);
	near = p->near;
	p->near = -1;
	p->held = true;
	/* whom the gate refuses is reset once it is connected, as where the kernel ends TCP */
	s->env->begins(s->env->ctx, s->src, s->dst, near, p);
	return 0;
}

SHOWN ssize_t recv(int fd, void *to, size_t n, int flags);
SHOWN ssize_t recv(int fd, void *to, size_t n, int flags UNUSED)
{
	struct stack_pipe *p = of(fd);
	ssize_t k;

	if (!p || p->far < 0)
		return refused(ENOTSOCK);
	if (p->to_reset)
		return refused(ECONNRESET);
	k = syscall(SYS_recvfrom, p->far, to, n, MSG_DONTWAIT, NULL, NULL);
	if (!k && n)
		p->eof = true;
	return k;
}

SHOWN ssize_t send(int fd, const void *from, size_t n, int flags);
SHOWN ssize_t send(int fd, const void *from, size_t n, int flags UNUSED)
{
	struct stack_pipe *p = of(fd);

	if (!p)
		return refused(ENOTSOCK);
	if (!n) /* "is it connected?" */
		return 0;
	if (p->far < 0 || p->to_reset)
		return refused(EPIPE);
	/* urgent bytes stand where they are in the stream */
	return syscall(SYS_sendto, p->far, from, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

SHOWN int shutdown(int fd, int how);
SHOWN int shutdown(int fd, int how)
{
	struct stack_pipe *p = of(fd);

	if (!p)
		return refused(ENOTSOCK);
	/* of what the gate says, the end is at its end */
	if (how != SHUT_WR || p->shut)
		return 0;
	p->shut = true;
	if (p->far >= 0)
		syscall(SYS_shutdown, p->far, SHUT_WR);
	close_early(p);
	return 0;
}

SHOWN int close(int fd);
SHOWN int close(int fd)
{
	struct stack_pipe *p = of(fd);

	if (!p)
		return (int)syscall(SYS_close, fd); /* glib's */
	pipe_closed(fd, p);
	return 0;
}

SHOWN int getsockopt(int fd, int level, int name, void *value, socklen_t *n);
SHOWN int getsockopt(int fd, int level UNUSED, int name UNUSED, void *value, socklen_t *n)
{
	if (!of(fd) || *n < sizeof(int))
		return refused(ENOTSOCK);
	memset(value, 0, *n); /* SO_ERROR: what there is to say, recv() has said */
	return 0;
}

SHOWN int getpeername(int fd, struct sockaddr *a, socklen_t *n);
SHOWN int getpeername(int fd, struct sockaddr *a UNUSED, socklen_t *n UNUSED)
{
	return of(fd) ? 0 : refused(ENOTSOCK);
}

SHOWN int setsockopt(int fd, int level, int name, const void *value, socklen_t n);
SHOWN int setsockopt(int fd, int level UNUSED, int name UNUSED, const void *value UNUSED,
		     socklen_t n UNUSED)
{
	return of(fd) ? 0 : refused(ENOTSOCK);
}

static int descriptor_flags(int fd, int command, long value)
{
	return of(fd) ? 0 : (int)syscall(SYS_fcntl, fd, command, value); /* else glib's */
}

SHOWN int fcntl64(int fd, int command, ...);
SHOWN int fcntl64(int fd, int command, ...)
{
	va_list ap;
	long value;

	va_start(ap, command);
	value = va_arg(ap, long);
	va_end(ap);
	return descriptor_flags(fd, command, value);
}

/* What else it would call for what it is never shown: UDP, ICMP, ports of the host. */
SHOWN int bind(int fd, const struct sockaddr *a, socklen_t n);
SHOWN int bind(int fd UNUSED, const struct sockaddr *a UNUSED, socklen_t n UNUSED)
{
	return refused(EACCES);
}

SHOWN int listen(int fd, int backlog);
SHOWN int listen(int fd UNUSED, int backlog UNUSED)
{
	return refused(EACCES);
}

SHOWN int accept(int fd, struct sockaddr *a, socklen_t *n);
SHOWN int accept(int fd UNUSED, struct sockaddr *a UNUSED, socklen_t *n UNUSED)
{
	return refused(EACCES);
}

SHOWN int getsockname(int fd, struct sockaddr *a, socklen_t *n);
SHOWN int getsockname(int fd UNUSED, struct sockaddr *a UNUSED, socklen_t *n UNUSED)
{
	return refused(EACCES);
}

SHOWN ssize_t recvfrom(int fd, void *to, size_t n, int flags, struct sockaddr *a, socklen_t *an);
SHOWN ssize_t recvfrom(int fd UNUSED, void *to UNUSED, size_t n UNUSED, int flags UNUSED,
		       struct sockaddr *a UNUSED, socklen_t *an UNUSED)
{
	return refused(EACCES);
}

SHOWN ssize_t recvmsg(int fd, struct msghdr *m, int flags);
SHOWN ssize_t recvmsg(int fd UNUSED, struct msghdr *m UNUSED, int flags UNUSED)
{
	return refused(EACCES);
}

SHOWN ssize_t sendto(int fd, const void *from, size_t n, int flags, const struct sockaddr *a,
		     socklen_t an);
SHOWN ssize_t sendto(int fd UNUSED, const void *from UNUSED, size_t n UNUSED, int flags UNUSED,
		     const struct sockaddr *a UNUSED, socklen_t an UNUSED)
{
	return refused(EACCES);
}

SHOWN int ioctl(int fd, unsigned long request, ...);
SHOWN int ioctl(int fd UNUSED, unsigned long request UNUSED, ...)
{
	return refused(ENOTTY);
}

/* ---- what libslirp calls of its user ------------------------------------------------------ */

/* An Ethernet frame to the program: TCP goes on, without its link's head. */
static ssize_t send_packet(const void *frame, size_t n, void *opaque)
{
	const struct stack *s = opaque;
	const uint8_t *p = (const uint8_t *)frame + ETHER_HEAD;

	if (n >= ETHER_HEAD + 40 && (p[0] >> 4 == 4 ? p[9] : p[6]) == IPPROTO_TCP)
		s->env->packet(s->env->ctx, p, n - ETHER_HEAD);
	return (ssize_t)n;
}

static int64_t now_ns(void *opaque UNUSED)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void guest_error(const char *words UNUSED, void *opaque UNUSED)
{
	/* what a hostile program does wrong is no news */
}

/* Its timers are for announcing routers: never. */
static void *timer_new(SlirpTimerId id UNUSED, void *arg UNUSED, void *opaque UNUSED)
{
	return the_stack;
}

static void timer_free(void *timer UNUSED, void *opaque UNUSED)
{
	/* none was made */
}

static void timer_mod(void *timer UNUSED, int64_t at UNUSED, void *opaque UNUSED)
{
	/* none was made */
}

static void watch_fd(int fd UNUSED, void *opaque UNUSED)
{
	/* run() asks for all of them */
}

static void notify(void *opaque UNUSED)
{
	/* run() follows whatever happens */
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new_opaque = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = watch_fd,
	.unregister_poll_fd = watch_fd,
	.notify = notify,
};

/* ---- what the gate calls ------------------------------------------------------------------ */

static struct stack *stack_open(const struct stack_env *env)
{
	/* Its network is the box's address alone: nothing that a program can connect to is special
	 * to it, and it takes that address for one whose link address it need not ask for. */
	SlirpConfig cfg = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = env->own,
		.vnetmask = { .s_addr = 0xffffffff },
		.vhost = env->own,
		.vnameserver = env->own,
		.vdhcp_start = env->own,
		.in6_enabled = true,
		.vprefix_len = 64,
		.if_mtu = MTU,
		.if_mru = MTU,
		.disable_host_loopback = true,
		.disable_dns = true,
		.disable_dhcp = true,
	};
	struct stack *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	/* 0:0:0:1::/64 is nobody's */
	cfg.vprefix_addr6.s6_addr[7] = cfg.vhost6.s6_addr[7] = cfg.vnameserver6.s6_addr[7] = 1;
	cfg.vhost6.s6_addr[15] = 2;
	cfg.vnameserver6.s6_addr[15] = 3;
	s->env = env;
	the_stack = s;
	s->slirp = slirp_new(&cfg, &callbacks, s);
	if (s->slirp)
		return s;
	the_stack = NULL;
	free(s);
	return NULL;
}

static uint16_t icmp6_sum(const uint8_t *ip, const uint8_t *icmp, size_t n)
{
	uint32_t s = (uint32_t)n + IPPROTO_ICMPV6;

	for (int i = 8; i < 40; i += 2)
		s += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	for (size_t i = 0; i < n; i += 2)
		s += (uint32_t)(icmp[i] << 8 | icmp[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* The link address of who begins a connection, which libslirp would ask for: as if its owner had
 * announced it (RFC 4861 4.4). */
static void introduce6(struct stack *s, const struct addr *src)
{
	uint8_t f[ETHER_HEAD + 40 + 32] = { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd };
	uint8_t *ip = f + ETHER_HEAD, *icmp = ip + 40;
	uint16_t sum;

	ip[0] = 0x60;
	ip[5] = 32;
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, src->ip, 16);
	ip[24] = 0xff; /* to all nodes */
	ip[25] = 2;
	ip[39] = 1;
	icmp[0] = 136;
	icmp[4] = 0x20;
	memcpy(icmp + 8, src->ip, 16);
	icmp[24] = 2;
	icmp[25] = 1;
	icmp[26] = 2;
	icmp[31] = 1;
	sum = icmp6_sum(ip, icmp, 32);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	slirp_input(s->slirp, f, sizeof(f));
}

static void segment(struct stack *s, const struct addr *src, const struct addr *dst,
		    const uint8_t *frame, size_t n)
{
	bool begins = n >= ETHER_HEAD + 60 && src->v6 && frame[ETHER_HEAD + 40 + 13] & 2;

	if (begins)
		introduce6(s, src);
	s->src = src;
	s->dst = dst;
	slirp_input(s->slirp, frame, (int)n);
	s->src = s->dst = NULL;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct stack *s = opaque;
	const struct stack_pipe *p = of(fd);

	if (!p || p->far < 0)
		return -1;
	if (s->npoll == s->poll_room) {
		uint32_t room = s->poll_room ? s->poll_room * 2 : 256;
		struct pollfd *more = reallocarray(s->poll, room, sizeof(*more));

		if (!more)
			return -1;
		s->poll = more;
		s->poll_room = room;
	}
	/* no urgent data comes from the gate */
	s->poll[s->npoll] = (struct pollfd){
		.fd = p->far,
		.events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
				  (events & SLIRP_POLL_OUT ? POLLOUT : 0)),
	};
	return (int)s->npoll++;
}

static int polled(int at, void *opaque)
{
	const struct stack *s = opaque;
	const struct pollfd *p = &s->poll[at];

	if (at < 0 || (uint32_t)at >= s->npoll)
		return 0;
	/* An end is read like bytes, in its turn: not before it has said that it is connected. */
	return (p->events & POLLIN && p->revents & (POLLIN | POLLHUP | POLLERR) ? SLIRP_POLL_IN
										: 0) |
	       (p->events & POLLOUT && p->revents & (POLLOUT | POLLHUP | POLLERR) ? SLIRP_POLL_OUT
										  : 0);
}

static uint32_t run(struct stack *s)
{
	uint32_t ms = STACK_NEVER;
	int n = 0;

	for (int i = 0; i < RUNS_MAX && s->open; i++) {
		ms = STACK_NEVER;
		s->npoll = 0;
		slirp_pollfds_fill(s->slirp, &ms, add_poll, s);
		n = s->npoll ? poll(s->poll, s->npoll, 0) : 0;
		slirp_pollfds_poll(s->slirp, n < 0, polled, s);
		if (n <= 0)
			break;
	}
	return !s->open ? STACK_NEVER : n > 0 ? 0 : ms;
}

SHOWN extern const struct stack_ops belljar_stack;
const struct stack_ops belljar_stack = {
	.open = stack_open,
	.segment = segment,
	.run = run,
	.let_go = let_go,
	.was_reset = was_reset,
};
