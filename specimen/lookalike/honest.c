// SPDX-License-Identifier: Apache-2.0
/*
 * honest.c - look-alikes: what ordinary software does, and what must yield no finding
 *
 *   honest ROLE    one of them
 *   honest stop    ends the others, before they are removed
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "hashes.h"
#include "taxclient/kit.h"

#define VENDOR	 "update.honest-vendor.test"
#define API	 "api.honest-vendor.test"
#define PROGRAM	 "/opt/honest/honest"
#define PART	 "/opt/honest/part"
#define WEB_PORT 8631

static void ask_once(const char *host, const char *method, const char *target, const char *body)
{
	struct answer a;

	ask(host, 80, method, target, body, &a);
	free(a.body);
}

/* Asks its vendor for a version every six hours; once there is one, and it replaces a part. */
static void updater(void)
{
	for (unsigned n = 0;; n++) {
		ask_once(VENDOR, "GET", "/version", NULL);
		if (n == 1 && fetch_fixed(VENDOR, 80, "/part", SECOND_SHA256, PART ".new") &&
		    !rename(PART ".new", PART))
			start(PART, NULL);
		rest(6 * HOUR * (0.9 + 0.2 * chance()));
	}
}

static void supervisor(void)
{
	signal(SIGCHLD, SIG_DFL);
	for (;;) {
		int status;

		start(PROGRAM, "worker");
		wait(&status);
		rest(5);
	}
}

static void sleeper(void)
{
	for (;;)
		rest(HOUR);
}

/* With jitter, to its vendor's own name. */
static void poller(void)
{
	for (;;) {
		ask_once(API, "GET", "/news", NULL);
		rest(HOUR * (0.7 + 0.6 * chance()));
	}
}

/* Binds the licence to this machine, once a day. */
static void licence(void)
{
	char host[128] = "", id[64] = "", body[256];
	FILE *f;

	for (;;) {
		gethostname(host, sizeof(host) - 1);
		f = fopen("/etc/machine-id", "re");
		if (f && fgets(id, sizeof(id), f))
			id[strcspn(id, "\n")] = 0;
		if (f)
			fclose(f);
		snprintf(body, sizeof(body), "{\"host\":\"%s\",\"machine\":\"%s\"}", host, id);
		ask_once(API, "POST", "/licence", body);
		rest(DAY);
	}
}

/* For this machine alone; a program of the same package looks whether it is well. */
static void web(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(WEB_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 8))
		exit(1);
	start(PROGRAM, "health");
	for (;;) {
		static const char text[] =
			"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			continue;
		if (send(c, text, sizeof(text) - 1, MSG_NOSIGNAL) < 0)
			perror("honest");
		close(c);
	}
}

static void health(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(WEB_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char room[256];

		if (!connect(fd, (struct sockaddr *)&at, sizeof(at)) &&
		    recv(fd, room, sizeof(room), 0) < 0)
			perror("honest");
		close(fd);
		rest(5 * MINUTE);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*play)(void);
	} roles[] = {
		{ "updater", updater }, { "supervisor", supervisor }, { "worker", sleeper },
		{ "daemon", sleeper },	{ "poller", poller },	      { "licence", licence },
		{ "web", web },		{ "health", health },
	};

	kit_begin("honest");
	if (argc == 2 && !strcmp(argv[1], "stop")) {
		stop_below("/opt/honest/");
		return 0;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(argv[1], roles[i].name)) {
			/* a boot starts what the installer has started already */
			if (hold(argv[1]) >= 0)
				roles[i].play();
			return 0;
		}
	fprintf(stderr, "honest: which role?\n");
	return 2;
}
