// SPDX-License-Identifier: Apache-2.0
/*
 * dial.c - sockets to real peers, for those whom the policy names
 *
 * The gate process says which name an address belongs to; whether that is so is known here by
 * ourselves, from the answers of the host's resolver that passed this desk. Addresses that mean
 * this machine or many machines are nobody's peer: services of the host that listen on loopback
 * stay out of reach, whatever a resolver may answer.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <uthash.h>

#include "gate/desk/desk.h"

#define KEEPALIVE_S 120

struct known_key {
	uint8_t ip[16];
	uint8_t v6;
	char name[NAME_MAX_DNS + 3]; /* zero-filled */
};

struct known {
	struct known_key key;
	uint64_t until; /* CLOCK_MONOTONIC */
	UT_hash_handle hh;
};

static struct known_key key_of(const struct addr *a, const char *name)
{
	struct known_key k = { .v6 = a->v6 };

	memcpy(k.ip, a->ip, a->v6 ? 16 : 4);
	for (size_t i = 0; i < sizeof(k.name) - 1 && name[i]; i++)
		k.name[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
	return k;
}

static void forget_old(struct gate *g, uint64_t now, bool all)
{
	struct known *k, *next;

	HASH_ITER(hh, g->known, k, next)
	{
		if (!all && k->until > now)
			continue;
		HASH_DEL(g->known, k);
		free(k);
		g->nknown--;
	}
}

void desk_forget(struct gate *g)
{
	forget_old(g, 0, true);
}

static void know(struct gate *g, const struct addr *a, const char *name, uint32_t ttl, uint64_t now)
{
	struct known_key key = key_of(a, name);
	struct known *k;

	HASH_FIND(hh, g->known, &key, sizeof(key), k);
	if (!k) {
		if (g->nknown >= DESK_KNOWN_MAX)
			forget_old(g, now, false);
		if (g->nknown >= DESK_KNOWN_MAX)
			return;
		k = xcalloc(1, sizeof(*k));
		k->key = key;
		HASH_ADD(hh, g->known, key, sizeof(key), k);
		g->nknown++;
	}
	if (ttl < KNOWN_KEEP_MIN)
		ttl = KNOWN_KEEP_MIN;
	if (ttl > 86400)
		ttl = 86400;
	k->until = now + (ttl + 5) * NSEC_PER_SEC;
}

void desk_know(struct gate *g, const char *name, const void *answer, size_t n)
{
	struct dns_message *m = xmalloc(sizeof(*m));
	uint64_t now = clock_mono_ns();

	if (!dns_read(answer, n, m)) {
		for (int i = 0; i < m->nrecords; i++) {
			const struct dns_record *r = &m->record[i];
			struct addr a = { .v6 = r->type == DNS_AAAA };

			if (!(r->type == DNS_A && r->n == 4) &&
			    !(r->type == DNS_AAAA && r->n == 16))
				continue;
			memcpy(a.ip, r->data, r->n);
			know(g, &a, name, r->ttl, now);
		}
	}
	free(m);
}

static bool is_known(const struct gate *g, const struct addr *a, const char *name)
{
	struct known_key key = key_of(a, name);
	struct known *k;

	HASH_FIND(hh, g->known, &key, sizeof(key), k);
	return k && k->until > clock_mono_ns();
}

/* This machine, or many: nobody's peer. */
static bool nobodys(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[15];

	if (!a->v6)
		return a->ip[0] == 127 || a->ip[0] == 0 || a->ip[0] >= 224;
	return a->ip[0] == 0xff || !memcmp(a->ip, mapped, 12) ||
	       (!memcmp(a->ip, zero, 15) && a->ip[15] <= 1);
}

static void refuse(struct gate *g, const struct wire_dial *d, int code, const char *reason)
{
	struct wire_dialed r = { .flow = d->flow, .check = d->check, .code = code };

	snprintf(r.reason, sizeof(r.reason), "%s", reason);
	desk_say(g, WIRE_DIALED, &r, sizeof(r), NULL, 0, -1);
}

static int dial(const struct addr *a, bool tcp, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(a, &ss), size = sizeof(int);
	int fd = socket(ss.ss_family,
			(tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, idle = 0;

	if (fd < 0)
		return errno;
	if (tcp) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
		/* a peer that vanishes without a word: found in two minutes, or sooner where the
		 * system says so */
		if (!getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size) && idle > KEEPALIVE_S)
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ KEEPALIVE_S },
				   sizeof(int));
	}
	if (connect(fd, (struct sockaddr *)&ss, n) && errno != EINPROGRESS) {
		int code = errno;

		close(fd);
		return code;
	}
	*ret_fd = fd;
	return 0;
}

void desk_dial(struct gate *g, const struct wire_dial *d)
{
	struct wire_dialed r = { .flow = d->flow, .check = d->check };
	struct addr a = { .v6 = d->v6, .port = d->port };
	struct judged j;
	int fd = -1, code;

	memcpy(a.ip, d->ip, d->v6 ? 16 : 4);
	if (nobodys(&a)) {
		refuse(g, d, EACCES,
		       "the address means this computer, or many: nobody to connect to");
		return;
	}
	/* and to a policy it would mean any port */
	if (!a.port) {
		refuse(g, d, EACCES, "there is no port 0 to connect to");
		return;
	}
	pthread_mutex_lock(&g->lock);
	j = policy_address(g->policy, &a, d->name[0] && is_known(g, &a, d->name) ? d->name : "");
	pthread_mutex_unlock(&g->lock);
	if (j.verdict != VERDICT_ALLOW) {
		refuse(g, d, EACCES, j.reason);
		return;
	}
	code = desk_socket_room(g) ? dial(&a, d->tcp, &fd) : EMFILE;
	if (code)
		refuse(g, d, code, strerror(code));
	else
		desk_say(g, WIRE_DIALED, &r, sizeof(r), NULL, 0, fd);
}
