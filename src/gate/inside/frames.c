// SPDX-License-Identifier: Apache-2.0
/*
 * frames.c - the box's packets, read at its interface, where the kernel has no TPROXY
 *
 * Theory of operation
 *
 * Without TPROXY what a program sends does leave by the interface (box/net.c). A packet socket
 * with a ring there sees every frame, once. What TPROXY and the kernel's TCP would have made of it
 * is made here: datagrams and pings become flows as they are, their fragments put together; TCP
 * goes to libslirp (slirp/stack.c), which gives back a stream socket for each connection. From
 * there on nothing knows the difference. Back to the program all goes as datagrams do anyway: by
 * raw sockets, as if it came from whoever was asked, and through the box's own kernel; so there is
 * no tap, which needs a device that many machines give to root alone.
 *
 * A full ring loses packets. TCP sends them again; of others a gap is told at the end.
 */
#include "gate/decode/be.h"
#include "gate/decode/packet.h"
#include "gate/inside/inside.h"
#include "gate/inside/packet_filter.h"

#include <dlfcn.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define RING_BYTES    (16u << 20)
#define RING_FRAME    2048 /* a frame of the interface, and the kernel's words on it */
#define RING_BLOCK    (1u << 20)
#define RING_FRAMES   (RING_BYTES / RING_FRAME)
#define FRAMES_A_TURN 512
#define ETHER_HEAD    14

struct frames {
	const struct stack_ops *ops;
	struct stack_env env;
	struct stack *stack;
	struct defrag *defrag;
	struct addr own; /* IPv4 */
	int sock;
	uint8_t *map;
	unsigned at;
};

/* ---- before the lock-down ----------------------------------------------------------------- */

/* Beside this program, which is where it is built and installed. */
static int module_path(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size);
	char *slash;

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	out[n] = 0;
	slash = strrchr(out, '/');
	if (!slash || (size_t)(slash + 1 - out) + sizeof(STACK_FILE) > size)
		return -ENAMETOOLONG;
	memcpy(slash + 1, STACK_FILE, sizeof(STACK_FILE));
	return 0;
}

int frames_load(struct frames **ret, struct err *err)
{
	const struct stack_ops *ops = NULL;
	char path[4096];
	void *module = NULL;

	if (!module_path(path, sizeof(path)))
		module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (module)
		ops = dlsym(module, STACK_SYMBOL);
	if (!ops)
		return err_set_exit(err, EXIT_NO_WALL, 0,
				    "gate: this kernel has no TPROXY, and libslirp, which would do "
				    "without, is not there: %s ('belljar doctor' says what to do)",
				    dlerror());
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->ops = ops;
	(*ret)->sock = -1;
	(*ret)->map = MAP_FAILED;
	return 0;
}

void frames_unload(struct frames *f)
{
	free(f);
}

/* What leaves. What the box's kernel says by itself (neighbours, group membership) is nobody's. */
static int filter(int s)
{
	static struct sock_filter code[] = {
		LOAD(BPF_B, AUX(SKF_AD_PKTTYPE)),
		IF_EQUAL(PACKET_OUTGOING, 0, 11),
		LOAD(BPF_W, AUX(SKF_AD_PROTOCOL)),
		IF_EQUAL(ETH_P_IPV6, 3, 0),
		IF_EQUAL(ETH_P_IP, 0, 8),
		LOAD(BPF_B, IP(9)),
		IF_EQUAL(IPPROTO_IGMP, 6, 5),
		LOAD(BPF_B, IP(6)),
		IF_EQUAL(IPPROTO_HOPOPTS, 4, 0),
		IF_EQUAL(IPPROTO_ICMPV6, 0, 2),
		LOAD(BPF_B, IP(40)),
		IF_EQUAL(ICMP6_ECHO_REQUEST, 0, 1),
		SEEN,
		UNSEEN,
	};

	return packet_filter(s, code, ARRAY_SIZE(code));
}

static int open_ring(struct frames *f)
{
	struct tpacket_req req = { .tp_block_size = RING_BLOCK,
				   .tp_block_nr = RING_BYTES / RING_BLOCK,
				   .tp_frame_size = RING_FRAME,
				   .tp_frame_nr = RING_FRAMES };
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex("eth0") };
	int version = TPACKET_V2;

	/* of no protocol until the filter stands and the interface is chosen */
	f->sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->sock < 0 || filter(f->sock) ||
	    setsockopt(f->sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(f->sock, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		return -errno;
	f->map = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->sock, 0);
	if (f->map == MAP_FAILED || bind(f->sock, (struct sockaddr *)&at, sizeof(at)))
		return -errno;
	return 0;
}

static void begins(void *ctx, const struct addr *src, const struct addr *dst, int fd,
		   struct stack_pipe *pipe)
{
	tcp_begins(ctx, src, dst, fd, pipe);
}

static void to_program(void *ctx, const void *ip, size_t n)
{
	struct inside *in = ctx;
	const uint8_t *p = ip;

	/* lost, as in any network, when there is no room: it is sent again */
	(void)!send(in->raw[p[0] >> 4 == 6], ip, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int frames_open(struct inside *in, struct err *err)
{
	struct frames *f = in->frames;
	struct sockaddr_storage own = { 0 };
	socklen_t n = sizeof(own);
	int rc = open_ring(f);

	if (rc || getpeername(in->raw[0], (struct sockaddr *)&own, &n))
		return err_set_exit(err, EXIT_NO_WALL, rc ? -rc : errno,
				    "gate: read the box's interface");
	addr_from_sockaddr(&f->own, &own);
	f->env = (struct stack_env){ .ctx = in, .begins = begins, .packet = to_program };
	memcpy(&f->env.own, f->own.ip, 4);
	f->defrag = defrag_new();
	f->stack = f->ops->open(&f->env);
	if (!f->stack)
		return err_set_exit(err, EXIT_NO_WALL, ENOMEM, "gate: make a TCP by libslirp");
	in->frames_source = (struct source){ SOURCE_FRAMES, f->sock };
	return inside_watch(in, &in->frames_source, EPOLLIN) ? err_set(err, errno, "gate: epoll")
							     : 0;
}

/* ---- one frame ---------------------------------------------------------------------------- */

static bool to_everybody(const struct frames *f, const struct addr *dst)
{
	if (dst->v6)
		return dst->ip[0] == 0xff;
	return dst->ip[0] >> 4 >= 0xe || (dst->ip[3] == 255 && !memcmp(dst->ip, f->own.ip, 3));
}

static void tcp(const struct frames *f, struct packet *k, uint8_t *frame, bool unsummed)
{
	/* the ring is ours to write */
	uint8_t *p = frame + (k->p - frame);
	struct addr src = k->src, dst = k->dst;
	uint8_t ip_protocol = frame[ETHER_HEAD + (src.v6 ? 6 : 9)];

	if (k->n < 20 || k->n != k->full_n || ip_protocol != IPPROTO_TCP)
		return;
	src.port = be16(p);
	dst.port = be16(p + 2);
	if (unsummed)
		inject_tcp_sum(&src, &dst, p, k->n);
	f->ops->segment(f->stack, &src, &dst, frame, (size_t)(p + k->n - frame));
}

static void udp(struct inside *in, const struct packet *k)
{
	struct addr src = k->src, dst = k->dst;
	size_t n = k->n < 8 ? 0 : be16(k->p + 4);

	if (n < 8 || n > k->n)
		return;
	src.port = be16(k->p);
	dst.port = be16(k->p + 2);
	udp_arrived(in, &src, &dst, k->p + 8, n - 8);
}

static void icmp(struct inside *in, struct packet *k)
{
	if (k->n >= 8 && k->p[0] == (k->src.v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO))
		ping_arrived(in, &k->src, &k->dst, k->p, k->n);
}

static void frame(struct inside *in, uint8_t *p, size_t n, bool unsummed)
{
	struct frames *f = in->frames;
	struct packet k = { 0 };
	bool part;

	if (packet_read(LINK_ETHERNET, p, n, &k))
		return;
	part = k.fragment;
	if (part && (!defrag_add(f->defrag, &k) || packet_extensions(&k)))
		return;
	if (to_everybody(f, &k.dst))
		astray_packet(in, &k);
	else if (k.protocol == IPPROTO_TCP && !part)
		tcp(f, &k, p, unsummed);
	else if (k.protocol == IPPROTO_UDP)
		udp(in, &k);
	else if (k.protocol == (k.src.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		icmp(in, &k);
	else
		astray_packet(in, &k);
}

/* ---- a turn ------------------------------------------------------------------------------- */

void frames_receive(struct inside *in)
{
	struct frames *f = in->frames;

	for (int i = 0; i < FRAMES_A_TURN; i++) {
		struct tpacket2_hdr *h = (void *)(f->map + (size_t)f->at * RING_FRAME);
		uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);

		if (!(status & TP_STATUS_USER))
			return;
		if (h->tp_snaplen == h->tp_len && h->tp_mac + h->tp_snaplen <= RING_FRAME)
			frame(in, (uint8_t *)h + h->tp_mac, h->tp_snaplen,
			      status & TP_STATUS_CSUMNOTREADY);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		f->at = (f->at + 1) % RING_FRAMES;
	}
}

void frames_run(struct inside *in)
{
	const struct frames *f = in->frames;
	uint32_t ms;

	if (!f)
		return;
	ms = f->ops->run(f->stack);
	in->frames_due = ms == STACK_NEVER ? UINT64_MAX : in->now + ms * 1000000ull;
}

void frames_let_go(const struct inside *in, struct stack_pipe *pipe, bool reset)
{
	in->frames->ops->let_go(pipe, reset);
}

bool frames_was_reset(const struct inside *in, const struct stack_pipe *pipe)
{
	return in->frames->ops->was_reset(pipe);
}

uint64_t frames_lost(const struct inside *in)
{
	struct tpacket_stats st = { 0 };
	socklen_t n = sizeof(st);

	if (!in->frames || getsockopt(in->frames->sock, SOL_PACKET, PACKET_STATISTICS, &st, &n))
		return 0;
	return st.tp_drops;
}
