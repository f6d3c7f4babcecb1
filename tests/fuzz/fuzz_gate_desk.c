// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_desk.c - the supervisor's desk and a gate process that was taken over
 *
 * Input: { u8 what, u16 n, n bytes }. What: 0 a message as it is; 1 a message of one frame, its
 * type in the first byte; 2 what a resolver of the host answers to the oldest question; 3 the gate
 * process reads n notes. Whatever it says, only these may happen: events of the kinds that a gate
 * tells, not in the future, of processes that the table of ports gave; content of its size;
 * questions for names, and connections to addresses, that the policy allows; and what waits is
 * bounded.
 *
 * Nothing leaves this machine: connect() and the threads that look up are our own here.
 */
#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define connect	       fuzz_connect
#define journal_append fuzz_append
#define journal_now    fuzz_now

int fuzz_connect(int fd, const struct sockaddr *to, socklen_t n);

#include "gate/desk/desk.c"
#include "gate/desk/dial.c"
#include "gate/desk/notes.c"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define NOW	 (5 * NSEC_PER_SEC)
#define OWNERS	 1000 /* no process key below it comes from the table of ports */
#define ANSWERED 64

/** struct lookups - questions that wait, and the addresses that answers gave */
struct lookups {
	struct wire_lookup asked[ANSWERED];
	size_t nasked;
	const uint8_t *answer; /* to the oldest; NULL none */
	size_t answer_n;
};

static const char policy_text[] = "mode declared\n"
				  "allow *.example\n"
				  "allow 192.0.2.0/24:443\n"
				  "deny no.example\n";

/* connect() has no place for state: the desk that an input is run on */
static struct gate *now_running;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* ---- what the desk reaches ---------------------------------------------------------------- */

struct lookups *lookups_new(void)
{
	return xcalloc(1, sizeof(struct lookups));
}

int lookups_fd(const struct lookups *l UNUSED)
{
	return -1;
}

bool lookups_ask(struct lookups *l, const struct wire_lookup *q)
{
	check(memchr(q->name, 0, sizeof(q->name)) != NULL);
	check(policy_name(now_running->policy, q->name, 0).verdict == VERDICT_ALLOW);
	if (l->nasked == ANSWERED)
		return false;
	l->asked[l->nasked++] = *q;
	return true;
}

bool lookups_take(struct lookups *l, struct wire_lookup *ret_q, void **ret_answer, size_t *ret_n,
		  int *ret_code)
{
	if (!l->nasked || !l->answer)
		return false;
	*ret_q = l->asked[0];
	memmove(l->asked, l->asked + 1, --l->nasked * sizeof(l->asked[0]));
	*ret_code = l->answer_n ? 0 : EIO;
	*ret_n = l->answer_n;
	*ret_answer = xmalloc(l->answer_n + 1);
	memcpy(*ret_answer, l->answer, l->answer_n);
	l->answer = NULL;
	return true;
}

void lookups_leave(struct lookups *l)
{
	free(l);
}

bool hosts_answer(const char *text UNUSED, const char *name UNUSED, uint16_t type UNUSED,
		  struct buf *out UNUSED)
{
	return false;
}

static bool was_answered(const struct addr *a)
{
	for (struct known *k = now_running->known; k; k = k->hh.next)
		if (k->key.v6 == a->v6 && !memcmp(k->key.ip, a->ip, a->v6 ? 16 : 4))
			return true;
	return false;
}

int fuzz_connect(int fd, const struct sockaddr *to, socklen_t n)
{
	const struct sockaddr_in *in = (const void *)to;
	const struct sockaddr_in6 *in6 = (const void *)to;
	struct addr a = { .v6 = to->sa_family == AF_INET6 };

	check(fd >= 0 && n == (a.v6 ? sizeof(*in6) : sizeof(*in)));
	if (a.v6) {
		memcpy(a.ip, &in6->sin6_addr, 16);
		check(!IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) &&
		      !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) &&
		      !IN6_IS_ADDR_MULTICAST(&in6->sin6_addr) &&
		      !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr));
	} else {
		memcpy(a.ip, &in->sin_addr, 4);
		check(a.ip[0] != 127 && a.ip[0] && a.ip[0] < 224);
	}
	/* by the rule of addresses, or by a name that the host's resolver gave it for */
	check(was_answered(&a) ||
	      (!a.v6 && a.ip[0] == 192 && !a.ip[1] && a.ip[2] == 2 && in->sin_port == htons(443)));
	errno = EINPROGRESS;
	return -1;
}

uint64_t fuzz_now(const struct journal *j UNUSED)
{
	return NOW;
}

int fuzz_append(struct journal *j UNUSED, const struct event *ev, uint64_t *ret_seq UNUSED,
		struct err *err UNUSED)
{
	static const enum event_kind kinds[] = {
		EV_FLOW,   EV_BURST,  EV_DNS, EV_TLS,	EV_HTTP,
		EV_BANNER, EV_CANARY, EV_GAP, EV_LIMIT, EV_CONTENT
	};
	static uint8_t encoded[EVENT_MAX];
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		known = known || ev->kind == kinds[i];
	check(known && event_encode(ev, encoded, sizeof(encoded)) > 0);
	check(ev->t <= NOW || (ev->t == UINT64_MAX && ev->kind == EV_CONTENT));
	check(!ev->proc || (ev->proc >= OWNERS && ev->kind != EV_GAP && ev->kind != EV_LIMIT));
	return 0;
}

static uint32_t owner(void *ctx UNUSED, int protocol, bool ip6, uint16_t port, uint64_t at UNUSED)
{
	check(protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP);
	return OWNERS + port + ip6;
}

static int keep(void *ctx UNUSED, const void *p, size_t n, char ret_sha256[SHA256_HEX],
		bool *ret_kept, struct err *err UNUSED)
{
	uint8_t hash[SHA256_LEN];

	check(n > 0 && n <= CONTENT_PART);
	sha256_once(p, n, hash);
	hex_encode(hash, sizeof(hash), ret_sha256);
	*ret_kept = hash[0] & 1;
	return 0;
}

/* ---- one input ---------------------------------------------------------------------------- */

static struct gate *desk_new(int sock)
{
	struct gate *g = xcalloc(1, sizeof(*g));

	*g = (struct gate){ .sock = sock, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	g->opts.owner = owner;
	g->opts.keep = keep;
	g->opts.keylog_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	g->notes_end = &g->notes;
	g->sockets_max = 512;
	pthread_mutex_init(&g->lock, NULL);
	g->policy = policy_new(GATE_DECLARED);
	check(!policy_parse(g->policy, policy_text, sizeof(policy_text) - 1, "fuzz", NULL));
	g->lookups = lookups_new();
	return g;
}

static void desk_free(struct gate *g)
{
	forget_owners(g);
	desk_drop_notes(g);
	check(!g->nnotes && !g->note_bytes && !g->note_sockets);
	desk_forget(g);
	check(!g->nknown);
	lookups_leave(g->lookups);
	policy_free(g->policy);
	pthread_mutex_destroy(&g->lock);
	close(g->opts.keylog_fd);
	close(g->wake);
	close(g->sock);
	free(g);
}

/* Return: whether the desk goes on. */
static bool say(struct gate *g, int peer, const uint8_t *p, size_t n)
{
	int rc;

	if (!n)
		return true;
	check(send(peer, p, n, MSG_NOSIGNAL) == (ssize_t)n);
	rc = hear(g);
	check(rc == 1 || rc == -EBADMSG);
	/* it has ended only when it was told to */
	check(!g->ended || atomic_load(&g->ending));
	return rc == 1;
}

static bool say_frame(struct gate *g, int peer, const uint8_t *p, size_t n)
{
	struct buf b = { .limit = WIRE_MAX };
	bool goes_on;

	if (!n)
		return true;
	wire_add(&b, (enum wire_type)(p[0] % (WIRE_TYPES + 1)), p + 1, n - 1, NULL, 0);
	goes_on = say(g, peer, (const uint8_t *)b.p, b.n);
	buf_free(&b);
	return goes_on;
}

static void listen_to(struct gate *g, int peer, size_t n)
{
	static uint8_t bytes[WIRE_MAX];

	desk_send_notes(g);
	for (; n && recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; n--)
		;
}

static bool step(struct gate *g, int peer, uint8_t what, const uint8_t *p, size_t n)
{
	switch (what % 4) {
	case 0:
		return say(g, peer, p, n);
	case 1:
		return say_frame(g, peer, p, n);
	case 2:
		g->lookups->answer = p;
		g->lookups->answer_n = n;
		take_answers(g);
		g->lookups->answer = NULL;
		return true;
	default:
		listen_to(g, peer, n);
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rd in = { .p = p, .end = p + n };
	int pair[2];

	check(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	now_running = desk_new(pair[0]);
	atomic_store(&now_running->ending, n % 2);
	while (in.p != in.end && !in.bad) {
		uint8_t what = rd_u8(&in);
		size_t len = rd_u8(&in) | (size_t)rd_u8(&in) << 8;
		const uint8_t *bytes;

		len = len < (size_t)(in.end - in.p) ? len : (size_t)(in.end - in.p);
		bytes = rd_bytes(&in, len);
		if (!bytes || !step(now_running, pair[1], what, bytes, len))
			break;
		check(now_running->nowned <= DESK_FLOWS_MAX &&
		      now_running->nowned == HASH_COUNT(now_running->owned));
		check(now_running->nnotes <= DESK_NOTES_MAX &&
		      now_running->note_bytes <= DESK_NOTES_BYTES &&
		      now_running->note_sockets <= now_running->sockets_max);
	}
	desk_free(now_running);
	close(pair[1]);
	return 0;
}
