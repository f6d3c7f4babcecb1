// SPDX-License-Identifier: Apache-2.0
/*
 * ring.c - packets of the box's network into a run's capture file
 *
 * All of the box's TCP and UDP passes lo, with its own addresses (src/box/net.c), so one packet
 * socket there sees everything once (packet(7), PACKET_IGNORE_OUTGOING). Without TPROXY what leaves
 * does so by the interface, and only what comes passes lo: then the socket hears both. A thread of
 * its own copies blocks of the ring to the file, so that neither the disk nor the loop waits for
 * the other.
 *
 * Of each connection the first RING_FLOW_FULL bytes are kept in full; of what follows only the
 * heads, which say who, when, and how much. Otherwise one download would fill the file, and the
 * disk would be the box's speed limit. Of the flows that have come so far the kernel copies no more
 * than that into the ring: their keys are in the socket's filter.
 */
#include "gate/inside/inside.h"
#include "gate/inside/packet_filter.h"
#include "gate/pcap/pcapng.h"

#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define RING_BLOCK     (1u << 20)
#define RING_BLOCKS    16
#define RING_FLOW_FULL (1u << 20)
#define RING_SNAP      128
#define RING_SLOTS     65536
#define RING_LONG      32 /* flows whose packets the filter cuts; two jumps each, of 255 at most */
#define RING_WAIT_MS   1000 /* the kernel wakes us for each block */
#define RING_STILL_NS  1000000

struct ring {
	int sock, file, wake;
	const struct box_clock *clock;
	uint8_t *map;
	pthread_t thread;
	atomic_bool stop;
	bool full, by_interface;
	unsigned interface, lo;
	uint64_t written, packets;
	struct buf out;
	/* bytes so far of the flows whose addresses fall into a slot: no more exact than it needs
	 */
	uint32_t seen[RING_SLOTS];
	struct long_flow {
		uint32_t id; /* 0: none */
		uint32_t key[2];
	} lengthy[RING_LONG];
};

static uint32_t slot_of(const uint8_t *frame, size_t n)
{
	size_t from = frame[12] == 0x86 ? 14 + 8 : 14 + 12, k = frame[12] == 0x86 ? 32 : 8;
	uint32_t h = 0;

	/* both directions of a flow fall into the same slot: a sum does not know the order */
	if (n < from + k + 4)
		return 0;
	for (size_t i = 0; i < k; i += 4) {
		uint32_t w;

		memcpy(&w, frame + from + i, 4);
		h += w * 2654435761u ^ w >> 15;
	}
	return (h + (uint32_t)(frame[from + k] << 8 | frame[from + k + 1]) * 40503u +
		(uint32_t)(frame[from + k + 2] << 8 | frame[from + k + 3]) * 40503u) %
	       RING_SLOTS;
}

static void flush(struct ring *r)
{
	if (r->out.n && write_full(r->file, r->out.p, r->out.n))
		r->full = true;
	r->written += r->out.n;
	r->out.n = 0;
}

static void keep(struct ring *r, const struct tpacket3_hdr *h)
{
	const uint8_t *frame = (const uint8_t *)h + h->tp_mac;
	size_t n = h->tp_snaplen;
	uint32_t slot;

	if (r->full || n < 14)
		return;
	slot = slot_of(frame, n);
	if (r->seen[slot] > RING_FLOW_FULL && n > RING_SNAP)
		n = RING_SNAP;
	else
		r->seen[slot] += (uint32_t)n;
	if (r->written + r->out.n + n + 64 > PCAP_FILE_MAX) {
		flush(r);
		r->full = true;
		return;
	}
	pcapng_packet(&r->out, box_clock_date(r->clock, h->tp_sec * NSEC_PER_SEC + h->tp_nsec),
		      frame, n, h->tp_len, NULL);
	r->packets++;
	if (r->out.n > RING_BLOCK)
		flush(r);
}

static struct tpacket_block_desc *block(const struct ring *r, unsigned nr)
{
	return (void *)(r->map + (size_t)nr * RING_BLOCK);
}

static void keep_block(struct ring *r, const struct tpacket_block_desc *b)
{
	const uint8_t *end = (const uint8_t *)b + RING_BLOCK;
	const uint8_t *at = (const uint8_t *)b + b->hdr.bh1.offset_to_first_pkt;
	uint32_t n = b->hdr.bh1.num_pkts;

	for (uint32_t i = 0; i < n && at + sizeof(struct tpacket3_hdr) <= end; i++) {
		const struct tpacket3_hdr *h = (const void *)at;

		if (at + h->tp_mac + h->tp_snaplen > end)
			return;
		keep(r, h);
		at += h->tp_next_offset;
	}
}

/* Return: whether there was a block. */
static bool one_block(struct ring *r, unsigned nr)
{
	struct tpacket_block_desc *b = block(r, nr);

	if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	keep_block(r, b);
	b->hdr.bh1.num_pkts = 0; /* so that what is counted there is always in it */
	__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	return true;
}

static void *copy(void *arg)
{
	struct ring *r = arg;
	unsigned at = 0;

	for (;;) {
		bool last = atomic_load(&r->stop);
		struct pollfd p[2] = { { .fd = r->sock, .events = POLLIN },
				       { .fd = r->wake, .events = POLLIN } };

		while (one_block(r, at))
			at = (at + 1) % RING_BLOCKS;
		if (last)
			break;
		poll(p, 2, RING_WAIT_MS);
	}
	/* the block that the kernel is filling */
	keep_block(r, block(r, at));
	flush(r);
	return NULL;
}

/* ---- what of a packet is copied into the ring ---------------------------------------------- */

/* Of what the filter reads of a packet: both addresses, and the ports as they stand in it. No more
 * exact than it needs to be. */
static uint32_t key_of(const struct addr *a, const struct addr *b)
{
	size_t at = a->v6 ? 12 : 0;
	uint32_t x, y;

	memcpy(&x, a->ip + at, 4);
	memcpy(&y, b->ip + at, 4);
	return ntohl(x ^ y) ^ ((uint32_t)a->port << 16 | b->port);
}

#define TO_X	  BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define XOR_X	  BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
#define LENGTH	  BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0)
#define OVER(n)	  BPF_STMT(BPF_JMP | BPF_JA, n)
#define ONLY_HEAD BPF_STMT(BPF_RET | BPF_K, RING_SNAP)

/* A is key_of() of the packet; @others away from its end what is too short, or no TCP or UDP. */
#define KEY(header, protocol, src, dst, others)                                                    \
	LENGTH, BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ETH_HLEN + (header) + 4, 0, (others) + 10),    \
		LOAD(BPF_B, IP(protocol)), IF_EQUAL(IPPROTO_TCP, 1, 0),                            \
		IF_EQUAL(IPPROTO_UDP, 0, (others) + 7), LOAD(BPF_W, IP(src)), TO_X,                \
		LOAD(BPF_W, IP(dst)), XOR_X, TO_X, LOAD(BPF_W, IP(header)), XOR_X

/* Goes on with what leaves by the interface, and with what arrives on lo. */
static size_t both(const struct ring *r, struct sock_filter *code)
{
	struct sock_filter part[] = {
		LOAD(BPF_W, AUX(SKF_AD_IFINDEX)),
		IF_EQUAL(r->interface, 0, 2),
		LOAD(BPF_B, AUX(SKF_AD_PKTTYPE)),
		IF_EQUAL(PACKET_OUTGOING, 4, 3),
		IF_EQUAL(r->lo, 0, 2),
		LOAD(BPF_B, AUX(SKF_AD_PKTTYPE)),
		IF_EQUAL(PACKET_OUTGOING, 0, 1),
		UNSEEN,
	};

	memcpy(code, part, sizeof(part));
	return ARRAY_SIZE(part);
}

#define BOTH_CODE 8
#define KEY_CODE  30

static size_t key(struct sock_filter *code)
{
	static const struct sock_filter part[KEY_CODE] = {
		LOAD(BPF_W, AUX(SKF_AD_PROTOCOL)),
		IF_EQUAL(ETH_P_IP, 1, 0),
		IF_EQUAL(ETH_P_IPV6, 13, 26),
		KEY(20, 9, 12, 16, 14),
		OVER(14),
		KEY(40, 6, 20, 36, 1),
		OVER(1),
		SEEN,
	};

	memcpy(code, part, sizeof(part));
	return KEY_CODE;
}

static int filter(struct ring *r)
{
	struct sock_filter code[BOTH_CODE + KEY_CODE + 2 * RING_LONG + 2];
	uint32_t k[2 * RING_LONG];
	size_t n = r->by_interface ? both(r, code) : 0, nk = 0;

	for (size_t i = 0; i < RING_LONG; i++) {
		if (!r->lengthy[i].id)
			continue;
		k[nk++] = r->lengthy[i].key[0];
		k[nk++] = r->lengthy[i].key[1];
	}
	if (nk)
		n += key(code + n);
	for (size_t i = 0; i < nk; i++)
		code[n++] = (struct sock_filter)IF_EQUAL(k[i], (uint8_t)(nk - i), 0);
	code[n++] = (struct sock_filter)SEEN;
	code[n++] = (struct sock_filter)ONLY_HEAD;
	return packet_filter(r->sock, code, n);
}

static struct long_flow *long_flow(struct ring *r, uint32_t id)
{
	for (size_t i = 0; i < RING_LONG; i++)
		if (r->lengthy[i].id == id)
			return &r->lengthy[i];
	return NULL;
}

void ring_passed(struct ring *r, const struct flow_facts *f, uint64_t before, size_t n)
{
	struct long_flow *l;

	if (!r || before > RING_FLOW_FULL || before + n <= RING_FLOW_FULL)
		return;
	l = long_flow(r, 0);
	if (!l)
		return;
	*l = (struct long_flow){ f->id, { key_of(&f->src, &f->dst), key_of(&f->dst, &f->src) } };
	(void)filter(r); /* it is for speed */
}

void ring_ended(struct ring *r, uint32_t id)
{
	struct long_flow *l = r ? long_flow(r, id) : NULL;

	if (!l)
		return;
	l->id = 0;
	(void)filter(r);
}

int ring_open(int file, bool by_interface, const struct box_clock *clock, struct ring **ret,
	      struct err *err)
{
	struct tpacket_req3 req = { .tp_block_size = RING_BLOCK,
				    .tp_block_nr = RING_BLOCKS,
				    .tp_frame_size = 2048,
				    .tp_frame_nr = RING_BLOCK / 2048 * RING_BLOCKS,
				    .tp_retire_blk_tov = 20 };
	struct ring *r = xcalloc(1, sizeof(*r));
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int version = TPACKET_V3, one = 1, rc;

	r->clock = clock;
	r->file = file;
	r->by_interface = by_interface;
	r->lo = if_nametoindex("lo");
	r->interface = if_nametoindex("eth0");
	at.sll_ifindex = by_interface ? 0 : (int)r->lo;
	r->map = MAP_FAILED;
	r->wake = eventfd(0, EFD_CLOEXEC);
	r->sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (r->sock < 0 || r->wake < 0 ||
	    setsockopt(r->sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    (by_interface ? filter(r)
			  : setsockopt(r->sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
				       sizeof(one))) ||
	    setsockopt(r->sock, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		goto fail;
	r->map = mmap(NULL, (size_t)RING_BLOCK * RING_BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED,
		      r->sock, 0);
	if (r->map == MAP_FAILED || bind(r->sock, (struct sockaddr *)&at, sizeof(at)))
		goto fail;
	pcapng_begin(&r->out, "", "Linux", "belljar " BELLJAR_VERSION);
	rc = pthread_create(&r->thread, NULL, copy, r);
	if (rc) {
		errno = rc;
		goto fail;
	}
	*ret = r;
	return 0;
fail:
	rc = err_set_exit(err, EXIT_NO_WALL, errno, "gate: capture packets");
	if (r->map != MAP_FAILED)
		munmap(r->map, (size_t)RING_BLOCK * RING_BLOCKS);
	if (r->sock >= 0)
		close(r->sock);
	if (r->wake >= 0)
		close(r->wake);
	free(r);
	return rc;
}

void ring_close(struct ring *r, uint64_t *ret_lost, uint64_t *ret_packets, bool *ret_full)
{
	struct tpacket_stats_v3 st = { 0 };
	socklen_t n = sizeof(st);
	struct timespec still = { .tv_nsec = RING_STILL_NS };
	uint64_t one = 1;

	/* Nothing sends any more. A packet is in its block when the call that sent it returns, so
	 * this is for what another processor had still to put there. */
	nanosleep(&still, NULL);
	atomic_store(&r->stop, true);
	(void)!write(r->wake, &one, sizeof(one));
	pthread_join(r->thread, NULL);
	if (!getsockopt(r->sock, SOL_PACKET, PACKET_STATISTICS, &st, &n))
		*ret_lost = st.tp_drops;
	*ret_packets = r->packets;
	*ret_full = r->full;
	/* the socket ends with this process: to close it takes longer than all of this */
	buf_free(&r->out);
	free(r);
}
