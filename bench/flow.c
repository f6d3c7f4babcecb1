// SPDX-License-Identifier: Apache-2.0
/*
 * flow.c - move bytes over TCP, and say how fast; or keep many connections at once
 *
 *   flow serve ADDRESS PORT             until it is killed; says "ready" first
 *   flow up ADDRESS PORT MEGABYTES      sends; prints MB/s, until the server has read all
 *   flow down ADDRESS PORT MEGABYTES    receives; prints MB/s
 *   flow many ADDRESS PORT CONNECTIONS  opens them all, keeps them, then says eight bytes on each
 *                                       and hears them again; prints how many did
 *   flow asks ADDRESS PORT CONNECTIONS  the same with a request of HTTP and the begin of its answer
 *
 * A connection begins with a line of 16 bytes: its kind and a number. The server has a process for
 * a connection that moves bytes, and one loop for all that only echo.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/base.h"

#define HEAD	 16
#define PIECE	 (256u << 10)
#define MANY_MAX 20000
#define PATIENCE 60000 /* ms without anything new: then the rest is lost */

static uint8_t piece[PIECE];

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in at(char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(argv[3])) };

	if (inet_pton(AF_INET, argv[2], &a.sin_addr) != 1) {
		fprintf(stderr, "flow: '%s' is no address\n", argv[2]);
		exit(2);
	}
	return a;
}

static void most_files(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static void send_all(int fd, uint64_t n)
{
	while (n) {
		ssize_t k = send(fd, piece, n < PIECE ? n : PIECE, MSG_NOSIGNAL);

		if (k < 0 && errno != EINTR)
			die("flow: send");
		n -= k > 0 ? (uint64_t)k : 0;
	}
}

static void receive_all(int fd, uint64_t n)
{
	while (n) {
		ssize_t k = recv(fd, piece, n < PIECE ? n : PIECE, 0);

		if (k == 0 || (k < 0 && errno != EINTR))
			die("flow: receive");
		n -= k > 0 ? (uint64_t)k : 0;
	}
}

/* ---- the server --------------------------------------------------------------------------- */

static void move(int fd, const char *head)
{
	uint64_t n = strtoull(head + 1, NULL, 10);

	if (fork())
		return;
	fcntl(fd, F_SETFL, 0);
	if (head[0] == 'd') {
		send_all(fd, n);
	} else {
		receive_all(fd, n);
		send_all(fd, 1);
	}
	_exit(0);
}

static void heard(int ep, int fd)
{
	char b[HEAD + 1];
	ssize_t k = recv(fd, b, HEAD, 0);

	b[k > 0 ? k : 0] = 0;
	if (k == HEAD && (b[0] == 'd' || b[0] == 'u')) {
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		move(fd, b);
		close(fd);
	} else if (k > 0) {
		send(fd, b, (size_t)k, MSG_NOSIGNAL);
	} else if (k == 0 || errno != EAGAIN) {
		close(fd);
	}
}

static void serve(char **argv)
{
	struct sockaddr_in a = at(argv);
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1, ep = epoll_create1(0);
	struct epoll_event e[64], ev = { .events = EPOLLIN, .data.fd = s };

	signal(SIGCHLD, SIG_IGN);
	most_files();
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 4096) ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev))
		die("flow: listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, e, 64, -1);

		for (int i = 0; i < n; i++) {
			if (e[i].data.fd != s) {
				heard(ep, e[i].data.fd);
				continue;
			}
			ev.data.fd = accept4(s, NULL, NULL, SOCK_NONBLOCK);
			if (ev.data.fd >= 0)
				epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
		}
	}
}

/* ---- one connection ----------------------------------------------------------------------- */

static void stream(char **argv)
{
	uint64_t n = strtoull(argv[4], NULL, 10) * 1000000, t0;
	struct sockaddr_in a = at(argv);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char head[HEAD + 1] = "";

	snprintf(head, sizeof(head), "%c%llu", argv[1][0], (unsigned long long)n);
	if (connect(s, (struct sockaddr *)&a, sizeof(a)) || send(s, head, HEAD, 0) != HEAD)
		die("flow: connect");
	if (argv[1][0] == 'u') {
		usleep(100000); /* the server reads the head alone */
		t0 = clock_mono_ns();
		send_all(s, n);
		receive_all(s, 1); /* the server has read all */
	} else {
		t0 = clock_mono_ns();
		receive_all(s, n);
	}
	printf("%.1f\n", (double)n / 1e6 / ((double)(clock_mono_ns() - t0) / 1e9));
}

/* ---- many --------------------------------------------------------------------------------- */

struct many {
	int ep, n, open, good;
	bool asks;
	int fd[MANY_MAX];
};

static bool say(const struct many *m, int i)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	uint64_t word = (uint64_t)i;
	const void *p = m->asks ? (const void *)request : &word;
	size_t n = m->asks ? sizeof(request) - 1 : sizeof(word);

	return send(m->fd[i], p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void answer(struct many *m, int i, uint32_t events)
{
	uint64_t word = 0;

	if (events & EPOLLIN && recv(m->fd[i], &word, 8, 0) == 8)
		m->good += m->asks ? !memcmp(&word, "HTTP/1.", 7) : word == (uint64_t)i;
	epoll_ctl(m->ep, EPOLL_CTL_DEL, m->fd[i], NULL);
}

static void many(char **argv)
{
	static struct many m;
	struct sockaddr_in a = at(argv);
	struct epoll_event e[64];
	int k, want = atoi(argv[4]);

	m.asks = !strcmp(argv[1], "asks");
	most_files();
	m.ep = epoll_create1(0);
	for (m.n = 0; m.n < want && m.n < MANY_MAX; m.n++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (uint32_t)m.n };

		m.fd[m.n] = socket(AF_INET, SOCK_STREAM, 0);
		if (m.fd[m.n] < 0 || connect(m.fd[m.n], (struct sockaddr *)&a, sizeof(a)) ||
		    epoll_ctl(m.ep, EPOLL_CTL_ADD, m.fd[m.n], &ev)) {
			perror("flow: connect");
			break;
		}
		m.open++;
	}
	for (int i = 0; i < m.open; i++) {
		if (!say(&m, i))
			perror("flow: send");
	}
	for (int left = m.open; left > 0; left -= k) {
		k = epoll_wait(m.ep, e, 64, PATIENCE);
		if (k <= 0)
			break;
		for (int i = 0; i < k; i++)
			answer(&m, (int)e[i].data.u32, e[i].events);
	}
	printf("%d of %d\n", m.good, want);
	exit(m.good == want ? 0 : 1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";

	if (!strcmp(what, "serve"))
		serve(argv);
	else if (argc == 5 && (!strcmp(what, "up") || !strcmp(what, "down")))
		stream(argv);
	else if (argc == 5 && (!strcmp(what, "many") || !strcmp(what, "asks")))
		many(argv);
	else
		fprintf(stderr, "usage: flow serve|up|down|many|asks ADDRESS PORT [NUMBER]\n");
	return argc == 5 ? 0 : 2;
}
