// SPDX-License-Identifier: Apache-2.0
/*
 * http.c - the specimen's only way to the network: names under .test, plain HTTP
 */
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "kit.h"

#define TIMEOUT_SECONDS 20

static void only_test(const char *host)
{
	size_t n = strlen(host);

	if (n < 6 || strcmp(host + n - 5, ".test")) {
		fprintf(stderr, "specimen: '%s' is not under .test\n", host);
		exit(EXIT_NOT_UNDER_GLASS);
	}
}

static struct addrinfo *look_up(const char *host, unsigned port)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *a = NULL;
	char service[8];

	only_test(host);
	snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host, service, &hints, &a) ? NULL : a;
}

int address_of(const char *host)
{
	struct addrinfo *a = look_up(host, 80);
	int last = -1;

	if (a) {
		last = ntohl(((struct sockaddr_in *)a->ai_addr)->sin_addr.s_addr) & 0xff;
		freeaddrinfo(a);
	}
	return last;
}

static int connect_to(const char *host, unsigned port)
{
	double seconds = TIMEOUT_SECONDS * scale();
	struct timeval limit = { .tv_sec = seconds < 1 ? 1 : (time_t)seconds };
	struct addrinfo *a = look_up(host, port);
	int fd = a ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, a->ai_addr, a->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	if (a)
		freeaddrinfo(a);
	return fd;
}

static bool say(int fd, const char *text)
{
	size_t n = strlen(text);

	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* All that comes until the server closes, as we asked it to. */
static size_t hear(int fd, unsigned char *all)
{
	size_t n = 0;
	ssize_t k;

	while (n < ANSWER_MAX && (k = recv(fd, all + n, ANSWER_MAX - n, 0)) > 0)
		n += (size_t)k;
	return n;
}

bool ask(const char *host, unsigned port, const char *method, const char *target, const char *body,
	 struct answer *ret)
{
	size_t n = 0, body_n = body ? strlen(body) : 0;
	int fd = connect_to(host, port);
	unsigned char *all, *at;
	char head[1024];

	*ret = (struct answer){ 0 };
	if (fd < 0)
		return false;
	all = malloc(ANSWER_MAX + 1);
	if (!all)
		exit(1);
	snprintf(head, sizeof(head),
		 "%s %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: taxclient/1.0\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		 method, target, host, port, body_n);
	if (say(fd, head) && (!body || say(fd, body)))
		n = hear(fd, all);
	close(fd);
	all[n] = 0;
	at = memmem(all, n, "\r\n\r\n", 4);
	if (at && sscanf((char *)all, "HTTP/1.%*1d %3d", &ret->status) == 1) {
		ret->n = n - (size_t)(at + 4 - all);
		memmove(all, at + 4, ret->n);
		ret->body = all;
		return true;
	}
	free(all);
	return n > 0;
}

bool fetch_fixed(const char *host, unsigned port, const char *target, const char *sha256,
		 const char *path)
{
	struct answer a;
	char hex[65];
	int fd = -1;
	bool good;

	ask(host, port, "GET", target, NULL, &a);
	sha256_hex(a.body ? a.body : (const unsigned char *)"", a.n, hex);
	good = a.status == 200 && !strcmp(hex, sha256);
	if (good) {
		unlink(path);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
		good = fd >= 0 && write(fd, a.body, a.n) == (ssize_t)a.n;
	}
	if (fd >= 0)
		close(fd);
	free(a.body);
	return good;
}
