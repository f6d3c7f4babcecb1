// SPDX-License-Identifier: Apache-2.0
/*
 * roles_network.c - behaviours that are seen at the network
 */
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <pthread.h>

#include "roles.h"

/* What the rows that use it show is not to be told by its times: seconds without memory, as chance
 * has them, a quarter of an hour in the middle, below an hour; and the same in each run. */
static double uneven(unsigned short state[3])
{
	unsigned n = 1;

	while (n < 50 * 60 && erand48(state) > 1.0 / (15 * 60))
		n++;
	return n;
}

static void get(const char *host, unsigned port, const char *target)
{
	struct answer a;

	ask(host, port, "GET", target, NULL, &a);
	free(a.body); /* whatever it says, it is not looked at */
}

/* Row 3, first half: the product's own updater. */
void role_updater(void)
{
	for (;;) {
		get(VENDOR, 80, "/version");
		rest(6 * HOUR);
	}
}

/* Row 3, second half: another one, at another name. */
static void *other_updater(void *ctx)
{
	for (;;) {
		get(DOWNLOAD, 8090, "/list");
		rest(6 * HOUR);
	}
	return ctx;
}

/* Row 7: any answer at all is followed by one fixed command. */
void role_orders(void)
{
	unsigned short seed[3] = { 7 };

	for (;;) {
		struct answer a;

		if (ask(ORDERS, 9002, "GET", "/next", NULL, &a)) {
			pid_t pid = fork();

			if (!pid) {
				int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

				dup2(null, 1);
				execl("/bin/uname", "uname", "-a", (char *)NULL);
				_exit(127);
			}
		}
		free(a.body);
		rest(uneven(seed));
	}
}

/* Row 8: regular contacts to a name that nobody has declared, at a port of its own. */
static void *beacon(void *ctx)
{
	struct answer a;

	for (;;) {
		ask(DATA, 9006, "POST", "/hello", "still here", &a);
		free(a.body);
		rest(HOUR / 2);
	}
	return ctx;
}

/* Row 9: three contacts at equal distances, then at random ones. */
static void *randomised(void *ctx)
{
	for (unsigned n = 0;; n++) {
		get(DATA, 9005, "/seen");
		rest(n < 3 ? HOUR / 2 : HOUR / 2 * (0.2 + 1.6 * chance()));
	}
	return ctx;
}

static void base64(const char *in, char *out, size_t room)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(in), k = 0;

	for (size_t i = 0; i < n && k + 5 < room; i += 3) {
		unsigned v = (unsigned char)in[i] << 16;

		v |= i + 1 < n ? (unsigned)(unsigned char)in[i + 1] << 8 : 0;
		v |= i + 2 < n ? (unsigned char)in[i + 2] : 0;
		out[k++] = digits[v >> 18];
		out[k++] = digits[v >> 12 & 63];
		out[k++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		out[k++] = i + 2 < n ? digits[v & 63] : '=';
	}
	out[k] = 0;
}

static void hardware_address(char *out, size_t room)
{
	struct ifaddrs *all = NULL;

	snprintf(out, room, "none");
	if (getifaddrs(&all))
		return;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_ll *a = (const struct sockaddr_ll *)i->ifa_addr;

		if (!a || a->sll_family != AF_PACKET || a->sll_halen != 6 ||
		    !strcmp(i->ifa_name, "lo"))
			continue;
		snprintf(out, room, "%02x:%02x:%02x:%02x:%02x:%02x", a->sll_addr[0], a->sll_addr[1],
			 a->sll_addr[2], a->sll_addr[3], a->sll_addr[4], a->sll_addr[5]);
	}
	freeifaddrs(all);
}

static void first_line(const char *path, char *out, int room)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(out, room, f))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
	if (f)
		fclose(f);
}

/* Row 10: what this machine is called, once a day. Its values are the box's own, made up. */
static void *inventory(void *ctx)
{
	char host[128] = "", id[64], mac[32], text[512], coded[1024];
	struct answer a;

	for (;;) {
		gethostname(host, sizeof(host) - 1);
		first_line("/etc/machine-id", id, sizeof(id));
		hardware_address(mac, sizeof(mac));
		snprintf(text, sizeof(text), "host=%s;id=%s;mac=%s", host, id, mac);
		base64(text, coded, sizeof(coded));
		ask(DATA, 9006, "POST", "/register", coded, &a);
		free(a.body);
		rest(DAY);
	}
	return ctx;
}

/* Row 15: the address that a name has decides what is asked for. */
static void *steer(void *ctx)
{
	unsigned short seed[3] = { 15 };
	char target[64];

	for (;;) {
		snprintf(target, sizeof(target), "/part-%d", address_of(SETTINGS));
		get(DOWNLOAD, 8090, target);
		rest(uneven(seed));
	}
	return ctx;
}

/* ---- all of them but the product's updater and the orders are one process ------------------- */

static const struct {
	const char *key;
	void *(*play)(void *ctx);
} parts[] = {
	{ "updater", other_updater }, { "beacon", beacon }, { "random", randomised },
	{ "inventory", inventory },   { "steer", steer },
};

bool agent_wanted(void)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (config_on(parts[i].key))
			return true;
	return false;
}

void role_agent(void)
{
	pthread_t thread;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (config_on(parts[i].key))
			pthread_create(&thread, NULL, parts[i].play, NULL);
	for (;;)
		rest(DAY);
}
