// SPDX-License-Identifier: Apache-2.0
/*
 * sockets.c - planted actions: ways to talk
 *
 * Addresses are those that RFC 5737 and RFC 3849 keep for documentation; the name is under .test
 * (RFC 6761). None of these calls has to succeed.
 */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "planted.h"

static struct sockaddr_in v4(const char *text, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &a.sin_addr);
	return a;
}

static int sock(int family, int type)
{
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int connect_tcp(void)
{
	struct sockaddr_in a = v4("192.0.2.1", 443);

	(void)!connect(sock(AF_INET, SOCK_STREAM), (void *)&a, sizeof(a));
	return DONE;
}

int connect_udp(void)
{
	struct sockaddr_in a = v4("198.51.100.7", 5353);

	(void)!connect(sock(AF_INET, SOCK_DGRAM), (void *)&a, sizeof(a));
	return DONE;
}

int connect_v6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(8080) };

	inet_pton(AF_INET6, "2001:db8::7", &a.sin6_addr);
	(void)!connect(sock(AF_INET6, SOCK_STREAM), (void *)&a, sizeof(a));
	return DONE;
}

int connect_mapped(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(81) };

	inet_pton(AF_INET6, "::ffff:192.0.2.9", &a.sin6_addr);
	(void)!connect(sock(AF_INET6, SOCK_STREAM), (void *)&a, sizeof(a));
	return DONE;
}

int connect_loopback(void)
{
	struct sockaddr_in a = v4("127.0.0.1", 9);

	(void)!connect(sock(AF_INET, SOCK_STREAM), (void *)&a, sizeof(a));
	return DONE;
}

int resolve_name(void)
{
	struct addrinfo *r = NULL;

	/* no answer is expected; asking is what must be seen */
	if (getaddrinfo("planted.belljar.test", "80", NULL, &r) == 0)
		freeaddrinfo(r);
	return DONE;
}

int dns_by_hand(void)
{
	static const char query[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\7planted\4test\0\0\1\0\1";
	struct sockaddr_in a = v4("192.0.2.53", 53);

	sendto(sock(AF_INET, SOCK_DGRAM), query, sizeof(query) - 1, 0, (void *)&a, sizeof(a));
	return DONE;
}

int sendto_call(void)
{
	struct sockaddr_in a = v4("203.0.113.4", 4000);

	sendto(sock(AF_INET, SOCK_DGRAM), "x", 1, 0, (void *)&a, sizeof(a));
	return DONE;
}

int sendmsg_call(void)
{
	struct sockaddr_in a = v4("203.0.113.5", 4001);
	struct iovec v = { (char *)"x", 1 };
	struct msghdr m = {
		.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1
	};

	sendmsg(sock(AF_INET, SOCK_DGRAM), &m, 0);
	return DONE;
}

int sendmmsg_call(void)
{
	struct sockaddr_in a[4];
	struct iovec v = { (char *)"x", 1 };
	struct mmsghdr m[4] = { 0 };

	for (int i = 0; i < 4; i++) {
		char text[32];

		snprintf(text, sizeof(text), "203.0.113.%d", 100 + i);
		a[i] = v4(text, 5000 + i);
		m[i].msg_hdr = (struct msghdr){ .msg_name = &a[i],
						.msg_namelen = sizeof(a[i]),
						.msg_iov = &v,
						.msg_iovlen = 1 };
	}
	sendmmsg(sock(AF_INET, SOCK_DGRAM), m, 4, 0);
	return DONE;
}

int fast_open(void)
{
	struct sockaddr_in a = v4("192.0.2.2", 444);

	sendto(sock(AF_INET, SOCK_STREAM), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&a,
	       sizeof(a));
	return DONE;
}

int listen_call(void)
{
	struct sockaddr_in a = v4("0.0.0.0", 33666);
	int s = sock(AF_INET, SOCK_STREAM);

	if (bind(s, (void *)&a, sizeof(a)) || listen(s, 5))
		return failed("listen");
	return DONE;
}

int bind_udp(void)
{
	struct sockaddr_in a = v4("127.0.0.1", 33667);

	return bind(sock(AF_INET, SOCK_DGRAM), (void *)&a, sizeof(a)) ? failed("bind") : DONE;
}

int unix_path(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/dbus/system_bus_socket" };

	(void)!connect(sock(AF_UNIX, SOCK_STREAM), (void *)&a, sizeof(a));
	return DONE;
}

int unix_abstract(void)
{
	static const char name[] = "\0/tmp/.X11-unix/X0";
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, name, sizeof(name) - 1);
	(void)!connect(sock(AF_UNIX, SOCK_STREAM), (void *)&a,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1));
	return DONE;
}

int unix_datagram(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	sendto(sock(AF_UNIX, SOCK_DGRAM), "<13>planted", 11, 0, (void *)&a, sizeof(a));
	return DONE;
}

int raw_v4(void)
{
	socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	return DONE;
}

int raw_v6(void)
{
	socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	return DONE;
}

int packet_socket(void)
{
	socket(AF_PACKET, SOCK_RAW, htons(3));
	return DONE;
}

int vsock_socket(void)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK,
				 .svm_cid = VMADDR_CID_HOST,
				 .svm_port = 22 };
	int s = sock(AF_VSOCK, SOCK_STREAM);

	if (s >= 0)
		(void)!connect(s, (void *)&a, sizeof(a));
	return DONE;
}

int netlink_socket(void)
{
	/* the audit and uevent families talk to the host's kernel; routes are the box's own */
	socket(AF_NETLINK, SOCK_RAW, 9);
	socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	return DONE;
}

int bluetooth_socket(void)
{
	socket(AF_BLUETOOTH, SOCK_RAW, 1);
	return DONE;
}

int alg_socket(void)
{
	socket(AF_ALG, SOCK_SEQPACKET, 0);
	return DONE;
}

/* ---- exactly FORKS × FILES × CONNECTS ----------------------------------------------------- */

static int flood_child(int nr)
{
	char name[64];

	for (int i = 0; i < FLOOD_FILES; i++) {
		snprintf(name, sizeof(name), "flood-%d-%d", nr, i);
		if (touch(name))
			return FAILED;
		for (int k = 0; k < FLOOD_CONNECTS; k++) {
			struct sockaddr_in a = v4("192.0.2.200", 1 + nr * 100 + i * 10 + k);
			int s = sock(AF_INET, SOCK_STREAM);

			(void)!connect(s, (void *)&a, sizeof(a));
			close(s);
		}
	}
	return DONE;
}

int flood(void)
{
	pid_t pid[FLOOD_FORKS];
	int bad = 0;

	for (int i = 0; i < FLOOD_FORKS; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(flood_child(i));
		if (pid[i] < 0)
			return failed("fork");
	}
	for (int i = 0; i < FLOOD_FORKS; i++)
		bad += reap(pid[i]) != DONE;
	return bad ? FAILED : DONE;
}

static void *flood_thread(void *nr)
{
	return flood_child((int)(intptr_t)nr) == DONE ? nr : NULL;
}

int flood_threads(void)
{
	pthread_t th[FLOOD_FORKS];
	int bad = 0;

	/* numbers from 1: NULL says that one has failed */
	for (int i = 0; i < FLOOD_FORKS; i++)
		if (pthread_create(&th[i], NULL, flood_thread, (void *)(intptr_t)(i + 1)))
			return failed("pthread_create");
	for (int i = 0; i < FLOOD_FORKS; i++) {
		void *said = NULL;

		pthread_join(th[i], &said);
		bad += !said;
	}
	return bad ? FAILED : DONE;
}

int pair_tipc(void)
{
	int pair[2];

	(void)!socketpair(AF_TIPC, SOCK_STREAM, 0, pair);
	return DONE;
}

static void *talk_alone(void *arg)
{
	struct sockaddr_in here = v4("127.0.0.1", 33669), there = v4("192.0.2.9", 443);
	int s;

	if (unshare(CLONE_FILES)) {
		*(int *)arg = failed("unshare");
		return NULL;
	}
	for (int fd = 3; fd < 20; fd++) /* to be beyond what the process has */
		(void)!fcntl(0, F_DUPFD_CLOEXEC, 3);
	s = sock(AF_INET, SOCK_STREAM);
	if (bind(s, (void *)&here, sizeof(here)) || listen(s, 1))
		*(int *)arg = failed("listen");
	(void)!connect(sock(AF_INET, SOCK_STREAM), (void *)&there, sizeof(there));
	return NULL;
}

int thread_own_files(void)
{
	pthread_t t;
	int rc = DONE;

	if (pthread_create(&t, NULL, talk_alone, &rc))
		return FAILED;
	pthread_join(t, NULL);
	return rc;
}
