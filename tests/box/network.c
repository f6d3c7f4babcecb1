// SPDX-License-Identifier: Apache-2.0
/*
 * network.c - what a box with a network sees, and that all that leaves it meets who stands inside
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "boxed.h"

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif

/* ---- who stands inside -------------------------------------------------------------------- */

static int listener(int family, int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(BOX_GATE_PORT),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(BOX_GATE_PORT),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int s = socket(family, type, 0), one = 1;
	uint32_t mark = BOX_GATE_MARK;

	if (family == AF_INET) {
		setsockopt(s, SOL_IP, IP_TRANSPARENT, &one, sizeof(one));
		setsockopt(s, SOL_IP, IP_RECVORIGDSTADDR, &one, sizeof(one));
		if (bind(s, (struct sockaddr *)&in, sizeof(in)))
			return -1;
	} else {
		setsockopt(s, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one));
		setsockopt(s, SOL_IPV6, IPV6_RECVORIGDSTADDR, &one, sizeof(one));
		setsockopt(s, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		if (bind(s, (struct sockaddr *)&in6, sizeof(in6)))
			return -1;
	}
	setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (type == SOCK_STREAM && listen(s, 16))
		return -1;
	return s;
}

static void say_address(char *out, size_t n, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;
	char ip[INET6_ADDRSTRLEN];

	if (ss->ss_family == AF_INET)
		snprintf(out, n, "%s %d", inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip)),
			 ntohs(in->sin_port));
	else
		snprintf(out, n, "%s %d", inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip)),
			 ntohs(in6->sin6_port));
}

static void serve_tcp(int listening)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int c = accept(listening, NULL, NULL);
	char text[96];

	getsockname(c, (struct sockaddr *)&ss, &n);
	say_address(text, sizeof(text), &ss);
	send(c, text, strlen(text), MSG_NOSIGNAL);
	close(c);
}

/* Tells the one who started us what was asked for; nothing is answered. */
static void serve_udp(int s, int tell)
{
	char bytes[64], control[256], text[96];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct sockaddr_storage ss = { 0 };

	if (recvmsg(s, &m, 0) < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		memcpy(&ss, CMSG_DATA(c),
		       c->cmsg_level == SOL_IP ? sizeof(struct sockaddr_in)
					       : sizeof(struct sockaddr_in6));
	say_address(text, sizeof(text), &ss);
	send(tell, text, strlen(text), MSG_NOSIGNAL);
}

static void stand_inside(void *arg UNUSED, int fd)
{
	struct pollfd p[5] = { { .fd = listener(AF_INET, SOCK_STREAM), .events = POLLIN },
			       { .fd = listener(AF_INET6, SOCK_STREAM), .events = POLLIN },
			       { .fd = listener(AF_INET, SOCK_DGRAM), .events = POLLIN },
			       { .fd = listener(AF_INET6, SOCK_DGRAM), .events = POLLIN },
			       { .fd = fd, .events = POLLIN } };
	char ready[32];

	snprintf(ready, sizeof(ready), "%d",
		 p[0].fd >= 0 && p[1].fd >= 0 && p[2].fd >= 0 && p[3].fd >= 0);
	send(fd, ready, strlen(ready), MSG_NOSIGNAL);
	while (poll(p, 5, -1) > 0 && !p[4].revents) {
		for (int i = 0; i < 2; i++)
			if (p[i].revents)
				serve_tcp(p[i].fd);
		for (int i = 2; i < 4; i++)
			if (p[i].revents)
				serve_udp(p[i].fd, fd);
	}
}

static pid_t inside(struct boxed *b, void (*fn)(void *, int), int *ret_sock)
{
	int pair[2];
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "%m");
	pid = box_run_inside(b->run, fn, NULL, pair[1], &b->err);
	CHECK(pid > 0, "%s", b->err.msg);
	close(pair[1]);
	*ret_sock = pair[0];
	return pid;
}

static void gone(pid_t pid, int sock)
{
	int status;

	close(sock);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
}

static char *hear(int sock)
{
	char *text = xcalloc(1, 4096);
	struct pollfd p = { .fd = sock, .events = POLLIN };

	CHECK(poll(&p, 1, 20000) == 1 && recv(sock, text, 4095, 0) > 0, "nothing is said");
	return text;
}

/* ---- tests -------------------------------------------------------------------------------- */

static const struct box_opts gated = { .net = BOX_NET_GATE };

static int ordinary(void *arg UNUSED)
{
	struct boxed b;
	char *text, *want;

	boxed_start(&b, NULL, &gated);
	text = output_of(&b, "cat /sys/class/net/eth0/address; ls /sys/class/net | tr '\\n' ' ';"
			     "cat /sys/class/net/eth0/mtu;"
			     "awk '$1 == \"eth0\" { print $2, $3 }' /proc/net/route | sort;"
			     "grep -c fd17625cf03700020000000000000015 /proc/net/if_inet6;"
			     "grep nameserver /etc/resolv.conf");
	want = xasprintf("%s\neth0 lo 1500\n00000000 0202000A\n0002000A 00000000\n1\n"
			 "nameserver 10.0.2.3\n",
			 box_get_info(b.box)->mac);
	CHECK(!strcmp(text, want), "%s instead of %s", text, want);
	free(text);
	free(want);
	boxed_close(&b);
	return 0;
}

static void test_the_box_has_an_ordinary_interface(void **state UNUSED)
{
	as_everyone(ordinary, NULL);
}

static int all_meets(void *arg UNUSED)
{
	static const struct {
		const char *script, *want;
	} tcp[] = {
		{ "cat </dev/tcp/9.9.9.9/4321", "9.9.9.9 4321" },
		{ "cat </dev/tcp/10.0.2.2/22", "10.0.2.2 22" },
		{ "cat </dev/tcp/192.168.1.1/80", "192.168.1.1 80" },
		{ "cat </dev/tcp/2001:4860:4860::8888/853", "2001:4860:4860::8888 853" },
	};
	static const struct {
		const char *script, *want;
	} udp[] = {
		{ "echo x >/dev/udp/1.2.3.4/53", "1.2.3.4 53" },
		{ "echo x >/dev/udp/10.0.2.3/9999", "10.0.2.3 9999" },
		{ "echo x >/dev/udp/2001:db8::1/53", "2001:db8::1 53" },
	};
	struct boxed b;
	char *text;
	int sock;
	pid_t pid;

	boxed_start(&b, NULL, &gated);
	pid = inside(&b, stand_inside, &sock);
	text = hear(sock);
	CHECK(!strcmp(text, "1"), "its sockets: %s", text);
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(tcp); i++) {
		text = output_of(&b, tcp[i].script);
		CHECK(!strcmp(text, tcp[i].want), "%s: %s", tcp[i].script, text);
		free(text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(udp); i++) {
		free(output_of(&b, udp[i].script));
		text = hear(sock);
		CHECK(!strcmp(text, udp[i].want), "%s: %s", udp[i].script, text);
		free(text);
	}
	/* what is the box's own stays there: nobody listens */
	text = output_of(&b, "cat </dev/tcp/10.0.2.15/7 || cat </dev/tcp/127.0.0.1/7 || echo no");
	CHECK(strstr(text, "Connection refused") && str_ends(str_z(text), "no\n"), "%s", text);
	free(text);
	gone(pid, sock);
	/* and nobody else answers when it is gone, never the host */
	text = output_of(&b, "timeout 1 bash -c 'cat </dev/tcp/9.9.9.9/4321' || echo no");
	CHECK(str_ends(str_z(text), "no\n"), "%s", text);
	free(text);
	boxed_close(&b);
	return 0;
}

static void test_tcp_and_udp_meet_who_stands_inside_with_their_address(void **state UNUSED)
{
	as_everyone(all_meets, NULL);
}

/* What the process has, in words; each must be nothing or as named. */
static void look_around(void *arg UNUSED, int fd)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };
	char text[512] = "", at = 0;
	int n = 0, open_fds = 0;
	DIR *root = opendir("/");

	while (root && readdir(root))
		n++;
	if (root)
		closedir(root);
	for (int i = 0; i < 1024; i++)
		open_fds += fcntl(i, F_GETFD) >= 0;
	syscall(SYS_capget, &h, d);
	at = open("/x", O_WRONLY | O_CREAT, 0600) >= 0;
	snprintf(text, sizeof(text), "root %d fds %d caps %x %x write %d dumpable %d nnp %d uid %d",
		 n, open_fds, d[0].permitted, d[1].permitted, at, prctl(PR_GET_DUMPABLE),
		 prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), (int)geteuid());
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static int nothing_around(void *arg UNUSED)
{
	struct boxed b;
	char *text;
	int sock;
	pid_t pid;

	boxed_start(&b, NULL, &gated);
	pid = inside(&b, look_around, &sock);
	text = hear(sock);
	/* '.' and '..'; CAP_NET_RAW is 13 */
	CHECK(!strcmp(text, "root 2 fds 4 caps 2000 0 write 0 dumpable 0 nnp 1 uid 0"), "%s", text);
	free(text);
	gone(pid, sock);
	boxed_close(&b);
	return 0;
}

static void test_who_stands_inside_has_nothing_but_its_socket(void **state UNUSED)
{
	as_everyone(nothing_around, NULL);
}

static int offline(void *arg UNUSED)
{
	struct boxed b;
	char *text;

	boxed_start(&b, NULL, NULL);
	text = output_of(&b, "cat </dev/tcp/9.9.9.9/4321 || ls /sys/class/net");
	CHECK(strstr(text, "unreachable") && str_ends(str_z(text), "\nlo\n"), "%s", text);
	free(text);
	boxed_close(&b);
	return 0;
}

static void test_without_a_network_there_is_no_route(void **state UNUSED)
{
	as_everyone(offline, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_box_has_an_ordinary_interface),
		cmocka_unit_test(test_tcp_and_udp_meet_who_stands_inside_with_their_address),
		cmocka_unit_test(test_who_stands_inside_has_nothing_but_its_socket),
		cmocka_unit_test(test_without_a_network_there_is_no_route),
	};

	return cmocka_run_group_tests(tests, homes_make, homes_remove);
}
