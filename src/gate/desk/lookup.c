// SPDX-License-Identifier: Apache-2.0
/*
 * lookup.c - names that the host's resolver is asked for, in threads that may block
 *
 * /etc/hosts first, as the host itself does; then the servers of /etc/resolv.conf (resolver(3)).
 * At the end of a run nobody waits for a slow server: the threads hold the queue together with us,
 * and the last one frees it.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "gate/desk/desk.h"

#define HOSTS_MAX (1u << 20)
#define HOSTS_TTL 60

struct lookup {
	struct lookup *next;
	struct wire_lookup q;
	void *answer;
	size_t n;
	int code;
};

struct lookups {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct lookup *asked, **asked_end, *answered, **answered_end;
	int nasked, nthreads, idle, holders, event;
	bool left;
};

/* ---- /etc/hosts --------------------------------------------------------------------------- */

static bool names_it(const char *words, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = words; p < words + n;) {
		size_t k;

		p += strspn(p, " \t");
		if (p >= words + n)
			break;
		k = strcspn(p, " \t\n#");
		if (k == len && !strncasecmp(p, name, len))
			return true;
		p += k ? k : 1;
	}
	return false;
}

static void answer_head(struct wr *w, const char *name, uint16_t type)
{
	static const uint8_t head[12] = { 0, 0, 0x81, 0x80, 0, 1 };

	wr_bytes(w, head, sizeof(head));
	dns_name_write(w, name);
	wr_bytes(w, (uint8_t[]){ (uint8_t)(type >> 8), (uint8_t)type, 0, 1 }, 4);
}

static void answer_record(struct wr *w, uint16_t type, const uint8_t *ip, size_t n)
{
	uint8_t fixed[] = {
		0xc0, 12,	 (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0, HOSTS_TTL,
		0,    (uint8_t)n
	};

	wr_bytes(w, fixed, sizeof(fixed));
	wr_bytes(w, ip, n);
}

bool hosts_answer(const char *text, const char *name, uint16_t type, struct buf *out)
{
	uint8_t bytes[4096], ip[16];
	struct wr w = { bytes, bytes + sizeof(bytes) };
	bool found = false;
	int n = 0;

	answer_head(&w, name, type);
	for (const char *line = text; *line && n < 64;) {
		size_t len = strcspn(line, "\n"), k;
		char address[INET6_ADDRSTRLEN];
		int family;

		k = strcspn(line, " \t\n#");
		if (k < sizeof(address) && k < len && names_it(line + k, len - k, name)) {
			memcpy(address, line, k);
			address[k] = 0;
			family = strchr(address, ':') ? AF_INET6 : AF_INET;
			if (inet_pton(family, address, ip) == 1) {
				found = true;
				if (type == (family == AF_INET ? DNS_A : DNS_AAAA)) {
					answer_record(&w, type, ip, family == AF_INET ? 4 : 16);
					n++;
				}
			}
		}
		line += len + (line[len] == '\n');
	}
	if (!found || w.bad || (type != DNS_A && type != DNS_AAAA))
		return false;
	bytes[7] = (uint8_t)n;
	buf_add(out, bytes, (size_t)(w.p - bytes));
	return true;
}

/* ---- asking ------------------------------------------------------------------------------- */

static void look_up(struct lookup *l)
{
	struct __res_state state = { 0 };
	cleanup_free char *hosts = NULL;
	struct buf out = { .limit = DNS_MESSAGE_MAX };
	uint8_t query[512];
	int n;

	if (!read_file_at(AT_FDCWD, "/etc/hosts", HOSTS_MAX, &hosts, NULL) &&
	    hosts_answer(hosts, l->q.name, l->q.type, &out)) {
		l->answer = out.p;
		l->n = out.n;
		return;
	}
	if (res_ninit(&state)) {
		l->code = EIO;
		return;
	}
	state.retrans = 2;
	state.retry = 2;
	n = res_nmkquery(&state, QUERY, l->q.name, ns_c_in, l->q.type, NULL, 0, NULL, query,
			 sizeof(query));
	if (n > 0) {
		l->answer = xmalloc(DNS_MESSAGE_MAX);
		n = res_nsend(&state, query, n, l->answer, DNS_MESSAGE_MAX);
	}
	if (n <= 0)
		l->code = errno ? errno : EIO;
	else
		l->n = (size_t)n < DNS_MESSAGE_MAX ? (size_t)n : DNS_MESSAGE_MAX;
	res_nclose(&state);
}

/* With the lock held; frees all with the last holder. */
static void let_go(struct lookups *l)
{
	bool last = --l->holders == 0;

	pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	for (int i = 0; i < 2; i++)
		for (struct lookup *a = i ? l->asked : l->answered, *next; a; a = next) {
			next = a->next;
			free(a->answer);
			free(a);
		}
	close(l->event);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->more);
	free(l);
}

static void *worker(void *arg)
{
	struct lookups *l = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&l->lock);
	while (!l->left) {
		struct lookup *a = l->asked;

		if (!a) {
			l->idle++;
			pthread_cond_wait(&l->more, &l->lock);
			l->idle--;
			continue;
		}
		l->asked = a->next;
		if (!l->asked)
			l->asked_end = &l->asked;
		l->nasked--;
		pthread_mutex_unlock(&l->lock);
		look_up(a);
		pthread_mutex_lock(&l->lock);
		a->next = NULL;
		*l->answered_end = a;
		l->answered_end = &a->next;
		(void)!write(l->event, &one, sizeof(one));
	}
	let_go(l);
	return NULL;
}

struct lookups *lookups_new(void)
{
	struct lookups *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->more, NULL);
	l->asked_end = &l->asked;
	l->answered_end = &l->answered;
	l->holders = 1;
	l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l;
}

int lookups_fd(const struct lookups *l)
{
	return l->event;
}

static void one_more_thread(struct lookups *l)
{
	pthread_attr_t a;
	pthread_t t;

	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	if (!pthread_create(&t, &a, worker, l)) {
		l->nthreads++;
		l->holders++;
	}
	pthread_attr_destroy(&a);
}

bool lookups_ask(struct lookups *l, const struct wire_lookup *q)
{
	struct lookup *a;
	bool room;

	pthread_mutex_lock(&l->lock);
	room = l->nasked < LOOKUPS_MAX;
	if (room) {
		a = xcalloc(1, sizeof(*a));
		a->q = *q;
		*l->asked_end = a;
		l->asked_end = &a->next;
		l->nasked++;
		if (l->nasked > l->idle && l->nthreads < LOOKUP_WORKERS)
			one_more_thread(l);
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->lock);
	return room;
}

bool lookups_take(struct lookups *l, struct wire_lookup *ret_q, void **ret_answer, size_t *ret_n,
		  int *ret_code)
{
	struct lookup *a;

	pthread_mutex_lock(&l->lock);
	a = l->answered;
	if (a) {
		l->answered = a->next;
		if (!l->answered)
			l->answered_end = &l->answered;
	}
	pthread_mutex_unlock(&l->lock);
	if (!a)
		return false;
	*ret_q = a->q;
	*ret_answer = a->answer;
	*ret_n = a->n;
	*ret_code = a->code;
	free(a);
	return true;
}

void lookups_leave(struct lookups *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->left = true;
	pthread_cond_broadcast(&l->more);
	let_go(l);
}
